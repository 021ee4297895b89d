// SPDX-License-Identifier: Apache-2.0
#include "collective/critical_path.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

namespace thinwire {
namespace {

double DelayOf(const LinkModel& links, const CostModel& costs, int from, int to) {
  return (links.known() ? links.at(from, to).delay : costs.unknown_delay) + costs.message_seconds;
}

double SecondsAt(double rate, const CostModel& costs, uint64_t bytes) {
  return static_cast<double>(bytes) / ((rate > 0 ? rate : costs.unknown_rate) * kWireEfficiency);
}

// How long a rank's link is busy, whichever way it is busier.
struct Load {
  uint64_t sent = 0;
  double seconds = 0;
};
Load LoadOf(const Plan& plan, const LinkModel& links, const CostModel& costs) {
  std::map<int, uint64_t> to;
  uint64_t sent = 0;
  uint64_t received = 0;
  for (const Step& step : plan.steps) {
    if (step.verb == Verb::kSend) {
      const uint64_t bytes = plan.PayloadBytes(step.slot, step.count);
      sent += bytes;
      to[step.peer] += bytes;
    } else if (step.verb == Verb::kReceive) {
      received += plan.PayloadBytes(step.slot, step.count);
    }
  }
  double seconds = SecondsAt(links.uplink(plan.rank), costs, sent);
  for (const auto& [peer, bytes] : to) {
    seconds = std::max(seconds, SecondsAt(links.at(plan.rank, peer).rate, costs, bytes));
  }
  const double receiving = SecondsAt(links.downlink(plan.rank), costs, received);
  return {sent, std::max(seconds / kPaceFactor, receiving)};
}

// When each slot of each rank could be written at the earliest.
class Chains {
 public:
  Chains(const std::vector<Plan>& plans, const LinkModel& links, const CostModel& costs)
      : plans_(plans), links_(links), costs_(costs), written_(plans.size()) {
    for (const Plan& plan : plans) {
      std::vector<Chain>& slots = written_[static_cast<size_t>(plan.rank)];
      slots.resize(plan.slots.size());
      for (const Step& step : plan.steps) {
        if (step.verb == Verb::kSend) sent_[KeyOf(plan.rank, step.peer, step.message)] = step.slot;
        const bool writes = step.verb == Verb::kEncode || step.verb == Verb::kReceive ||
                            (step.verb == Verb::kReduce && step.slot != kNoSlot);
        if (writes) slots[step.slot].writer = &step;
      }
    }
  }

  // The longest chain: hops and seconds.
  std::pair<int, double> Longest() {
    std::pair<int, double> longest{0, 0};
    for (const Plan& plan : plans_) {
      for (SlotId slot = 0; slot < plan.slots.size(); ++slot) {
        const Chain& chain = Of(plan.rank, slot);
        if (chain.seconds > longest.second) longest = {chain.hops, chain.seconds};
      }
    }
    return longest;
  }

 private:
  struct Chain {
    const Step* writer = nullptr;
    int hops = 0;
    double seconds = -1;  // not known yet
  };
  static uint64_t KeyOf(int from, int to, uint16_t message) {
    return static_cast<uint64_t>(from) << 40 | static_cast<uint64_t>(to) << 16 | message;
  }

  const Chain& Of(int rank, SlotId slot) {
    Chain& chain = written_[static_cast<size_t>(rank)][slot];
    if (chain.seconds >= 0) return chain;
    const Step& step = *chain.writer;
    double seconds = 0;
    int hops = 0;
    if (step.verb == Verb::kReceive) {
      const Chain& before = Of(step.peer, sent_.at(KeyOf(step.peer, rank, step.message)));
      seconds = before.seconds + DelayOf(links_, costs_, step.peer, rank);
      hops = before.hops + 1;
    }
    for (const SlotId term : step.terms) {
      if (term == kOwnInput) continue;
      const Chain& before = Of(rank, term);
      if (before.seconds > seconds)
        std::tie(seconds, hops) = std::pair(before.seconds, before.hops);
    }
    chain.seconds = seconds;
    chain.hops = hops;
    return chain;
  }

  const std::vector<Plan>& plans_;
  const LinkModel& links_;
  const CostModel& costs_;
  std::unordered_map<uint64_t, SlotId> sent_;  // by sender, receiver and message
  std::vector<std::vector<Chain>> written_;    // by rank and slot
};

}  // namespace

CriticalPath CriticalPathOf(const std::vector<Plan>& plans, const LinkModel& links,
                            const CostModel& costs) {
  CriticalPath path;
  std::tie(path.hops, path.latency_seconds) = Chains(plans, links, costs).Longest();
  for (const Plan& plan : plans) {
    const Load load = LoadOf(plan, links, costs);
    path.wire_bytes = std::max(path.wire_bytes, load.sent);
    path.transfer_seconds = std::max(path.transfer_seconds, load.seconds);
  }
  return path;
}

CriticalPath CriticalPathOf(const Plan& plan, const LinkModel& links, const CostModel& costs) {
  double delay = 0;
  for (int to = 0; to < links.ranks(); ++to) {
    if (to != plan.rank) delay = std::max(delay, DelayOf(links, costs, plan.rank, to));
  }
  CriticalPath path;
  for (const Slot& slot : plan.slots) path.hops = std::max(path.hops, slot.stage);
  path.latency_seconds = path.hops * delay;
  const Load load = LoadOf(plan, links, costs);
  path.wire_bytes = load.sent;
  path.transfer_seconds = load.seconds;
  return path;
}

}  // namespace thinwire
