// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

void EmitAllToAll(const PlanRequest& request, const Groups& groups, int rank, PlanBuilder* plan) {
  const int n = request.ranks;
  const size_t count = request.count;
  const Carriers carriers(groups, n);
  const auto part = [&](int of) { return static_cast<size_t>(of) * count; };
  // Who in a rank's group carries what goes to `target`.
  const auto carrier = [&](int from, int target) {
    return carriers.Of(carriers.seat(from).group, target);
  };
  // A pair's messages are numbered by who gets them, or, of those that were carried, by whose they
  // are.
  const auto carried = [&](int source) { return static_cast<uint16_t>(n + source); };

  plan->Copy(part(rank), part(rank), count);
  for (int d = 1; d < n; ++d) {
    const int target = RankAfter(rank, d, n);
    const SlotId slot = plan->Encode(part(target), count);
    const int by = carrier(rank, target);
    if (by == rank) {
      plan->Send(slot, target, carried(rank));
    } else {
      plan->Send(slot, by, static_cast<uint16_t>(target));
    }
  }
  for (int d = 1; d < n; ++d) {
    const int source = RankAfter(rank, n - d, n);
    const int by = carrier(source, rank);
    const bool straight = by == rank;
    const auto message = straight ? static_cast<uint16_t>(rank) : carried(source);
    const int hop = straight || by == source ? 0 : 1;
    plan->Decode(plan->Receive(straight ? source : by, count, message, hop), part(source));
  }
  // What this rank carries for its group to others, forwarded as it came.
  for (const int source : carriers.groups()[carriers.seat(rank).group]) {
    if (source == rank) continue;
    for (int target = 0; target < n; ++target) {
      if (target == rank || target == source || carrier(source, target) != rank) continue;
      plan->Send(plan->Receive(source, count, static_cast<uint16_t>(target), 0), target,
                 carried(source));
    }
  }
}

}  // namespace thinwire
