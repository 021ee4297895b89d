// SPDX-License-Identifier: Apache-2.0
#include "collective/simulator.h"

#include <algorithm>
#include <queue>

#include "collective/progress.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

class Simulator {
 public:
  Simulator(const std::vector<Plan>& plans, const LinkModel& links, const CostModel& costs)
      : plans_(plans), links_(links), costs_(costs) {
    for (const Plan& plan : plans) hosts_.emplace_back(plan);
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

 private:
  enum class Kind { kComputed, kLeft, kHeadArrives, kArrived };
  struct Event {
    double time;
    uint64_t order;  // ties in the order they were made: the simulation is deterministic
    Kind kind;
    int rank;
    Item item;  // kArrived and kHeadArrives: the sender's send item
    int sender;
    double transfer;  // seconds the message takes at the rate it was sent with
    bool operator>(const Event& other) const {
      return std::tie(time, order) > std::tie(other.time, other.order);
    }
  };
  struct Host {
    explicit Host(const Plan& plan) : progress(plan) {}
    Progress progress;
    bool computing = false;
    bool sending = false;
    double downlink_free = 0;
    size_t staged = 0;
  };

  const Plan& plan(int rank) const { return plans_[static_cast<size_t>(rank)]; }
  Host& host(int rank) { return hosts_[static_cast<size_t>(rank)]; }

  size_t SegmentElements(int rank, Item item) const {
    return plan(rank).segment_count(plan(rank).steps[item.step], item.segment);
  }
  size_t FrameBytes(int rank, Item item) const {
    const SlotId slot = plan(rank).steps[item.step].slot;
    return kFrameHeaderBytes + plan(rank).PayloadBytes(slot, SegmentElements(rank, item));
  }

  void Push(double time, Kind kind, int rank, Item item, int sender = -1, double transfer = 0) {
    events_.push({time, order_++, kind, rank, item, sender, transfer});
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
    if (!self.sending) {
      if (const auto item = self.progress.ReadySend([](int) { return true; })) {
        self.progress.TakeSend(*item);
        self.sending = true;
        StartSend(rank, *item, now);
      }
    }
  }

  double ComputeSeconds(int rank, Item item) const {
    const Step& step = plan(rank).steps[item.step];
    const size_t operands = std::max<size_t>(step.terms.size(), 1);
    const size_t bytes = operands * SegmentElements(rank, item) * SizeOf(plan(rank).request.dtype);
    return costs_.item_seconds + static_cast<double>(bytes) / costs_.codec_bytes_per_second;
  }

  void StartSend(int rank, Item item, double now) {
    const Step& step = plan(rank).steps[item.step];
    const Link& link = links_.at(rank, step.peer);
    const double rate = (link.rate > 0 ? link.rate : costs_.unknown_rate) * kWireEfficiency;
    const double delay = links_.known() ? link.delay : costs_.unknown_delay;
    const size_t bytes = FrameBytes(rank, item);
    const double transfer = static_cast<double>(bytes) / rate;
    result_.wire_bytes[static_cast<size_t>(rank)] += bytes;
    Push(now + transfer / kPaceFactor / step.share, Kind::kLeft, rank, item);
    Push(now + delay + costs_.message_seconds, Kind::kHeadArrives, step.peer, item, rank, transfer);
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
      case Kind::kHeadArrives:
        self.downlink_free = std::max(self.downlink_free, event.time) + event.transfer;
        Push(self.downlink_free, Kind::kArrived, event.rank, event.item, event.sender);
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
  std::vector<Host> hosts_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  std::vector<std::pair<SlotId, uint32_t>> unread_;
  Simulation result_;
};

}  // namespace

Simulation Simulate(const std::vector<Plan>& plans, const LinkModel& links,
                    const CostModel& costs) {
  return Simulator(plans, links, costs).Run();
}

}  // namespace thinwire
