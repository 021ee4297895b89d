// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "collective/algorithms.h"

namespace thinwire {
namespace {

// At distance d from the root, a rank's parent is at d without its highest bit; so in each hop all
// that have something send it equally far, and any number of ranks will do.
Place PlaceOf(int root, int ranks, int rank) {
  const auto distance = static_cast<unsigned>((rank - root + ranks) % ranks);
  Place place;
  place.level = std::bit_width(distance);
  if (distance > 0) {
    place.parent = RankAfter(root, static_cast<int>(distance - std::bit_floor(distance)), ranks);
  }
  for (unsigned step = 1U << place.level; distance + step < static_cast<unsigned>(ranks);
       step *= 2) {
    place.children.push_back(RankAfter(root, static_cast<int>(distance + step), ranks));
  }
  std::sort(place.children.begin(), place.children.end());
  return place;
}

void EmitBinomial(const PlanRequest& request, Shares shares, int rank, PlanBuilder* plan) {
  Forest forest;
  forest.chunks = std::move(shares.chunks);
  forest.roots = std::move(shares.owners);
  forest.crosses = forest.roots.size() > 1;
  forest.levels = std::bit_width(static_cast<unsigned>(request.ranks - 1));
  forest.up = [roots = forest.roots, ranks = request.ranks](size_t tree, int at) {
    return PlaceOf(roots[tree], ranks, at);
  };
  forest.down = forest.up;
  EmitForest(request, rank, forest, plan);
}

}  // namespace

void EmitHalvingDoubling(const PlanRequest& request, int rank, PlanBuilder* plan) {
  EmitBinomial(request, SharesOf(request), rank, plan);
}

void EmitTree(const PlanRequest& request, int rank, PlanBuilder* plan) {
  EmitBinomial(request, {.chunks = {{0, request.count}}, .owners = {request.root}}, rank, plan);
}

}  // namespace thinwire
