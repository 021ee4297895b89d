// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {
namespace {

// Paths round the ring, each ending at its root on the way up and beginning there on the way down.
class Paths {
 public:
  Paths(const std::vector<int>& order, const std::vector<int>& roots)
      : order_(order), places_(order.size()) {
    for (size_t i = 0; i < order.size(); ++i) places_[static_cast<size_t>(order[i])] = i;
    for (const int root : roots) roots_.push_back(places_[static_cast<size_t>(root)]);
  }

  Place Up(size_t tree, int rank) const {
    const size_t at = places_[static_cast<size_t>(rank)];
    return At(After(roots_[tree], order_.size() - at), Next(at, 1), Next(at, order_.size() - 1));
  }
  Place Down(size_t tree, int rank) const {
    const size_t at = places_[static_cast<size_t>(rank)];
    return At(After(at, order_.size() - roots_[tree]), Next(at, order_.size() - 1), Next(at, 1));
  }

 private:
  size_t After(size_t at, size_t distance) const { return (at + distance) % order_.size(); }
  int Next(size_t at, size_t distance) const { return order_[After(at, distance)]; }
  Place At(size_t level, int parent, int child) const {
    Place place;
    place.level = static_cast<int>(level);
    if (level > 0) place.parent = parent;
    if (level + 1 < order_.size()) place.children = {child};
    return place;
  }

  std::vector<int> order_;
  std::vector<size_t> places_;  // by rank
  std::vector<size_t> roots_;   // their places, by tree
};

}  // namespace

void EmitRing(const PlanRequest& request, const std::vector<int>& order, int rank,
              PlanBuilder* plan) {
  Forest forest;
  if (HasRoot(request.operation)) {
    forest.chunks = {{0, request.count}};
    forest.roots = {request.root};
  } else {
    Shares shares = SharesOf(request);
    forest.chunks = std::move(shares.chunks);
    forest.roots = std::move(shares.owners);
  }
  forest.levels = request.ranks - 1;
  const Paths paths(order, forest.roots);
  forest.up = [paths](size_t tree, int at) { return paths.Up(tree, at); };
  forest.down = [paths](size_t tree, int at) { return paths.Down(tree, at); };
  EmitForest(request, rank, forest, plan);
}

}  // namespace thinwire
