// SPDX-License-Identifier: Apache-2.0
#include "collective/simulator.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "collective/progress.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// Where packets are lost, runs are repeated until so many messages were sent.
constexpr uint64_t kMessagesByChance = 4096;
constexpr int kMostRuns = 256;

class Simulator {
 public:
  // `first_message`: see messages().
  Simulator(const std::vector<Plan>& plans, const LinkModel& links, const CostModel& costs,
            uint64_t first_message)
      : plans_(plans),
        links_(links),
        costs_(costs),
        known_(links.known()),
        messages_(first_message) {
    for (const Plan& plan : plans) {
      hosts_.emplace_back(plan);
      Host& added = hosts_.back();
      added.uplink = PayloadRate(links.uplink(plan.rank));
      added.downlink = PayloadRate(links.downlink(plan.rank));
      added.pair_free.resize(plans.size());
      added.delivered.resize(plans.size());
    }
    result_.rank_seconds.resize(plans.size());
    result_.wire_bytes.resize(plans.size());
  }

  Simulation Run() {
    for (int rank = 0; rank < static_cast<int>(hosts_.size()); ++rank) Advance(rank, 0);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      Handle(event);
    }
    for (const double seconds : result_.rank_seconds) {
      result_.seconds = std::max(result_.seconds, seconds);
    }
    return result_;
  }

  // The number of the next message: numbers are what chance there is.
  uint64_t messages() const { return messages_; }
  // Whether packets may be lost on a path that was used.
  bool by_chance() const { return by_chance_; }

 private:
  enum class Kind : uint8_t { kComputed, kLeft, kPairFree, kHeadArrives, kArrived };
  struct Event {
    double time;
    uint64_t order;  // ties in the order they were made: the simulation is deterministic
    Kind kind;
    int rank;
    Item item;  // kArrived and kHeadArrives: the sender's send item
    int sender;
    double late_seconds;  // kHeadArrives: for packets lost
    bool operator>(const Event& other) const {
      return time > other.time || (time == other.time && order > other.order);
    }
  };
  struct Host {
    explicit Host(const Plan& plan) : progress(plan) {}
    Progress progress;
    bool computing = false;
    bool sending = false;
    double uplink = 0;  // payload bytes a second
    double downlink = 0;
    double downlink_free = 0;
    double looks_again = kNever;    // at the uplink, as no pair with something to send is free
    std::vector<double> pair_free;  // by peer: when the pacer releases the next frame to it
    std::vector<double> delivered;  // by peer: frames to it arrive in order, not before this
    size_t staged = 0;
  };
  struct Path {
    double rate;     // payload bytes a second
    double goodput;  // what packets lost leave of it
    double delay;    // one way
    double round_trip;
    double loss;
  };

  const Plan& plan(int rank) const { return plans_[static_cast<size_t>(rank)]; }
  Host& host(int rank) { return hosts_[static_cast<size_t>(rank)]; }

  double PayloadRate(double rate) const {
    return (rate > 0 ? rate : costs_.unknown_rate) * kWireEfficiency;
  }
  Path PathBetween(int from, int to) const {
    const Link& link = links_.at(from, to);
    const double delay = known_ ? link.delay : costs_.unknown_delay;
    const double back = known_ ? links_.at(to, from).delay : costs_.unknown_delay;
    const double rate = PayloadRate(link.rate);
    const double goodput =
        GoodputRate(costs_.congestion, costs_.flows, rate, delay + back, link.loss);
    return {rate, goodput, delay, delay + back, link.loss};
  }

  size_t SegmentElements(int rank, Item item) const {
    return plan(rank).segment_count(plan(rank).steps[item.step], item.segment);
  }
  size_t FrameBytes(int rank, Item item) const {
    const SlotId slot = plan(rank).steps[item.step].slot;
    return kFrameHeaderBytes + plan(rank).PayloadBytes(slot, SegmentElements(rank, item));
  }

  void Push(double time, Kind kind, int rank, Item item = {}, int sender = -1,
            double late_seconds = 0) {
    events_.push({time, order_++, kind, rank, item, sender, late_seconds});
  }

  // Starts whatever this rank's processor and uplink can start now.
  void Advance(int rank, double now) {
    Host& self = host(rank);
    if (!self.computing) {
      if (const auto verb = self.progress.NextCompute(self.staged < kStagingBytes)) {
        const Item item = *self.progress.Ready(*verb);
        self.progress.Take(*verb);
        self.computing = true;
        Push(now + ComputeSeconds(rank, item), Kind::kComputed, rank, item);
      }
    }
    if (!self.sending) SendNext(rank, now);
  }

  void SendNext(int rank, double now) {
    Host& self = host(rank);
    double next = kNever;
    const auto item = self.progress.ReadySend([&](int peer) {
      const double free = self.pair_free[static_cast<size_t>(peer)];
      if (free > now) next = std::min(next, free);
      return free <= now;
    });
    if (item) {
      self.progress.TakeSend(*item);
      self.sending = true;
      StartSend(rank, *item, now);
    } else if (next < self.looks_again) {
      self.looks_again = next;
      Push(next, Kind::kPairFree, rank);
    }
  }

  double ComputeSeconds(int rank, Item item) const {
    const Step& step = plan(rank).steps[item.step];
    const size_t operands = std::max<size_t>(step.terms.size(), 1);
    const size_t bytes = operands * SegmentElements(rank, item) * SizeOf(plan(rank).request.dtype);
    return costs_.item_seconds + static_cast<double>(bytes) / costs_.codec_bytes_per_second;
  }

  void StartSend(int rank, Item item, double now) {
    Host& self = host(rank);
    const Step& step = plan(rank).steps[item.step];
    const Path path = PathBetween(rank, step.peer);
    const size_t frame_bytes = FrameBytes(rank, item);
    const auto bytes = static_cast<double>(frame_bytes);
    result_.wire_bytes[static_cast<size_t>(rank)] += frame_bytes;
    const double share = step.share;
    // What is sent again for packets lost takes its part of the uplink, too.
    const double uplink = share * self.uplink * std::min(kPaceFactor, 1 - path.loss);
    const double pair = share * std::min(kPaceFactor * path.rate, path.goodput);
    self.pair_free[static_cast<size_t>(step.peer)] = now + bytes / pair;
    Push(now + bytes / uplink, Kind::kLeft, rank, item);
    by_chance_ |= path.loss > 0;
    const int extra = ExtraRoundTrips(bytes, path.loss, SpreadQuantile(messages_++));
    Push(now + path.delay + costs_.message_seconds, Kind::kHeadArrives, step.peer, item, rank,
         extra * costs_.round_trips_per_loss * path.round_trip);
  }

  // The last byte comes when the narrowest stretch has let it through, and after what came before
  // it at the downlink and in its flow.
  void HeadArrives(const Event& event) {
    Host& self = host(event.rank);
    const auto bytes = static_cast<double>(FrameBytes(event.sender, event.item));
    self.downlink_free = std::max(self.downlink_free, event.time) + bytes / self.downlink;
    const double goodput = PathBetween(event.sender, event.rank).goodput;
    const double last = std::max(self.downlink_free, event.time + bytes / goodput);
    double& delivered = host(event.sender).delivered[static_cast<size_t>(event.rank)];
    delivered = std::max(delivered, last + event.late_seconds);
    Push(delivered, Kind::kArrived, event.rank, event.item, event.sender);
  }

  void Handle(const Event& event) {
    Host& self = host(event.rank);
    switch (event.kind) {
      case Kind::kComputed:
        self.computing = false;
        if (plan(event.rank).steps[event.item.step].verb == Verb::kEncode) {
          self.staged += FrameBytes(event.rank, event.item);
        }
        Finish(event.rank, event.item, event.time);
        break;
      case Kind::kLeft:
        self.sending = false;
        self.staged -= std::min(self.staged, FrameBytes(event.rank, event.item));
        Finish(event.rank, event.item, event.time);
        break;
      case Kind::kPairFree:
        if (event.time < self.looks_again) break;
        self.looks_again = kNever;
        Advance(event.rank, event.time);
        break;
      case Kind::kHeadArrives:
        HeadArrives(event);
        break;
      case Kind::kArrived: {
        const Step& sent = plan(event.sender).steps[event.item.step];
        const auto item = self.progress.Expected(event.sender, sent.message, event.item.segment);
        if (item) Finish(event.rank, *item, event.time);
        break;
      }
    }
  }

  void Finish(int rank, Item item, double now) {
    host(rank).progress.Finish(item, &unread_);
    unread_.clear();
    if (host(rank).progress.done()) result_.rank_seconds[static_cast<size_t>(rank)] = now;
    Advance(rank, now);
  }

  const std::vector<Plan>& plans_;
  const LinkModel& links_;
  const CostModel& costs_;
  const bool known_;
  std::vector<Host> hosts_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  uint64_t messages_;
  bool by_chance_ = false;
  std::vector<std::pair<SlotId, uint32_t>> unread_;
  Simulation result_;
};

}  // namespace

Simulation Simulate(const std::vector<Plan>& plans, const LinkModel& links,
                    const CostModel& costs) {
  Simulation mean;
  mean.rank_seconds.resize(plans.size());
  uint64_t messages = 0;
  int runs = 0;
  bool again = true;
  while (again) {
    Simulator simulator(plans, links, costs, messages);
    Simulation run = simulator.Run();
    messages = simulator.messages();
    ++runs;
    mean.seconds += run.seconds;
    for (size_t r = 0; r < plans.size(); ++r) mean.rank_seconds[r] += run.rank_seconds[r];
    mean.wire_bytes = std::move(run.wire_bytes);
    again = simulator.by_chance() && messages < kMessagesByChance && runs < kMostRuns;
  }
  mean.seconds /= runs;
  for (double& seconds : mean.rank_seconds) seconds /= runs;
  return mean;
}

}  // namespace thinwire
