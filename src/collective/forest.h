// SPDX-License-Identifier: Apache-2.0
//
// Forest: most collectives are one thing on different trees. The elements are dealt out in chunks,
// each with a tree of the ranks. Contributions to a chunk are summed on their way to the root of
// its tree, and results spread from there, forwarded as they came. An all-reduce does both, an
// all-gather only the second, and so on: EmitForest. An algorithm is the shape of its trees: stars
// make SRA, paths a ring, stars of stars a grid.

#ifndef THINWIRE_COLLECTIVE_FOREST_H_
#define THINWIRE_COLLECTIVE_FOREST_H_

#include <functional>
#include <vector>

#include "collective/plan.h"

namespace thinwire {

// One rank's place in a tree.
struct Place {
  int parent = -1;            // -1: the root
  int level = 0;              // 0: the root's; a child's is larger than its parent's
  std::vector<int> children;  // ascending; their contributions are added in this order, the rank's
                              // own where it would stand among them
};

struct Forest {
  using PlaceOf = std::function<Place(size_t tree, int rank)>;

  std::vector<Chunk> chunks;  // of the elements, one for each tree
  std::vector<int> roots;     // of the trees, ascending
  int levels = 1;             // the largest
  PlaceOf up;                 // on the way to the root
  PlaceOf down;               // on the way from it
  // Contributions from level 2, of two, go uncoded, so that what goes on from level 1 is coded for
  // the first time. Not where sums are exact only between coded contributions.
  bool uncoded_inside = false;
  // Ranks sum chunks of several trees, each with several children: see Slot::credited_early.
  bool crosses = false;
};

// Emits an all-reduce, broadcast or reduce; or, where each rank is the root of one tree with the
// chunk that SharesOf gives it, a reduce-scatter or all-gather.
//
// Hops: levels up, levels down, and one between a call's root and those of trees elsewhere. Bytes:
// a chunk on every edge, each way. An element is encoded by each rank it is summed on.
void EmitForest(const PlanRequest& request, int rank, const Forest& forest, PlanBuilder* plan);

// The chunk of each rank: of an all-reduce, broadcast or reduce dealt evenly to all ranks, but for
// the root of a call, which has enough to do and gets none; of others the rank's part of the
// longer buffer.
struct Shares {
  std::vector<Chunk> chunks;  // those that have one
  std::vector<int> owners;
};
Shares SharesOf(const PlanRequest& request);
Shares SharesOf(const PlanRequest& request, std::vector<uint32_t> weights);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_FOREST_H_
