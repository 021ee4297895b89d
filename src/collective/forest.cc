// SPDX-License-Identifier: Apache-2.0
#include "collective/forest.h"

#include <algorithm>

#include "collective/algorithms.h"

namespace thinwire {
namespace {

using Content = PlanBuilder::Content;

class ForestEmitter {
 public:
  ForestEmitter(const PlanRequest& request, int rank, const Forest& forest, PlanBuilder* plan)
      : request_(request), rank_(rank), forest_(forest), plan_(*plan) {}

  // Trees in the order of their roots, from the next rank on: no two ranks begin with the same.
  void Run() {
    const auto& roots = forest_.roots;
    const auto next = std::upper_bound(roots.begin(), roots.end(), rank_);
    const auto first = static_cast<size_t>(next - roots.begin());
    for (size_t i = 0; i < roots.size(); ++i) Emit((first + i) % roots.size());
  }

 private:
  int root(size_t tree) const { return forest_.roots[tree]; }
  const Chunk& chunk(size_t tree) const { return forest_.chunks[tree]; }
  size_t input(size_t tree) const {
    return request_.operation == Operation::kAllGather ? 0 : chunk(tree).offset;
  }
  size_t output(size_t tree) const {
    return request_.operation == Operation::kReduceScatter ? 0 : chunk(tree).offset;
  }
  // A pair meets in a tree twice at most: on the way up and on the way down.
  static uint16_t UpMessage(size_t tree) { return static_cast<uint16_t>(tree); }
  uint16_t DownMessage(size_t tree) const {
    return static_cast<uint16_t>(forest_.roots.size() + tree);
  }

  void Emit(size_t tree) {
    switch (request_.operation) {
      case Operation::kAllReduce:
        return Spread(tree, root(tree), SumUp(tree, Content::kSum), forest_.levels);
      case Operation::kReduceScatter:
        SumUp(tree, Content::kInput);
        return;
      case Operation::kReduce:
        return Reduce(tree);
      case Operation::kAllGather:
        return SpreadInput(tree, root(tree));
      default:
        return SpreadInput(tree, request_.root);
    }
  }

  // Down a path, a tree's levels tell how many hops came before.
  int UpHop(int level) const { return forest_.levels - level; }

  Content UpContent(const Place& place) const {
    if (forest_.uncoded_inside) return place.level == 2 ? Content::kUncoded : Content::kInput;
    return place.children.empty() ? Content::kInput : Content::kPartial;
  }

  std::vector<SlotId> TermsOf(size_t tree, const Place& place) {
    std::vector<SlotId> terms;
    bool own_stands = false;
    const auto stand = [&] {
      terms.push_back(plan_.Own(input(tree), chunk(tree).count));
      own_stands = true;
    };
    for (const int child : place.children) {
      if (request_.IsAbsent(child)) continue;
      if (child > rank_ && !own_stands) stand();
      const Place theirs = forest_.up(tree, child);
      terms.push_back(plan_.Receive(child, chunk(tree).count, UpMessage(tree), UpHop(theirs.level),
                                    UpContent(theirs)));
      if (forest_.crosses) plan_.CreditEarly(terms.back());
    }
    if (!own_stands) stand();
    return terms;
  }

  // What this rank sends to its parent; or, on the root, the sum: a slot if it travels on (kSum),
  // else it goes straight to the output.
  SlotId SumUp(size_t tree, Content sum) {
    if (request_.IsAbsent(rank_)) return kNoSlot;  // such a rank is no root, and of stars a leaf
    const Place place = forest_.up(tree, rank_);
    const size_t count = chunk(tree).count;
    const bool is_root = rank_ == root(tree);
    if (is_root && sum != Content::kSum) {
      plan_.ReduceToOutput(TermsOf(tree, place), input(tree), output(tree), count);
      return kNoSlot;
    }
    SlotId slot;
    if (place.children.empty() && !is_root) {
      slot = plan_.EncodeAs(input(tree), count, UpContent(place));
    } else {
      slot = plan_.ReduceToSlot(TermsOf(tree, place), input(tree), count,
                                is_root ? Content::kSum : UpContent(place));
    }
    if (is_root) return slot;
    plan_.Send(slot, place.parent, UpMessage(tree), UpShare(place.parent));
    return kNoSlot;
  }

  // With a single tree, all children of a rank send to it at once; of many, each at its own time.
  double UpShare(int parent) const {
    if (forest_.roots.size() > 1 || forest_.levels > 1) return 1;
    return 1.0 / static_cast<double>(forest_.up(0, parent).children.size());
  }

  void Reduce(size_t tree) {
    const int target = request_.root;
    const SlotId sum = SumUp(tree, root(tree) == target ? Content::kInput : Content::kSum);
    if (root(tree) == target) return;
    if (rank_ == root(tree)) {
      plan_.Send(sum, target, DownMessage(tree), 1.0 / static_cast<double>(forest_.roots.size()));
    } else if (rank_ == target) {
      plan_.Decode(plan_.Receive(root(tree), chunk(tree).count, DownMessage(tree), forest_.levels,
                                 Content::kSum),
                   output(tree));
    }
  }

  void SpreadInput(size_t tree, int source) {
    SlotId slot = kNoSlot;
    if (rank_ == source) slot = plan_.Encode(input(tree), chunk(tree).count);
    Spread(tree, source, slot, source == root(tree) ? 0 : 1);
  }

  // From `source`, which holds it in `slot`, by way of the root to everyone else. `hops` came
  // before the root has it.
  void Spread(size_t tree, int source, SlotId slot, int hops) {
    const Place place = forest_.down(tree, rank_);
    const size_t count = chunk(tree).count;
    const Content content =
        request_.operation == Operation::kAllReduce ? Content::kSum : Content::kInput;
    if (rank_ == source) {
      if (source != root(tree)) plan_.Send(slot, root(tree), DownMessage(tree));
    } else {
      const int from = rank_ == root(tree) ? source : place.parent;
      slot = plan_.Receive(from, count, DownMessage(tree), hops + place.level - 1, content);
    }
    const auto& children = place.children;
    const auto next = std::upper_bound(children.begin(), children.end(), rank_);
    const auto first = static_cast<size_t>(next - children.begin());
    for (size_t i = 0; i < children.size(); ++i) {
      const int child = children[(first + i) % children.size()];
      if (child != source) plan_.Send(slot, child, DownMessage(tree));
    }
    // A rank keeps its own elements as they are when the codec is exact; else it takes what its
    // peers will decode, so that all end with the same bits.
    if (rank_ == source && content == Content::kInput && request_.codec->exact()) {
      plan_.Copy(input(tree), output(tree), count);
    } else {
      plan_.Decode(slot, output(tree));
    }
  }

  const PlanRequest& request_;
  const int rank_;
  const Forest& forest_;
  PlanBuilder& plan_;
};

}  // namespace

void EmitForest(const PlanRequest& request, int rank, const Forest& forest, PlanBuilder* plan) {
  ForestEmitter(request, rank, forest, plan).Run();
}

Shares SharesOf(const PlanRequest& request) {
  return SharesOf(request, std::vector<uint32_t>(static_cast<size_t>(request.ranks), 1));
}

Shares SharesOf(const PlanRequest& request, std::vector<uint32_t> weights) {
  Shares shares;
  if (HasRoot(request.operation)) weights[static_cast<size_t>(request.root)] = 0;
  const bool by_rank =
      request.operation == Operation::kReduceScatter || request.operation == Operation::kAllGather;
  const std::vector<Chunk> chunks = by_rank ? std::vector<Chunk>() : ChunksOf(request, weights);
  for (int rank = 0; rank < request.ranks; ++rank) {
    const auto index = static_cast<size_t>(rank);
    if (weights[index] == 0) continue;
    shares.owners.push_back(rank);
    shares.chunks.push_back(by_rank ? Chunk{index * request.count, request.count} : chunks[index]);
  }
  return shares;
}

}  // namespace thinwire
