// SPDX-License-Identifier: Apache-2.0
#include "grouped_pattern.h"

#include <algorithm>

namespace thinwire {
namespace {

class GroupedPattern : public TrafficPattern {
 public:
  GroupedPattern(int ranks, size_t count, const std::vector<int>& first_ranks, bool uncoded_inside)
      : TrafficPattern(ranks, count),
        uncoded_inside_(uncoded_inside),
        first_(first_ranks),
        group_(static_cast<size_t>(ranks)),
        carried_(static_cast<size_t>(ranks)) {
    first_.push_back(ranks);
    for (int group = 0; group < groups(); ++group) {
      for (int rank = First(group); rank < First(group + 1); ++rank) {
        group_[static_cast<size_t>(rank)] = group;
      }
      if (Size(group) > 1) ++shared_;
    }
    for (int owner = 0; owner < ranks; ++owner) {
      for (int group = 0; group < groups(); ++group) {
        Carried& carried = carried_[static_cast<size_t>(CarrierOf(group, owner))];
        ++carried.chunks;
        carried.elements += ChunkElements(owner);
      }
    }
  }

  int hops() const override {
    if (groups() == 1) return 2;
    return 2 + (shared_ > 0 ? 1 : 0) + (shared_ > 0 ? 1 : 0);
  }
  bool sums(int hop) const override { return hop < (groups() > 1 && shared_ > 0 ? 2 : 1); }
  bool uncoded(int hop) const override { return uncoded_inside_ && hop == 0 && groups() > 1; }

  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    const int group = group_[static_cast<size_t>(rank)];
    if (hop == 0) SendToCarriers(rank, group, sends);
    if (hop == (Size(group) > 1 ? 1 : 0)) SendToOwners(rank, group, sends);
    if (hop == SumHop(group)) SendSum(rank, group, sends);
    SendOn(hop, rank, group, sends);
  }

 private:
  struct Carried {
    uint32_t chunks = 0;
    size_t elements = 0;
  };

  int groups() const { return static_cast<int>(first_.size()) - 1; }
  int First(int group) const { return first_[static_cast<size_t>(group)]; }
  int Size(int group) const { return First(group + 1) - First(group); }
  int CarrierOf(int group, int owner) const {
    const int index = owner - First(group_[static_cast<size_t>(owner)]);
    return First(group) + index % Size(group);
  }
  // When owners in a group have their sums: the hop that these go out in.
  int SumHop(int group) const { return shared_ > (Size(group) > 1 ? 1 : 0) ? 2 : 1; }

  // Members of the rank's group, from the next one on.
  template <typename Visit>
  void ForPeers(int rank, int group, Visit visit) const {
    for (int i = 1; i < Size(group); ++i) {
      visit(First(group) + (rank - First(group) + i) % Size(group));
    }
  }
  // Owners in other groups whose chunks the rank carries, from the next group on.
  template <typename Visit>
  void ForCarried(int rank, int group, Visit visit) const {
    for (int d = 1; d < groups(); ++d) {
      const int other = (group + d) % groups();
      for (int i = rank - First(group); i < Size(other); i += Size(group)) visit(First(other) + i);
    }
  }

  void SendToCarriers(int rank, int group, std::vector<Traffic>* sends) const {
    ForPeers(rank, group, [&](int peer) {
      const Carried& carried = carried_[static_cast<size_t>(peer)];
      sends->push_back(
          {.to = peer, .messages = carried.chunks, .elements = carried.elements, .encoded = true});
    });
  }
  void SendToOwners(int rank, int group, std::vector<Traffic>* sends) const {
    ForCarried(rank, group, [&](int owner) {
      sends->push_back(
          {.to = owner, .elements = ChunkElements(owner), .encoded = Size(group) == 1});
    });
  }
  void SendSum(int rank, int group, std::vector<Traffic>* sends) const {
    const Traffic sum = {.elements = ChunkElements(rank)};
    const auto send_to = [&](int peer) {
      sends->push_back(sum);
      sends->back().to = peer;
    };
    for (int d = 1; d < groups(); ++d) send_to(CarrierOf((group + d) % groups(), rank));
    ForPeers(rank, group, send_to);
  }
  // What came from owners elsewhere goes to the rank's own group.
  void SendOn(int hop, int rank, int group, std::vector<Traffic>* sends) const {
    Carried ready;
    ForCarried(rank, group, [&](int owner) {
      if (SumHop(group_[static_cast<size_t>(owner)]) + 1 != hop) return;
      ++ready.chunks;
      ready.elements += ChunkElements(owner);
    });
    if (ready.chunks == 0) return;
    ForPeers(rank, group, [&](int peer) {
      sends->push_back({.to = peer, .messages = ready.chunks, .elements = ready.elements});
    });
  }

  bool uncoded_inside_;
  std::vector<int> first_;        // and, last, the number of ranks
  std::vector<int> group_;        // by rank
  std::vector<Carried> carried_;  // by rank: the chunks it carries in its group
  int shared_ = 0;                // groups of more than one rank
};

}  // namespace

std::unique_ptr<TrafficPattern> MakeGroupedPattern(int ranks, size_t count,
                                                   const std::vector<int>& first_ranks,
                                                   bool uncoded_inside) {
  return std::make_unique<GroupedPattern>(ranks, count, first_ranks, uncoded_inside);
}

}  // namespace thinwire
