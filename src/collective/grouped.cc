// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "collective/algorithms.h"

namespace thinwire {

Carriers::Carriers(const Groups& groups, int ranks)
    : groups_(groups), seats_(static_cast<size_t>(ranks)) {
  for (size_t group = 0; group < groups.size(); ++group) {
    for (size_t i = 0; i < groups[group].size(); ++i) {
      seats_[static_cast<size_t>(groups[group][i])] = {group, i};
    }
  }
}

int Carriers::Of(size_t group, int owner) const {
  const std::vector<int>& members = groups_[group];
  return members[seat(owner).index % members.size()];
}

namespace {

// Stars of stars: the owner of a chunk is joined to the ranks of its own group and to one carrier
// of each other group, and that to its group.
Place PlaceOf(const Carriers& carriers, int owner, int rank) {
  Place place;
  const size_t group = carriers.seat(rank).group;
  const int carrier = carriers.Of(group, owner);
  if (rank != carrier) return {.parent = carrier, .level = 2, .children = {}};
  for (const int member : carriers.groups()[group]) {
    if (member != rank) place.children.push_back(member);
  }
  if (rank != owner) {
    place.parent = owner;
    place.level = 1;
    return place;
  }
  for (size_t other = 0; other < carriers.groups().size(); ++other) {
    if (other != group) place.children.push_back(carriers.Of(other, owner));
  }
  std::sort(place.children.begin(), place.children.end());
  return place;
}

}  // namespace

void EmitGrouped(const PlanRequest& request, const Groups& groups, bool uncoded_inside, int rank,
                 PlanBuilder* plan) {
  Shares shares = SharesOf(request);
  Forest forest;
  forest.chunks = std::move(shares.chunks);
  forest.roots = std::move(shares.owners);
  forest.levels = 2;
  forest.up = [carriers = Carriers(groups, request.ranks), roots = forest.roots](
                  size_t tree, int at) { return PlaceOf(carriers, roots[tree], at); };
  forest.down = forest.up;
  forest.crosses = true;
  forest.uncoded_inside = uncoded_inside && !request.codec->sums_exactly();
  EmitForest(request, rank, forest, plan);
}

}  // namespace thinwire
