// SPDX-License-Identifier: Apache-2.0
//
// The algorithms: each is one function that emits one rank's plan. To add one, write such a
// function in a file of its own, name it in Algorithm, and list it in planner.cc; engine, simulator
// and tests need no change (CONTRIBUTING.md).
//
// Costs: a one-way latency, V bytes before encoding, r ratio, B rate, n ranks, lg = log2 rounded up
// (Thakur, Rabenseifner, Gropp 2005 for the classical ones).

#ifndef THINWIRE_COLLECTIVE_ALGORITHMS_H_
#define THINWIRE_COLLECTIVE_ALGORITHMS_H_

#include <vector>

#include "collective/forest.h"
#include "collective/plan.h"
#include "collective/topology.h"

namespace thinwire {

// All-reduce: everybody sends everything to everybody and sums. a + (n-1) V/(rB). One encode.
// With no elements it is a barrier.
void EmitOneShot(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce: scatter-reduce-allgather. Chunk p is summed by rank p, which sends the sum to all.
// 2a + 2(n-1)/n V/(rB). Two encodes, whatever n.
// Broadcast: the root gives each other rank a chunk, which that sends on to the others; reduce: the
// reverse. 2a + 2V/(rB) at most, the root's link carries V once (van de Geijn).
void EmitSra(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce: SRA with chunks as large as links allow, Topology::weights.
void EmitUnevenSra(const PlanRequest& request, const std::vector<uint32_t>& weights, int rank,
                   PlanBuilder* plan);

// In groups of ranks: chunks are summed inside each group by a carrier, and across groups by their
// owner; results take the way back and are not encoded again. All-reduce: 4a + 2(n-1)/n V/(rB) and
// three encodes, with 2(sqrt(n)-1) peers a rank where the groups are the rows of a grid (2-D SRA).
// `uncoded_inside`: what is summed inside a group goes uncoded; then as many encodes as SRA. Of
// sites, one copy of everything crosses between two of them. Reduce-scatter, all-gather: half of
// it; broadcast, reduce: as SRA with one hop more.
void EmitGrouped(const PlanRequest& request, const Groups& groups, bool uncoded_inside, int rank,
                 PlanBuilder* plan);

// In the order of a ring, one neighbour each way. All-reduce: 2(n-1)a + 2(n-1)/n V/(rB). Every hop
// encodes the partial sum again, so its error grows with n; there for ranks that reach only
// neighbours. Reduce-scatter, all-gather: half of it. Broadcast, reduce: a path, (n-1)a + V/(rB).
void EmitRing(const PlanRequest& request, const std::vector<int>& order, int rank,
              PlanBuilder* plan);

// All-reduce: recursive halving, then doubling, as n binomial trees, each turned one rank further,
// so that any n will do (Bruck 1997 for all-gather). 2 lg(n) a + 2(n-1)/n V/(rB), lg(n) peers each
// way; lg(n) + 1 encodes. Reduce-scatter, all-gather: half of it.
void EmitHalvingDoubling(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce: partial sums of everything are exchanged with the rank whose number differs in one
// bit. lg(n) (a + V/(rB)) for powers of two, two hops and 3V more for others; as many encodes as
// hops. All ranks of a partial sum encode it alike: for codecs that give the same bytes wherever
// they run.
void EmitRecursiveDoubling(const PlanRequest& request, int rank, PlanBuilder* plan);

// Broadcast, reduce: a binomial tree. lg(n) (a + V/(rB)).
void EmitTree(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce: half of the elements up and down each of two binary trees, of which a rank is a leaf
// of one (Sanders, Speck, Traeff 2009). 2 lg(n) a + 2V/(rB), pipelined; at most 6 peers. Broadcast,
// reduce: half of it.
void EmitDoubleTree(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-to-all: what leaves a group goes by way of the member that carries for its target. 2a +
// 2(n-1)/n V/B; groups of one: a + (n-1)/n V/B. Received bytes are forwarded.
void EmitAllToAll(const PlanRequest& request, const Groups& groups, int rank, PlanBuilder* plan);

// All but all-reduce: every message straight to where it is needed. One hop.
void EmitDirect(const PlanRequest& request, int rank, PlanBuilder* plan);

// ---- What they are made of ----

// Stars: every owner of a chunk is joined to all other ranks.
Forest StarsOf(Shares shares, int ranks);

// Who carries between groups: of each group the member that has the same place in it as the owner
// of a chunk has in its own, as far as it has so many.
class Carriers {
 public:
  Carriers(const Groups& groups, int ranks);
  struct Seat {
    size_t group = 0;
    size_t index = 0;
  };
  const Groups& groups() const { return groups_; }
  const Seat& seat(int rank) const { return seats_[static_cast<size_t>(rank)]; }
  // Of the owner's own group: the owner.
  int Of(size_t group, int owner) const;

 private:
  Groups groups_;
  std::vector<Seat> seats_;  // by rank
};

// Rank `distance` places after `rank`. Peers are visited in this order by everyone, so that no two
// ranks send to the same one at the same time.
inline int RankAfter(int rank, int distance, int ranks) { return (rank + distance) % ranks; }

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_ALGORITHMS_H_
