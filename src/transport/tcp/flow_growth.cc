// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/flow_growth.h"

#include <algorithm>
#include <utility>

namespace thinwire {
namespace {

// Before flows are judged: so many round trips, and no less than this, since they were opened.
constexpr double kSettlingRoundTrips = 4;
constexpr double kSettlingSeconds = 0.3;
// Losses longer ago than this, and before an idle time, no longer count.
constexpr double kMemorySeconds = 3;
// A queue: the round trip is longer than the shortest by this part of it and this time.
constexpr double kQueuePart = 0.25;
constexpr double kQueueSeconds = 2e-3;
// Loss is taken to have risen at this multiple, told by no fewer packets than these.
constexpr double kRisenLoss = 3;
constexpr uint64_t kTellingLosses = 8;
constexpr double kRestSeconds = 10;  // then flows that didn't help may be tried again

}  // namespace

void FlowGrowth::Restart(const PathSample& sample) {
  start_ = sample;
  queue_seconds_ = 0;
}

int FlowGrowth::Advise(const PathSample& sample) {
  const PathSample last = std::exchange(last_, sample);
  if (!last.waiting || !sample.waiting) {
    Restart(sample);
    return sample.flows;
  }
  const double step = ToSeconds(sample.time - last.time);
  const auto acknowledged =
      static_cast<double>(sample.acknowledged_bytes - last.acknowledged_bytes);
  if (step > 0) best_rate_ = std::max(best_rate_, acknowledged / step);

  const double queue = sample.round_trip_seconds - sample.shortest_round_trip_seconds;
  queue_seconds_ = std::max(queue_seconds_, queue);
  const double age = ToSeconds(sample.time - start_.time);
  if (age < std::max(kSettlingRoundTrips * sample.round_trip_seconds, kSettlingSeconds) ||
      sample.time < rest_until_) {
    return sample.flows;
  }
  const uint64_t lost = sample.sent_again_packets - start_.sent_again_packets;
  const uint64_t sent = sample.sent_packets - start_.sent_packets;
  const bool congested =
      queue_seconds_ > kQueuePart * sample.shortest_round_trip_seconds + kQueueSeconds;
  if (lost == 0 || sent == 0 || congested) {
    if (congested || age > kMemorySeconds) Restart(sample);
    return sample.flows;
  }
  const double loss = static_cast<double>(lost) / static_cast<double>(sent);
  Restart(sample);
  if (known_loss_ > 0 && loss > kRisenLoss * known_loss_ && lost >= kTellingLosses) {
    rest_until_ = sample.time + FromSeconds(kRestSeconds);
    return sample.flows;
  }
  known_loss_ = std::max(known_loss_, loss);
  return 2 * sample.flows;
}

}  // namespace thinwire
