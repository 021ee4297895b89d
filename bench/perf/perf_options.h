// SPDX-License-Identifier: Apache-2.0
//
// The command line: flags as nccl-tests names them, and our own.

#ifndef THINWIRE_BENCH_PERF_PERF_OPTIONS_H_
#define THINWIRE_BENCH_PERF_PERF_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "measurement.h"

namespace thinwire::perf {

struct Reduction {
  const char* name;
  thinwireRedOp_t op;
};

struct PerfOptions {
  const Operation* operation = nullptr;
  std::vector<const ElementType*> types;
  std::vector<Reduction> reductions;
  std::vector<size_t> sizes;  // bytes
  int root = 0;
  size_t calls = 1;      // in a group
  bool in_place = true;  // measured too, where the operation can
  MeasurementOptions measurement;
  int ranks = 0;  // threads of this process; 0: the job this process was started in
  std::string json_path;
  std::string device = "host";  // where tensors stand: host or cuda

  // Settings of the communicator; empty: the environment's.
  std::string policy;
  std::string transport;
  std::string link;
  std::string shape;
  double timeout_seconds = -1;
};

// Nothing when the command line asked for help, which was printed. Throws PerfError after it has
// explained a mistake.
std::optional<PerfOptions> ParsePerfOptions(int argc, char** argv);

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_PERF_OPTIONS_H_
