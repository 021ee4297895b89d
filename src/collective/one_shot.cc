// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

void EmitOneShot(const PlanRequest& request, int rank, PlanBuilder* plan) {
  const int n = request.ranks;
  std::vector<SlotId> terms(static_cast<size_t>(n));
  // Everyone, the sender included, sums the same encoded bytes: that keeps the ranks equal.
  const SlotId own = plan->Encode(0, request.count);
  terms[static_cast<size_t>(rank)] = own;
  for (int d = 1; d < n; ++d) plan->Send(own, RankAfter(rank, d, n), 0);
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, n - d, n);
    terms[static_cast<size_t>(peer)] = plan->Receive(peer, request.count, 0, 0);
  }
  plan->ReduceToOutput(std::move(terms), 0, 0, request.count);
}

}  // namespace thinwire
