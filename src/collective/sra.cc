// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

void EmitSra(const PlanRequest& request, int rank, PlanBuilder* plan) {
  using Content = PlanBuilder::Content;
  const int n = request.ranks;
  const Chunk mine = ChunkOf(request, rank);

  // Hop 0: my share of each peer's chunk goes to its owner; theirs of mine come here.
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, d, n);
    const Chunk theirs = ChunkOf(request, peer);
    plan->Send(plan->Encode(theirs.offset, theirs.count), peer, 0);
  }
  std::vector<SlotId> terms(static_cast<size_t>(n));
  terms[static_cast<size_t>(rank)] = plan->Own(mine.offset, mine.count);  // only its owner sums it
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, n - d, n);
    terms[static_cast<size_t>(peer)] = plan->Receive(peer, mine.count, 0);
  }

  // Hop 1: the sum is encoded once and everyone, its owner included, decodes the same bytes.
  const SlotId sum = plan->ReduceToSlot(std::move(terms), mine.offset, mine.count, Content::kSum);
  for (int d = 1; d < n; ++d) plan->Send(sum, RankAfter(rank, d, n), 1);
  plan->Decode(sum, mine.offset);
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, n - d, n);
    const Chunk theirs = ChunkOf(request, peer);
    plan->Decode(plan->Receive(peer, theirs.count, 1, Content::kSum), theirs.offset);
  }
}

}  // namespace thinwire
