// SPDX-License-Identifier: Apache-2.0
#include "collective/flow_control.h"

#include <algorithm>

#include "collective/simulator.h"

namespace thinwire {
namespace {

// A sleeper may wake this late and still catch up; longer pauses are lost for good. Queues of near
// links hold little more.
constexpr double kBurstSeconds = 0.5e-3;
constexpr size_t kMinWindowBytes = size_t{4} << 20;
constexpr double kWindowsPerRoundTrip = 2;
// What comes behind a lost packet waits for a round trip until that is there, and for another if it
// is lost again; meanwhile the sender goes on.
constexpr double kRepairRoundTrips = 2;
// A lower bound may be far too low.
constexpr double kAtLeastFactor = 4;
constexpr size_t kReportsPerWindow = 4;

}  // namespace

Pacer::Pacer(const LinkModel& links, int rank) : peers_(static_cast<size_t>(links.ranks())) {
  Adopt(RateControl(links, rank));
}

void Pacer::Adopt(const RateControl& rates) {
  const auto seconds_per_byte = [](double rate) {
    return rate > 0 ? 1 / (rate * kWireEfficiency * kPaceFactor) : 0;
  };
  uplink_.seconds_per_byte = seconds_per_byte(rates.uplink());
  for (int peer = 0; peer < static_cast<int>(peers_.size()); ++peer) {
    peers_[static_cast<size_t>(peer)].seconds_per_byte = seconds_per_byte(rates.rate(peer));
  }
}

TimePoint Pacer::Next(int peer) const {
  return std::max(uplink_.next, peers_[static_cast<size_t>(peer)].next);
}

void Pacer::Sent(int peer, size_t frame_bytes, double share, TimePoint now) {
  uplink_.Sent(frame_bytes, share, now);
  peers_[static_cast<size_t>(peer)].Sent(frame_bytes, share, now);
}

void Pacer::Lane::Sent(size_t bytes, double share, TimePoint now) {
  if (seconds_per_byte == 0) return;
  next = std::max(next, now - FromSeconds(kBurstSeconds)) +
         FromSeconds(static_cast<double>(bytes) * seconds_per_byte / share);
}

size_t WindowBytes(const Link& there, const Link& back) {
  const double product = there.rate * (there.delay + back.delay);
  const double windows = kWindowsPerRoundTrip + (there.loss > 0 ? kRepairRoundTrips : 0);
  const double factor = there.origin == Link::Origin::kAtLeast ? kAtLeastFactor : 1;
  return std::max(kMinWindowBytes, static_cast<size_t>(factor * windows * product));
}

Window WindowBetween(const Link& there, const Link& back) {
  Window window;
  window.limit = WindowBytes(there, back);
  window.report_bytes = WindowBytes(back, there) / kReportsPerWindow;
  return window;
}

}  // namespace thinwire
