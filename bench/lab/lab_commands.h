// SPDX-License-Identifier: Apache-2.0
// What thinwire-lab does, one function a subcommand. Each returns the exit status.
#ifndef THINWIRE_BENCH_LAB_LAB_COMMANDS_H_
#define THINWIRE_BENCH_LAB_LAB_COMMANDS_H_

#include <string_view>

#include "lab_options.h"

namespace thinwire::lab {

// One process of the command in each namespace.
int RunRanks(const LabOptions& options);

// One mpirun in the namespace of rank 0, which starts a rank in each.
int RunMpi(const LabOptions& options);

// Round trip and TCP goodput between two hosts, against what was set.
int RunCheck(const LabOptions& options);

// Subcommands for mpirun, not for people. kRshName stands in for ssh: HOST COMMAND...; kRankName
// becomes the command with RANK set as Open MPI numbered it. They return only on failure.
inline constexpr std::string_view kRshName = "__rsh";
inline constexpr std::string_view kRankName = "__rank";
int RunRsh(int argc, char** argv);
int RunRank(char** argv);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LAB_COMMANDS_H_
