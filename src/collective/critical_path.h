// SPDX-License-Identifier: Apache-2.0
//
// CriticalPath: what no schedule of a collective can be quicker than: its longest chain of
// messages, each of which waits for the one before, and the bytes of its busiest rank. Explains
// predictions, and saves the planner the simulation of what can't win.

#ifndef THINWIRE_COLLECTIVE_CRITICAL_PATH_H_
#define THINWIRE_COLLECTIVE_CRITICAL_PATH_H_

#include <cstdint>
#include <vector>

#include "collective/link_model.h"
#include "collective/plan.h"
#include "collective/simulator.h"

namespace thinwire {

struct CriticalPath {
  int hops = 0;                 // of the chain that takes longest
  double latency_seconds = 0;   // it takes for messages of no length
  uint64_t wire_bytes = 0;      // of the rank that sends most; without frames' headers
  double transfer_seconds = 0;  // the rank needs whose link is busy longest
  double seconds() const {      // at least
    return latency_seconds > transfer_seconds ? latency_seconds : transfer_seconds;
  }
};

// `plans[r]` is rank r's.
CriticalPath CriticalPathOf(const std::vector<Plan>& plans, const LinkModel& links,
                            const CostModel& costs);

// The same, roughly, of one rank's plan, for communicators of so many ranks that having the plans
// of all would take too long: as if every hop took the longest delay.
CriticalPath CriticalPathOf(const Plan& plan, const LinkModel& links, const CostModel& costs);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_CRITICAL_PATH_H_
