// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of thinwire-plan. Each takes its arguments from its own name on, prints to
// standard output and returns the exit status: 0, or 2 after saying what was wrong.

#ifndef THINWIRE_BENCH_PLAN_SUBCOMMANDS_H_
#define THINWIRE_BENCH_PLAN_SUBCOMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "base/status.h"

namespace thinwire::plan {

int CostMain(int argc, char** argv);
int FleetMain(int argc, char** argv);
int PlaceMain(int argc, char** argv);

// Parses and runs. What both refuse is printed under the app's name.
int RunSubcommand(CLI::App* app, int argc, char** argv, const std::function<Status()>& run);

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_SUBCOMMANDS_H_
