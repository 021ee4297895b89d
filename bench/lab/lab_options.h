// SPDX-License-Identifier: Apache-2.0
// What the command line of thinwire-lab says, checked.
#ifndef THINWIRE_BENCH_LAB_LAB_OPTIONS_H_
#define THINWIRE_BENCH_LAB_LAB_OPTIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "emulated_network.h"
#include "rank_processes.h"

namespace thinwire::lab {

enum class LabCommand { kNone, kRun, kMpirun, kCheck };

struct LabOptions {
  LabCommand subcommand = LabCommand::kNone;
  NetworkOptions network;
  SuperviseOptions supervise;
  int port = 29500;
  std::string link_text;  // THINWIRE_LINK for the programs
  std::vector<std::string> mpi_arguments;
  std::vector<std::string> command;  // what follows --
  double check_seconds = 2;
  bool stats = false;
};

// Parses and checks. Throws LabError for what is wrong. When there is nothing to do (--help) prints
// and returns kNone.
LabOptions ParseOptions(int argc, char** argv);

// Variables that every rank gets, without those of the rank itself.
std::vector<std::pair<std::string, std::string>> SharedEnvironment(const LabOptions& options);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LAB_OPTIONS_H_
