// SPDX-License-Identifier: Apache-2.0
//
// Looks for a placement of low cost: a genetic search whose offspring are improved by swaps, as
// DT-FM does. The same seed gives the same answer on every machine.

#ifndef THINWIRE_BENCH_PLAN_PLACEMENT_SEARCH_H_
#define THINWIRE_BENCH_PLAN_PLACEMENT_SEARCH_H_

#include <cstdint>
#include <functional>

#include "placement.h"

namespace thinwire::plan {

struct SearchEffort {
  int population = 24;
  int offspring = 200;
  int swaps = 100;  // tried on each
  uint64_t seed = 1;
};

// `done` of SearchEffort::offspring, and the least cost so far in seconds.
using Progress = std::function<void(int done, double seconds)>;

// Hosts in any order: what a job gets that doesn't look at its links. Equal for equal seeds.
Placement RandomPlacement(const PlacementModel& model, uint64_t seed);

// Hosts one after another, each the nearest to the one before, cut into the groups of stages: near
// hosts hold the same stage.
Placement NearGroups(const PlacementModel& model);
// The same order dealt round: near hosts are a pipeline.
Placement NearPipelines(const PlacementModel& model);

// The best placement found, wired (PlacementModel::Wired); never worse than those two.
Placement SearchPlacement(const PlacementModel& model, const SearchEffort& effort,
                          const Progress& progress);

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_PLACEMENT_SEARCH_H_
