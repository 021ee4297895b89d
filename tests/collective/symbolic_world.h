// SPDX-License-Identifier: Apache-2.0
//
// Executes the plans of all ranks on symbols instead of numbers: an element is which input element
// it stands for and whose contributions it holds, in the order they were added. Steps run in an
// order drawn at random among those that Progress calls ready, and messages arrive in any order.

#ifndef THINWIRE_TESTS_COLLECTIVE_SYMBOLIC_WORLD_H_
#define THINWIRE_TESTS_COLLECTIVE_SYMBOLIC_WORLD_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "collective/plan.h"
#include "collective/progress.h"

namespace thinwire {

struct Symbol {
  static constexpr size_t kMaxRanks = 18;
  uint32_t element = 0;
  uint8_t ranks = 0;    // contributions held; 0: never written
  uint8_t divided = 0;  // times an average divided it
  std::array<uint8_t, kMaxRanks> rank = {};
  bool operator==(const Symbol&) const = default;

  static Symbol Of(size_t element, int rank) {
    Symbol symbol;
    symbol.element = static_cast<uint32_t>(element);
    symbol.ranks = 1;
    symbol.rank[0] = static_cast<uint8_t>(rank);
    return symbol;
  }
  void Add(const Symbol& other) {
    EXPECT_EQ(element, other.element) << "a sum of different elements";
    EXPECT_TRUE(divided == 0 && other.divided == 0) << "an average was added to";
    ASSERT_LE(ranks + other.ranks, kMaxRanks);
    std::copy_n(other.rank.begin(), other.ranks, rank.begin() + ranks);
    ranks = static_cast<uint8_t>(ranks + other.ranks);
  }
  std::vector<int> order() const { return {rank.begin(), rank.begin() + ranks}; }
};

class SymbolicWorld {
 public:
  // In place: each rank's input starts at input_at(rank) of its output or the other way round, as
  // the C API allows; see Host. Not for all-to-all.
  SymbolicWorld(const std::vector<Plan>& plans, bool in_place, uint64_t seed)
      : plans_(plans), random_(seed) {
    for (const Plan& plan : plans_) hosts_.emplace_back(plan, in_place);
  }

  // Runs everything; fails the test if some step can never run.
  void Run() {
    for (bool moved = true; moved;) {
      moved = false;
      std::vector<size_t> order(hosts_.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), random_);
      for (const size_t rank : order) moved |= Step1(rank);
      for (size_t i = Below(flying_.size() + 1); i > 0; --i) moved |= DeliverOne();
      if (!moved && !flying_.empty()) moved = DeliverOne();
    }
    for (size_t rank = 0; rank < hosts_.size(); ++rank) {
      EXPECT_TRUE(hosts_[rank].progress.done()) << "rank " << rank << " never ends";
      EXPECT_TRUE(hosts_[rank].slots.empty()) << "rank " << rank << " keeps slots nobody reads";
    }
  }

  // What stands at an output element; Symbol{} if nothing was written.
  const Symbol& Output(int rank, size_t element) const {
    const Host& host = hosts_[static_cast<size_t>(rank)];
    return host.memory[host.output_at + element];
  }

 private:
  using SlotSegment = std::pair<SlotId, uint32_t>;
  struct Host {
    // Input and output are ranges of one memory, apart or one within the other.
    Host(const Plan& plan, bool in_place) : progress(plan) {
      const PlanRequest& request = plan.request;
      const auto ranks = static_cast<size_t>(request.ranks);
      const auto rank = static_cast<size_t>(plan.rank);
      const bool swaps = request.operation == Operation::kAllToAll;
      const bool scatters = swaps || request.operation == Operation::kReduceScatter;
      const bool gathers = swaps || request.operation == Operation::kAllGather;
      const size_t inputs = request.count * (scatters ? ranks : 1);
      const size_t outputs = request.count * (gathers ? ranks : 1);
      if (in_place) {
        input_at = gathers ? rank * request.count : 0;
        output_at = scatters ? rank * request.count : 0;
        memory.resize(std::max(inputs, outputs));
      } else {
        output_at = inputs;
        memory.resize(inputs + outputs);
      }
      for (size_t i = 0; i < inputs; ++i) memory[input_at + i] = Symbol::Of(i, plan.rank);
    }
    Progress progress;
    std::vector<Symbol> memory;
    size_t input_at = 0;
    size_t output_at = 0;
    std::map<SlotSegment, std::vector<Symbol>> slots;
  };
  struct Flying {
    int source;
    int target;
    uint16_t message;
    uint32_t segment;
    std::vector<Symbol> symbols;
  };

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }

  // Runs one of the rank's ready items, of a kind drawn at random.
  bool Step1(size_t rank) {
    Host& host = hosts_[rank];
    constexpr Verb kVerbs[] = {Verb::kEncode, Verb::kSend, Verb::kReduce, Verb::kDecode,
                               Verb::kCopy};
    const size_t first = Below(std::size(kVerbs));
    for (size_t i = 0; i < std::size(kVerbs); ++i) {
      const Verb verb = kVerbs[(first + i) % std::size(kVerbs)];
      if (verb == Verb::kSend) {
        // A random part of the peers takes messages now; all of them if none of these has one.
        const uint64_t open = random_();
        auto item = host.progress.ReadySend([&](int peer) { return (open >> peer & 1) != 0; });
        if (!item) item = host.progress.ReadySend([](int) { return true; });
        if (!item) continue;
        host.progress.TakeSend(*item);
        Send(rank, *item);
        return true;
      }
      if (const auto item = host.progress.Ready(verb)) {
        host.progress.Take(verb);
        Compute(rank, *item);
        Finish(rank, *item);
        return true;
      }
    }
    return false;
  }

  void Send(size_t rank, Item item) {
    const Step& step = plans_[rank].steps[item.step];
    flying_.push_back({static_cast<int>(rank), step.peer, step.message, item.segment,
                       ReadSlot(rank, step.slot, item.segment)});
    Finish(rank, item);
  }

  bool DeliverOne() {
    if (flying_.empty()) return false;
    std::swap(flying_[Below(flying_.size())], flying_.back());
    Flying flying = std::move(flying_.back());
    flying_.pop_back();
    const auto rank = static_cast<size_t>(flying.target);
    Host& host = hosts_[rank];
    const auto item = host.progress.Expected(flying.source, flying.message, flying.segment);
    EXPECT_TRUE(item) << "rank " << rank << " does not expect message " << flying.message
                      << " segment " << flying.segment << " of rank " << flying.source;
    if (!item) return true;
    const Plan& plan = plans_[rank];
    EXPECT_EQ(plan.segment_count(plan.steps[item->step], item->segment), flying.symbols.size());
    WriteSlot(rank, plan.steps[item->step].slot, item->segment, std::move(flying.symbols));
    Finish(rank, *item);
    return true;
  }

  void Compute(size_t rank, Item item) {
    const Plan& plan = plans_[rank];
    const Step& step = plan.steps[item.step];
    const size_t begin = plan.segment_begin(item.segment);
    const size_t count = plan.segment_count(step, item.segment);
    switch (step.verb) {
      case Verb::kCopy:
        return Write(rank, step.output + begin, Read(rank, step.input + begin, count));
      case Verb::kEncode:
        return WriteSlot(rank, step.slot, item.segment, Read(rank, step.input + begin, count));
      case Verb::kDecode: {
        std::vector<Symbol> symbols = ReadSlot(rank, step.slot, item.segment);
        if (step.average) Divide(&symbols);
        return Write(rank, step.output + begin, symbols);
      }
      case Verb::kReduce: {
        std::vector<Symbol> sum;
        for (size_t t = 0; t < step.terms.size(); ++t) {
          const auto term = step.terms[t] == kOwnInput
                                ? Read(rank, step.input + begin, count)
                                : ReadSlot(rank, step.terms[t], item.segment);
          ASSERT_EQ(term.size(), count);
          if (t == 0) sum = term;
          for (size_t i = 0; t > 0 && i < count; ++i) sum[i].Add(term[i]);
        }
        if (step.average) Divide(&sum);
        if (step.slot == kNoSlot) return Write(rank, step.output + begin, sum);
        return WriteSlot(rank, step.slot, item.segment, std::move(sum));
      }
      case Verb::kSend:
      case Verb::kReceive:
        FAIL() << "no computation";
    }
  }

  static void Divide(std::vector<Symbol>* symbols) {
    for (Symbol& symbol : *symbols) ++symbol.divided;
  }

  std::vector<Symbol> Read(size_t rank, size_t at, size_t count) const {
    const Host& host = hosts_[rank];
    EXPECT_LE(host.input_at + at + count, host.memory.size());
    const auto first = host.memory.begin() + static_cast<std::ptrdiff_t>(host.input_at + at);
    return {first, first + static_cast<std::ptrdiff_t>(count)};
  }
  void Write(size_t rank, size_t at, const std::vector<Symbol>& symbols) {
    Host& host = hosts_[rank];
    ASSERT_LE(host.output_at + at + symbols.size(), host.memory.size());
    std::copy(symbols.begin(), symbols.end(),
              host.memory.begin() + static_cast<std::ptrdiff_t>(host.output_at + at));
  }
  std::vector<Symbol> ReadSlot(size_t rank, SlotId slot, uint32_t segment) const {
    const auto found = hosts_[rank].slots.find({slot, segment});
    EXPECT_TRUE(found != hosts_[rank].slots.end())
        << "rank " << rank << " reads slot " << slot << " before it is written or after its last "
        << "reader";
    return found == hosts_[rank].slots.end() ? std::vector<Symbol>() : found->second;
  }
  void WriteSlot(size_t rank, SlotId slot, uint32_t segment, std::vector<Symbol> symbols) {
    const bool fresh = hosts_[rank].slots.emplace(SlotSegment{slot, segment}, symbols).second;
    EXPECT_TRUE(fresh) << "rank " << rank << " writes slot " << slot << " twice";
  }
  void Finish(size_t rank, Item item) {
    std::vector<SlotSegment> unread;
    hosts_[rank].progress.Finish(item, &unread);
    for (const SlotSegment& slot : unread) {
      EXPECT_EQ(hosts_[rank].slots.erase(slot), 1u);
    }
  }

  const std::vector<Plan>& plans_;
  std::mt19937_64 random_;
  std::vector<Host> hosts_;
  std::vector<Flying> flying_;
};

}  // namespace thinwire

#endif  // THINWIRE_TESTS_COLLECTIVE_SYMBOLIC_WORLD_H_
