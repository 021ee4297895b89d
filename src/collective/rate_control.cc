// SPDX-License-Identifier: Apache-2.0
#include "collective/rate_control.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "collective/loss_model.h"
#include "collective/simulator.h"

namespace thinwire {
namespace {

constexpr double kPingSeconds = 0.1;  // between pings to a peer at least
constexpr size_t kWorthAPing = size_t{32} << 10;
// A queue that short is a burst of the pacer or a late wake-up; one that long is no accident.
constexpr double kShortQueueSeconds = 8e-3;
constexpr double kLongQueueSeconds = 25e-3;
constexpr double kLongQueueShare = 0.25;  // of the round trip
// Queues of near paths may never get long.
constexpr double kNearSeconds = kLongQueueSeconds;
constexpr double kFullSeconds = 2;     // that a queue is long before a rate falls
constexpr double kUsedUp = 0.85;       // of what the pacer lets through, sent ...
constexpr double kReached = 0.96;      // ... and received
constexpr double kAsPaced = 0.97;      // what is paced exactly comes at kPaceFactor
constexpr double kSubstantial = 0.25;  // a sender of less is not what fills the queue
constexpr double kMostFall = 0.5;
constexpr double kFloor = 0.25;  // of the rate in the beginning
constexpr double kFloorOfGuess = 1.0 / 64;
constexpr int kRetry = 50;  // pings after which a rate is tried again, whatever the queue
constexpr double kFirstStep = 1.0 / 16;
constexpr double kMostStep = 1.0 / 4;
constexpr int kPatience = 4;
constexpr int kMostDoubts = 2;
constexpr int kSlowStartPatience = 1;
constexpr double kSlowStartStep = 1;
constexpr double kFarRise = 1.3;
constexpr int kMostSetbacks = 4;
constexpr double kEpochSeconds = 30;
constexpr uint64_t kTellingPackets = 8192;

// What the pacer lets through at a rate on the wire.
double Paced(double rate) { return rate * kWireEfficiency * kPaceFactor; }

}  // namespace

bool RateControl::Lane::Judge(const Load& load, TimePoint now) {
  return StepsBack(load.queue) || IsBeyond(load) || Falls(load, now) || Rises(load);
}

// What is handed to the transport may stand in its buffers. On a near path what comes tells more.
bool RateControl::Lane::UsedUp(const Load& load) const {
  if (load.offered <= kUsedUp * Paced(rate)) return false;
  return !load.near || load.delivered > kReached * Paced(rate);
}

// True if the rate rose, since it was used up without a queue for long enough, or has been lower
// for long than it began.
bool RateControl::Lane::Rises(const Load& load) {
  const bool used_up = UsedUp(load);
  calm = used_up && Calm(load.queue) ? calm + 1 : 0;
  ++steady;
  if (on_trial() && calm >= kPatience) {
    trusted = 0;
    setbacks = 0;
  }
  const bool waited = calm >= (slow_start ? kSlowStartPatience : kPatience << setbacks);
  const bool again = used_up && steady >= kRetry && rate < began;
  if ((!waited && !again) || rate >= ceiling) return false;
  trusted = waited ? rate : 0;
  best = 0;
  unreached = 0;
  step = slow_start ? kSlowStartStep : std::clamp(2 * step, kFirstStep, kMostStep);
  rate = std::min(rate * (1 + step), ceiling);
  calm = steady = 0;
  return true;
}

// True if a rise is taken back, since a queue came with it.
bool RateControl::Lane::StepsBack(Queue queue) {
  doubts = on_trial() && !Calm(queue) ? doubts + 1 : 0;
  if (doubts < kMostDoubts) return false;
  const double least = trusted;
  if (rate < kFarRise * least) {
    FallTo(least);
  } else {  // what doubled may be far too high, or a little, or the queue another's
    FallTo(std::sqrt(least * rate));
    trusted = least;
    setbacks = 0;
  }
  return true;
}

void RateControl::Lane::FallTo(double lower) {
  rate = lower;
  trusted = 0;
  slow_start = false;
  step = 0;
  calm = steady = doubts = 0;
  setbacks = std::min(setbacks + 1, kMostSetbacks);
}

// True if the rate fell to what a link delivered at best, in payload, while it was full.
bool RateControl::Lane::Falls(const Load& load, TimePoint now) {
  if (!load.full) {
    full_since = TimePoint::max();
    return false;
  }
  if (full_since == TimePoint::max()) {  // what was delivered until now, it was not full for
    full_since = now;
    carried = 0;
    return false;
  }
  calm = 0;
  carried = std::max(carried, load.delivered);
  const bool substantial = load.offered > kSubstantial * rate;
  if (rate == 0 || !substantial || now - full_since < FromSeconds(kFullSeconds)) return false;
  const double least = std::max(kMostFall * rate, floor);
  const double fallen = std::max(carried / kWireEfficiency, least);
  full_since = TimePoint::max();
  if (fallen >= kAsPaced * rate) return false;
  FallTo(fallen);
  return true;
}

RateControl::RateControl(const LinkModel& links, int rank)
    : peers_(static_cast<size_t>(links.ranks())) {
  uplink_.slow_start = links.ranks() > 1;
  for (int to = 0; to < links.ranks(); ++to) {
    if (to == rank) continue;
    const Link& link = links.at(rank, to);
    const bool given = link.origin == Link::Origin::kGiven;
    Peer& there = peer(to);
    there.lane.rate = given || link.rate < kMostPacedRate ? link.rate : 0;
    if (given) there.lane.ceiling = link.rate;
    const bool found = link.origin == Link::Origin::kMeasured;
    there.lane.floor = (given ? 1 : found ? kFloor : kFloorOfGuess) * there.lane.rate;
    there.lane.slow_start = link.origin == Link::Origin::kAtLeast;
    uplink_.slow_start &= there.lane.slow_start;
    there.lane.began = there.lane.rate;
    there.loss = link.loss;
    there.loss_given = given;
    if (link.delay > 0) there.shortest_before = link.delay + links.at(to, rank).delay;
    uplink_.rate = std::max(uplink_.rate, there.lane.rate);
    uplink_.ceiling = uplink_.began = uplink_.rate;
    uplink_.floor = std::max(uplink_.floor, there.lane.floor);
  }
  for (int to = 0; to < links.ranks(); ++to) {
    const Lane& lane = peer(to).lane;
    if (to == rank) continue;
    // A way that isn't paced shares the uplink with the others, which therefore isn't either.
    if (lane.rate == 0) uplink_.rate = 0;
    if (!std::isfinite(lane.ceiling)) uplink_.ceiling = lane.ceiling;
  }
}

void RateControl::Sent(int to, size_t bytes) { peer(to).sent += bytes; }

std::vector<int> RateControl::DuePings(TimePoint now) {
  std::vector<int> due;
  for (int rank = 0; rank < static_cast<int>(peers_.size()); ++rank) {
    Peer& to = peer(rank);
    // The interval holds a round trip at least, so that it says something about a queue.
    const double interval =
        std::max(kPingSeconds, std::isfinite(to.Shortest()) ? to.Shortest() : 0);
    const bool quiet = to.sent - to.sent_at_ping < kWorthAPing;
    if (to.lane.rate == 0 || to.awaited || quiet) continue;
    if (now - to.pinged < FromSeconds(interval)) continue;
    to.awaited = true;
    to.pinged = now;
    to.sent_at_ping = to.sent;
    due.push_back(rank);
  }
  return due;
}

double RateControl::Peer::Shortest() const { return std::min(shortest, shortest_before); }

double RateControl::delay(int rank) const {
  const double shortest = peers_[static_cast<size_t>(rank)].Shortest();
  return std::isfinite(shortest) ? shortest / 2 : 0;
}

// Ways change: what was short long ago doesn't count for ever.
void RateControl::NoteRoundTrip(Peer* from, double seconds, TimePoint now) {
  if (from->since == TimePoint{}) from->since = now;
  if (now - from->since > FromSeconds(kEpochSeconds)) {
    from->shortest_before = std::exchange(from->shortest, std::numeric_limits<double>::infinity());
    from->since = now;
  }
  from->shortest = std::min(from->shortest, seconds);
}

RateControl::Queue RateControl::QueueAt(double seconds, double shortest_round_trip) {
  if (seconds < kShortQueueSeconds) return Queue::kShort;
  const double too_long = std::max(kLongQueueSeconds, kLongQueueShare * shortest_round_trip);
  return seconds > too_long ? Queue::kLong : Queue::kFair;
}

void RateControl::NoteLoss(Peer* from, const PathFigures& path) {
  if (!from->loss_since) from->loss_since = path;
  const uint64_t packets = path.packets - from->loss_since->packets;
  if (packets < kTellingPackets || from->loss_given) return;
  from->loss = LossOf(packets, path.packets_again - from->loss_since->packets_again);
  from->loss_since = path;
}

// True if what doubled is taken back, since it is never reached.
bool RateControl::Lane::IsBeyond(const Load& load) {
  if (!load.near || !slow_start || !on_trial() || load.offered < kSubstantial * rate) return false;
  best = std::max(best, load.delivered);
  unreached = load.delivered < kUsedUp * Paced(rate) ? unreached + 1 : 0;
  if (unreached < kPatience) return false;
  FallTo(std::clamp(best / kWireEfficiency, kUsedUp * trusted, rate));
  return true;
}

bool RateControl::TakePong(int rank, const Pong& pong, TimePoint now) {
  Peer& from = peer(rank);
  if (!from.awaited || pong.pinged != from.pinged) return false;
  from.awaited = false;
  const double round_trip = ToSeconds(now - pong.pinged);
  NoteRoundTrip(&from, round_trip, now);
  NoteLoss(&from, pong.path);
  const double told = pong.path.queue_seconds;
  from.queue = QueueAt(told >= 0 ? told : round_trip - from.Shortest(), from.Shortest());
  const Reading reading = {pong.pinged, from.sent_at_ping, pong.received, pong.nanoseconds};
  const Reading last = std::exchange(from.last, reading);
  const double there = static_cast<double>(reading.nanoseconds - last.nanoseconds) * 1e-9;
  const double here = ToSeconds(reading.pinged - last.pinged);
  // After a pause the interval says nothing about the rate.
  const bool usable = std::exchange(from.answered, true) && there > 0 && here > 0 &&
                      here < 4 * std::max(kPingSeconds, from.Shortest()) &&
                      reading.received >= last.received;
  from.offered = usable ? static_cast<double>(reading.sent - last.sent) / here : 0;
  from.delivered = usable ? static_cast<double>(reading.received - last.received) / there : 0;
  if (!usable) return false;

  const Load load = {.offered = from.offered,
                     .delivered = from.delivered,
                     .queue = from.queue,
                     .full = from.queue == Queue::kLong && !InCommon(),
                     .near = from.Shortest() < kNearSeconds};
  const bool changed = from.lane.Judge(load, now);
  ++answers_;
  return JudgeUplink(now) || changed;
}

// Whether all of several peers in use are behind a long queue: then it is this host's own.
bool RateControl::InCommon() const {
  size_t active = 0;
  for (const Peer& to : peers_) {
    if (!to.active()) continue;
    if (to.queue != Queue::kLong) return false;
    ++active;
  }
  return active > 1;
}

// Once all peers in use have answered.
bool RateControl::JudgeUplink(TimePoint now) {
  size_t active = 0;
  Load load = {
      .offered = 0, .delivered = 0, .queue = Queue::kShort, .full = InCommon(), .near = true};
  for (const Peer& to : peers_) {
    if (!to.active()) continue;
    ++active;
    load.offered += to.offered;
    load.delivered += to.delivered;
    load.queue = std::max(load.queue, to.queue);
    load.near &= to.Shortest() < kNearSeconds;
  }
  if (uplink_.rate == 0 || answers_ < active) return false;
  answers_ = 0;
  const double before = uplink_.rate;
  if (!uplink_.Judge(load, now)) return false;
  // A pair is no faster than its host, and was thought to be no slower if it was as fast before.
  for (Peer& to : peers_) {
    Lane& lane = to.lane;
    if (lane.rate >= kAsPaced * before || lane.rate > uplink_.rate) {
      lane.rate = std::min(uplink_.rate, lane.ceiling);
    }
  }
  return true;
}

}  // namespace thinwire
