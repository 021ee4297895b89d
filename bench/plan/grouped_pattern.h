// SPDX-License-Identifier: Apache-2.0
//
// The traffic of all-reduces in groups of ranks: 2-D SRA, where groups are the rows of a grid, and
// hierarchical, where they are sites.

#ifndef THINWIRE_BENCH_PLAN_GROUPED_PATTERN_H_
#define THINWIRE_BENCH_PLAN_GROUPED_PATTERN_H_

#include <memory>
#include <vector>

#include "traffic_pattern.h"

namespace thinwire {

// A chunk's carrier in a group is the member that has the place its owner has in the owner's own,
// counted round. Members give theirs of a chunk to its carrier, carriers the sums to the owner, and
// back. `first_ranks`: of each group, ascending from 0.
std::unique_ptr<TrafficPattern> MakeGroupedPattern(int ranks, size_t count,
                                                   const std::vector<int>& first_ranks,
                                                   bool uncoded_inside);

}  // namespace thinwire

#endif  // THINWIRE_BENCH_PLAN_GROUPED_PATTERN_H_
