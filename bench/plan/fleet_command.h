// SPDX-License-Identifier: Apache-2.0
//
// thinwire-plan fleet: time against ranks, to 10,000 of them (docs/simulation.md).

#ifndef THINWIRE_BENCH_PLAN_FLEET_COMMAND_H_
#define THINWIRE_BENCH_PLAN_FLEET_COMMAND_H_

namespace thinwire::plan {

// Takes its arguments from "fleet" on, prints a table or JSON to standard output and progress to
// standard error. Returns the exit status: 0, or 2 after saying what was wrong.
int FleetMain(int argc, char** argv);

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_FLEET_COMMAND_H_
