// SPDX-License-Identifier: Apache-2.0
#include "traffic_pattern.h"

#include <algorithm>
#include <array>
#include <bit>

#include "collective/topology.h"
#include "grouped_pattern.h"

namespace thinwire {
namespace {

class OneShotPattern : public TrafficPattern {
 public:
  using TrafficPattern::TrafficPattern;
  int hops() const override { return 1; }
  bool sums(int) const override { return true; }
  void Sends(int, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    for (int d = 1; d < ranks(); ++d) {
      sends->push_back({.to = After(rank, d), .elements = count(), .encoded = d == 1});
    }
  }
};

class SraPattern : public TrafficPattern {
 public:
  using TrafficPattern::TrafficPattern;
  int hops() const override { return 2; }
  bool sums(int hop) const override { return hop == 0; }
  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    for (int d = 1; d < ranks(); ++d) {
      const int peer = After(rank, d);
      sends->push_back(
          {.to = peer, .elements = ChunkElements(hop == 0 ? peer : rank), .encoded = hop == 0});
    }
  }
};

class RingPattern : public TrafficPattern {
 public:
  using TrafficPattern::TrafficPattern;
  int hops() const override { return 2 * (ranks() - 1); }
  bool sums(int hop) const override { return hop < ranks() - 1; }
  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    const int chunk = Before(rank, hop % ranks());
    sends->assign(1, {.to = After(rank, 1), .elements = ChunkElements(chunk), .encoded = hop == 0});
  }
};

// Each rank's chunk on a binomial tree of its own: at distance d from its owner a rank's parent is
// at d without the highest bit, and its children at d + 2^k for all higher k.
class HalvingDoublingPattern : public TrafficPattern {
 public:
  HalvingDoublingPattern(int ranks, size_t count) : TrafficPattern(ranks, count), top_(Height(0)) {
    sums_.resize(static_cast<size_t>(2 * top_));
    const auto add = [&](int hop, int step, bool leaf) {
      Step& steps = sums_[static_cast<size_t>(hop)][static_cast<size_t>(step)];
      ++(leaf ? steps.leaves : steps.others);
    };
    for (int d = 0; d < ranks; ++d) {
      const int bits = std::bit_width(static_cast<unsigned>(d));
      if (d > 0) add(Height(d), bits - 1, Height(d) == 0);
      const int hop = top_ + std::popcount(static_cast<unsigned>(d));
      for (int k = bits; d + (1 << k) < ranks; ++k) add(hop, k, false);
    }
  }
  int hops() const override { return 2 * top_; }
  bool sums(int hop) const override { return hop < top_; }
  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    const auto& steps = sums_[static_cast<size_t>(hop)];
    for (size_t k = steps.size(); k-- > 0;) {
      const uint32_t chunks = steps[k].leaves + steps[k].others;
      if (chunks == 0) continue;
      sends->push_back({.to = sums(hop) ? Before(rank, 1 << k) : After(rank, 1 << k),
                        .messages = chunks,
                        .elements = count() * chunks / static_cast<size_t>(ranks()),
                        .encoded = steps[k].leaves > 0});
    }
  }

 private:
  // Chunks that go a distance of 2^k in a hop.
  struct Step {
    uint32_t leaves = 0;
    uint32_t others = 0;
  };
  // Of the tree below a distance.
  int Height(int d) const {
    int height = 0;
    for (int k = std::bit_width(static_cast<unsigned>(d)); d + (1 << k) < ranks(); ++k) {
      d += 1 << k;
      ++height;
    }
    return height;
  }

  int top_;
  std::vector<std::array<Step, 31>> sums_;  // by hop
};

// A power of two of the ranks double; each that is too many stands behind one of them.
class RecursiveDoublingPattern : public TrafficPattern {
 public:
  RecursiveDoublingPattern(int ranks, size_t count)
      : TrafficPattern(ranks, count),
        exchanges_(std::bit_width(static_cast<unsigned>(ranks)) - 1),
        behind_(ranks - (1 << exchanges_)) {}
  int hops() const override { return exchanges_ + (behind_ > 0 ? 2 : 0); }
  bool sums(int) const override { return true; }
  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    if (rank < 2 * behind_ && rank % 2 == 1) {
      if (hop == 0) sends->push_back({.to = rank - 1, .elements = count(), .encoded = true});
      return;
    }
    const int index = rank < 2 * behind_ ? rank / 2 : rank - behind_;
    const int last = exchanges_ - 1;
    for (int exchange = std::max(hop - 1, 0); exchange < exchanges_; ++exchange) {
      if (exchange + Late(index, exchange) != hop) continue;
      sends->push_back(
          {.to = RankOf(index ^ (1 << exchange)), .elements = count(), .encoded = hop == 0});
    }
    // The two terms of the result, for who stands behind.
    if (rank >= 2 * behind_) return;
    const int other = index ^ (1 << last);
    for (const int ready : {last + Late(index, last), last + Late(other, last) + 1}) {
      if (ready == hop) sends->push_back({.to = rank + 1, .elements = count()});
    }
  }

 private:
  int RankOf(int index) const { return index < behind_ ? 2 * index : index + behind_; }
  // An exchange has as many hops before it as there were others: those that it takes what comes
  // from the farthest index to get here. 1: one more, for that one had to wait for who stands
  // behind it.
  int Late(int index, int exchange) const {
    return (index ^ ((1 << exchange) - 1)) < behind_ ? 1 : 0;
  }

  int exchanges_;
  int behind_;
};

// Two binary trees in order over places 1 .. n, the second with every rank one place further on:
// half of the vector each.
class DoubleTreePattern : public TrafficPattern {
 public:
  DoubleTreePattern(int ranks, size_t count)
      : TrafficPattern(ranks, count),
        height_(std::bit_width(static_cast<unsigned>(ranks)) - 1),
        deepest_(0) {
    for (int place = 1; place <= ranks; ++place) deepest_ = std::max(deepest_, Level(place));
  }
  int hops() const override { return height_ + deepest_; }
  bool sums(int hop) const override { return hop < height_; }
  int parts() const override { return 2; }
  void Sends(int hop, int rank, std::vector<Traffic>* sends) const override {
    sends->clear();
    for (const int tree : {0, 1}) {
      const int place = After(rank, tree) + 1;
      const int reach = place & -place;
      const Traffic half = {.elements = (count() + 1 - static_cast<size_t>(tree)) / 2,
                            .encoded = reach == 1 && hop == 0,
                            .part = static_cast<uint8_t>(tree)};
      const auto send_to = [&](int target) {
        sends->push_back(half);
        sends->back().to = Before(target - 1, tree);
      };
      if (Parent(place) > 0 && (1 << hop) == reach && hop < height_) send_to(Parent(place));
      if (hop != height_ + Level(place) || reach == 1) continue;
      send_to(place - reach / 2);
      if (place < ranks()) send_to(HighestIn(place + 1, std::min(place + reach - 1, ranks())));
    }
  }

 private:
  static int HighestIn(int first, int last) {
    const auto differ = static_cast<unsigned>((first - 1) ^ last);
    return last & -static_cast<int>(std::bit_floor(differ));
  }
  // 0: the root's.
  int Parent(int place) const {
    if (place == 1 << height_) return 0;
    const int reach = place & -place;
    const int above = (place - reach) | (2 * reach);
    return above <= ranks() ? above : place - reach;
  }
  int Level(int place) const {
    int level = 0;
    for (int at = Parent(place); at > 0; at = Parent(at)) ++level;
    return level;
  }

  int height_;
  int deepest_;
};

std::vector<int> FirstOfRows(int ranks) {
  std::vector<int> first;
  for (const std::vector<int>& row : GridOf(ranks)) first.push_back(row.front());
  return first;
}

constexpr std::array<std::string_view, 8> kNames = {
    "one-shot",           "sra",         "grid", "hierarchical", "halving-doubling",
    "recursive-doubling", "double-tree", "ring"};

}  // namespace

std::span<const std::string_view> PatternNames() { return kNames; }

Result<std::unique_ptr<TrafficPattern>> MakePattern(std::string_view algorithm, int ranks,
                                                    size_t count,
                                                    const std::vector<int>& first_ranks) {
  using Pattern = std::unique_ptr<TrafficPattern>;
  if (algorithm == "one-shot") return Pattern(new OneShotPattern(ranks, count));
  if (algorithm == "sra") return Pattern(new SraPattern(ranks, count));
  if (algorithm == "ring") return Pattern(new RingPattern(ranks, count));
  if (algorithm == "grid") return MakeGroupedPattern(ranks, count, FirstOfRows(ranks), false);
  if (algorithm == "hierarchical") return MakeGroupedPattern(ranks, count, first_ranks, true);
  if (algorithm == "halving-doubling") return Pattern(new HalvingDoublingPattern(ranks, count));
  if (algorithm == "recursive-doubling") return Pattern(new RecursiveDoublingPattern(ranks, count));
  if (algorithm == "double-tree") return Pattern(new DoubleTreePattern(ranks, count));
  return InvalidArgument("no traffic pattern of algorithm '{}'; there are: {}", algorithm,
                         fmt::join(kNames, ", "));
}

}  // namespace thinwire
