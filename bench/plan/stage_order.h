// SPDX-License-Identifier: Apache-2.0
//
// Two classical problems that a placement is made of, solved exactly.

#ifndef THINWIRE_BENCH_PLAN_STAGE_ORDER_H_
#define THINWIRE_BENCH_PLAN_STAGE_ORDER_H_

#include <span>
#include <vector>

namespace thinwire::plan {

// Bottleneck assignment: a partner for each of n, so that the largest cost[i * n + partner[i]] is
// smallest. Augmenting paths under a threshold that is searched for.
std::vector<int> BottleneckPartners(std::span<const double> cost, int n);

struct StageOrder {
  std::vector<int> stages;
  double cost = 0;
};

// The open path through all n that has the least sum of first[a * n + b] + repeats * the largest of
// repeated[a * n + b]. Dynamic programming over sets (Held, Karp 1962), once for each bound on the
// second that can still be best. REQUIRES: both symmetric, n <= 20.
StageOrder BestOrder(std::span<const double> first, std::span<const double> repeated,
                     double repeats, int n);

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_STAGE_ORDER_H_
