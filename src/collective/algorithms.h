// SPDX-License-Identifier: Apache-2.0
//
// The algorithms: each is one function that emits one rank's plan. To add one, write such a
// function in a file of its own, name it in Algorithm, and list it in planner.cc; engine, simulator
// and tests need no change (CONTRIBUTING.md).
//
// Costs: a one-way latency, V bytes before encoding, r ratio, B rate, n ranks
// (Thakur et al. 2005 for the classical ones).

#ifndef THINWIRE_COLLECTIVE_ALGORITHMS_H_
#define THINWIRE_COLLECTIVE_ALGORITHMS_H_

#include "collective/plan.h"

namespace thinwire {

// All-reduce: everybody sends everything to everybody and sums. a + (n-1) V/(rB). One encode.
// With no elements it is a barrier.
void EmitOneShot(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce: scatter-reduce-allgather. Chunk p is summed by rank p, which sends the sum to all.
// 2a + 2(n-1)/n V/(rB). Two encodes, whatever n.
void EmitSra(const PlanRequest& request, int rank, PlanBuilder* plan);

// All-reduce around a ring: one neighbour each way, 2(n-1)a + 2(n-1)/n V/(rB). Every hop encodes
// the partial sum again, so its error grows with n; there for ranks that reach only neighbours.
void EmitRing(const PlanRequest& request, int rank, PlanBuilder* plan);

// Reduce-scatter, all-gather, broadcast, reduce, send, recv: every message straight to where it is
// needed. One hop.
void EmitDirect(const PlanRequest& request, int rank, PlanBuilder* plan);

// Rank `distance` places after `rank`. Peers are visited in this order by everyone, so that no two
// ranks send to the same one at the same time.
inline int RankAfter(int rank, int distance, int ranks) { return (rank + distance) % ranks; }

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_ALGORITHMS_H_
