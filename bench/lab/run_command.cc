// SPDX-License-Identifier: Apache-2.0
// thinwire-lab run: the command once in each namespace, told its rank as torchrun would.
#include <string>

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
  Report(network.Stop(), options.stats);
  return status;
}

}  // namespace thinwire::lab
