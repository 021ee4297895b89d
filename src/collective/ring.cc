// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

void EmitRing(const PlanRequest& request, int rank, PlanBuilder* plan) {
  using Content = PlanBuilder::Content;
  const int n = request.ranks;
  const int next = RankAfter(rank, 1, n);
  const int previous = RankAfter(rank, n - 1, n);
  const auto chunk_back = [&](int distance) {
    return ChunkOf(request, RankAfter(rank, n - distance % n, n));
  };

  // Hops 0 .. n-2: the partial sum of chunk c starts at rank c and grows by one term a hop. The
  // order of terms is the order along the ring, fixed for a chunk, so every rank gets its bits.
  SlotId partial = plan->Encode(chunk_back(0).offset, chunk_back(0).count);
  for (int hop = 0; hop < n - 1; ++hop) {
    plan->Send(partial, next, static_cast<uint16_t>(hop));
    const Chunk chunk = chunk_back(hop + 1);
    const SlotId received = plan->Receive(previous, chunk.count, static_cast<uint16_t>(hop),
                                          hop == 0 ? Content::kInput : Content::kPartial);
    partial = plan->ReduceToSlot({received, plan->Own(chunk.offset, chunk.count)}, chunk.offset,
                                 chunk.count, hop == n - 2 ? Content::kSum : Content::kPartial);
  }

  // Hops n-1 .. 2n-3: complete sums go round; received bytes are forwarded, never encoded again.
  plan->Decode(partial, chunk_back(n - 1).offset);
  for (int hop = n - 1; hop < 2 * n - 2; ++hop) {
    plan->Send(partial, next, static_cast<uint16_t>(hop));
    const Chunk chunk = chunk_back(hop + 1);
    partial = plan->Receive(previous, chunk.count, static_cast<uint16_t>(hop), Content::kSum);
    plan->Decode(partial, chunk.offset);
  }
}

}  // namespace thinwire
