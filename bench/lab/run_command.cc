// SPDX-License-Identifier: Apache-2.0
// thinwire-lab run: the command once in each namespace, told its rank as torchrun would.
#include <fmt/format.h>

#include <cstdio>

#include "lab_commands.h"

namespace thinwire::lab {

int RunRanks(const LabOptions& options) {
  BlockSignals();
  EmulatedNetwork network(options.network);
  RankProcesses processes(options.supervise);
  for (int rank = 0; rank < network.ranks(); ++rank) {
    ProcessSpec spec{network.netns(rank), rank, options.command, SharedEnvironment(options)};
    spec.environment.emplace_back("RANK", std::to_string(rank));
    processes.Start(spec);
  }
  const int status = processes.Wait();
  const ForwarderStats& stats = network.Stop();
  if (options.stats) fmt::print(stderr, "thinwire-lab: {}\n", Describe(stats));
  return status;
}

}  // namespace thinwire::lab
