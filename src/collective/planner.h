// SPDX-License-Identifier: Apache-2.0
//
// Planner: (operation, sizes, ranks, links, codec) -> plan. Pure, but for a cache of its answers.
// Choosing an algorithm is simulating the candidates. One thread at a time.

#ifndef THINWIRE_COLLECTIVE_PLANNER_H_
#define THINWIRE_COLLECTIVE_PLANNER_H_

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "collective/link_model.h"
#include "collective/plan.h"
#include "collective/simulator.h"

namespace thinwire {

class Planner {
 public:
  // `segment_bytes`: wire bytes a segment aims at, as far as one frame can carry them.
  Planner(LinkModel links, CostModel costs, size_t segment_bytes);

  // Algorithms that can do the operation in the codec, best known first; never empty.
  static std::vector<Algorithm> Candidates(Operation operation, const Codec& codec = RawCodec());

  // The plan of one rank. kInvalidArgument if the algorithm can't do the operation. kAuto: the
  // quickest candidate by simulation. Answers for kAuto and repeated requests come from a cache.
  Result<std::shared_ptr<const Plan>> PlanFor(const PlanRequest& request, Algorithm algorithm,
                                              int rank);

  // Simulates one algorithm for all ranks. REQUIRES: the algorithm is a candidate.
  Simulation Predict(const PlanRequest& request, Algorithm algorithm) const;

  const LinkModel& links() const { return links_; }
  // The first it had: what both ends of a pair go by, whose calls no order ties to those of others.
  const LinkModel& first_links() const { return first_links_; }
  // From now on with other links; forgets its answers.
  void Adopt(LinkModel links);

 private:
  using Key = std::tuple<Operation, DataType, Reduction, size_t, int, const Codec*, Algorithm, int>;

  Plan Make(const PlanRequest& request, Algorithm algorithm, int rank, size_t segment_bytes) const;
  Algorithm Choose(const PlanRequest& request);

  LinkModel links_;
  const LinkModel first_links_;
  CostModel costs_;
  size_t segment_bytes_;
  std::map<Key, std::shared_ptr<const Plan>> plans_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_PLANNER_H_
