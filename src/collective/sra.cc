// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

Forest StarsOf(Shares shares, int ranks) {
  Forest forest;
  forest.chunks = std::move(shares.chunks);
  forest.roots = std::move(shares.owners);
  forest.up = [roots = forest.roots, ranks](size_t tree, int rank) {
    if (rank != roots[tree]) return Place{.parent = roots[tree], .level = 1, .children = {}};
    Place centre;
    for (int other = 0; other < ranks; ++other) {
      if (other != rank) centre.children.push_back(other);
    }
    return centre;
  };
  forest.down = forest.up;
  return forest;
}

void EmitSra(const PlanRequest& request, int rank, PlanBuilder* plan) {
  std::vector<uint32_t> weights(static_cast<size_t>(request.ranks), 1);
  for (const int absent : request.absent) weights[static_cast<size_t>(absent)] = 0;
  EmitForest(request, rank, StarsOf(SharesOf(request, weights), request.ranks), plan);
}

void EmitUnevenSra(const PlanRequest& request, const std::vector<uint32_t>& weights, int rank,
                   PlanBuilder* plan) {
  EmitForest(request, rank, StarsOf(SharesOf(request, weights), request.ranks), plan);
}

}  // namespace thinwire
