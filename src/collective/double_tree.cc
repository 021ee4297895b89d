// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>

#include "collective/algorithms.h"

namespace thinwire {
namespace {

// Two binary trees in order over places 1 .. size; odd places are leaves. The second tree has every
// rank one place further on, so that who is a leaf of one passes things on in the other.
class TwoTrees {
 public:
  // `top`: a rank above both trees, which then hold the others; -1: none.
  TwoTrees(int ranks, int top) : top_(top), size_(top < 0 ? ranks : ranks - 1) {}

  int Root(size_t tree) const { return top_ >= 0 ? top_ : RankAt(tree, HighestIn(1, size_)); }

  Place At(size_t tree, int rank) const {
    Place place;
    if (rank == top_) {
      place.children = {RankAt(tree, HighestIn(1, size_))};
      return place;
    }
    const int at = PlaceOfRank(tree, rank);
    const int reach = at & -at;  // its subtree: places at - reach < p < at + reach
    if (reach > 1) place.children.push_back(RankAt(tree, at - reach / 2));
    if (reach > 1 && at < size_) {
      place.children.push_back(RankAt(tree, HighestIn(at + 1, std::min(at + reach - 1, size_))));
    }
    std::sort(place.children.begin(), place.children.end());
    place.level = top_ >= 0 ? 1 : 0;
    place.parent = top_;
    for (int above = ParentOf(at); above > 0; above = ParentOf(above)) {
      if (place.level++ == (top_ >= 0 ? 1 : 0)) place.parent = RankAt(tree, above);
    }
    return place;
  }

  int levels() const { return std::bit_width(static_cast<unsigned>(size_)) - (top_ >= 0 ? 0 : 1); }

 private:
  // The one of a run of places that is highest in the tree: divisible by the largest power of two.
  static int HighestIn(int first, int last) {
    const unsigned differ = static_cast<unsigned>((first - 1) ^ last);
    return last & -static_cast<int>(std::bit_floor(differ));
  }
  // 0: the place is the tree's root.
  int ParentOf(int at) const {
    const int reach = at & -at;
    const int above = (at - reach) | (2 * reach);
    return above <= size_ ? above : at - reach;
  }
  int PlaceOfRank(size_t tree, int rank) const {
    const int index = top_ >= 0 && rank > top_ ? rank - 1 : rank;
    return RankAfter(index, static_cast<int>(tree), size_) + 1;
  }
  int RankAt(size_t tree, int place) const {
    const int index = RankAfter(place - 1, size_ - static_cast<int>(tree) % size_, size_);
    return top_ >= 0 && index >= top_ ? index + 1 : index;
  }

  int top_;
  int size_;
};

}  // namespace

void EmitDoubleTree(const PlanRequest& request, int rank, PlanBuilder* plan) {
  const TwoTrees trees(request.ranks, HasRoot(request.operation) ? request.root : -1);
  Forest forest;
  forest.chunks = ChunksOf(request, {1, 1});
  forest.roots = {trees.Root(0), trees.Root(1)};
  forest.levels = trees.levels();
  if (forest.roots[0] > forest.roots[1]) {
    std::swap(forest.roots[0], forest.roots[1]);
    forest.up = [trees](size_t tree, int at) { return trees.At(1 - tree, at); };
  } else {
    forest.up = [trees](size_t tree, int at) { return trees.At(tree, at); };
  }
  forest.down = forest.up;
  EmitForest(request, rank, forest, plan);
}

}  // namespace thinwire
