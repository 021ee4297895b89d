// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "collective/algorithms.h"

namespace thinwire {
namespace {

// A power of two of the ranks double; each that is too many stands behind one of them, and is the
// next rank after it.
struct Pairing {
  explicit Pairing(int ranks)
      : doubling(static_cast<int>(std::bit_floor(static_cast<unsigned>(ranks)))),
        behind(ranks - doubling) {}
  int doubling;
  int behind;
  bool StandsBehind(int rank) const { return rank < 2 * behind && rank % 2 == 1; }
  bool HasOneBehind(int rank) const { return rank < 2 * behind && rank % 2 == 0; }
  int IndexOf(int rank) const { return rank < 2 * behind ? rank / 2 : rank - behind; }
  int RankOf(int index) const { return index < behind ? 2 * index : index + behind; }
};

constexpr uint16_t kFold = 0;

}  // namespace

void EmitRecursiveDoubling(const PlanRequest& request, int rank, PlanBuilder* plan) {
  using Content = PlanBuilder::Content;
  const Pairing pairing(request.ranks);
  const size_t count = request.count;
  const int hops = std::bit_width(static_cast<unsigned>(pairing.doubling)) - 1;
  // Message h + 1 holds a partial sum on its way in hop h + 1; the last two hold the two terms of
  // the result for those behind, who add them like everyone else and so get the same bits.
  const auto last = static_cast<uint16_t>(hops);
  const auto other_last = static_cast<uint16_t>(hops + 1);
  if (pairing.StandsBehind(rank)) {
    plan->Send(plan->Encode(0, count), rank - 1, kFold);
    const SlotId front = plan->Receive(rank - 1, count, last, hops, Content::kPartial);
    const int partner = pairing.RankOf(pairing.IndexOf(rank - 1) ^ (1 << (hops - 1)));
    const bool partner_sums = hops > 1 || pairing.HasOneBehind(partner);
    const SlotId other = plan->Receive(rank - 1, count, other_last, hops + 1,
                                       partner_sums ? Content::kPartial : Content::kInput);
    // Each waits for the other, and they share a window.
    plan->CreditEarly(front);
    plan->CreditEarly(other);
    return plan->ReduceToOutput(
        partner < rank ? std::vector{other, front} : std::vector{front, other}, 0, 0, count);
  }

  bool sums = pairing.HasOneBehind(rank);
  SlotId own = kNoSlot;
  if (sums) {
    const SlotId term = plan->Own(0, count);
    own = plan->ReduceToSlot({term, plan->Receive(rank + 1, count, kFold, 0)}, 0, count,
                             Content::kPartial);
  } else {
    own = plan->Encode(0, count);
  }
  for (int hop = 0; hop < hops; ++hop) {
    const int partner = pairing.RankOf(pairing.IndexOf(rank) ^ (1 << hop));
    const auto message = static_cast<uint16_t>(hop + 1);
    const bool partner_sums = hop > 0 || pairing.HasOneBehind(partner);
    plan->Send(own, partner, message);
    const SlotId theirs = plan->Receive(partner, count, message, hop + 1,
                                        partner_sums ? Content::kPartial : Content::kInput);
    // Both add the same encoded bytes in the same order, and so hold the same sum.
    std::vector<SlotId> terms =
        partner < rank ? std::vector{theirs, own} : std::vector{own, theirs};
    if (hop + 1 < hops) {
      own = plan->ReduceToSlot(std::move(terms), 0, count, Content::kPartial);
      continue;
    }
    if (pairing.HasOneBehind(rank)) {
      plan->Send(own, rank + 1, last);
      plan->Send(theirs, rank + 1, other_last);
    }
    plan->ReduceToOutput(std::move(terms), 0, 0, count);
  }
}

}  // namespace thinwire
