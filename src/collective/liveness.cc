// SPDX-License-Identifier: Apache-2.0
#include "collective/liveness.h"

#include <algorithm>

namespace thinwire {
namespace {

constexpr size_t kBulkBytes = size_t{16} << 10;  // smaller frames say nothing of a rate
constexpr double kFramesAllowed = 2;             // one under way, and room for the rate to sink
constexpr double kMissedHeartbeats = 2;          // a longer gap than so many is a frame's own time
constexpr double kRememberedSeconds = 60;        // a rate that was low once may be so again

}  // namespace

double HeartbeatSeconds(double silence_seconds) { return std::min(1.0, silence_seconds / 5); }

Liveness::Liveness(double silence_seconds, double expected_rate, TimePoint now)
    : silence_seconds_(silence_seconds),
      expected_rate_(expected_rate),
      measured_(now),
      heard_(now),
      spoken_(now) {}

void Liveness::Hear(size_t frame_bytes, TimePoint now) {
  const double gap = SilentSeconds(now);
  heard_ = now;
  if (frame_bytes < kBulkBytes) return;
  // A peer that wasn't sending this frame all the time would have sent a heartbeat in between.
  const bool slow = gap > kMissedHeartbeats * HeartbeatSeconds(silence_seconds_);
  measured_rate_ = slow ? static_cast<double>(frame_bytes) / gap : 0;
  measured_ = now;
}

bool Liveness::HeartbeatIsDue(TimePoint now) const {
  return ToSeconds(now - spoken_) > HeartbeatSeconds(silence_seconds_);
}

double Liveness::SlownessSeconds(size_t largest_frame_bytes, TimePoint now) const {
  const bool remembered = ToSeconds(now - measured_) < kRememberedSeconds;
  double seconds_per_byte = expected_rate_ > 0 ? 1 / expected_rate_ : 0;
  if (measured_rate_ > 0 && remembered) {
    seconds_per_byte = std::max(seconds_per_byte, 1 / measured_rate_);
  }
  return kFramesAllowed * static_cast<double>(largest_frame_bytes) * seconds_per_byte;
}

double Liveness::AllowedSeconds(size_t largest_frame_bytes, TimePoint now) const {
  return silence_seconds_ + SlownessSeconds(largest_frame_bytes, now);
}

}  // namespace thinwire
