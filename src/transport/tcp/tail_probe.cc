// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/tail_probe.h"

#include <algorithm>

namespace thinwire {
namespace {

constexpr double kRoundTrips = 0.25;
constexpr double kLeastSeconds = 2e-3;

}  // namespace

Duration TailProbe::Interval(double shortest_round_trip_seconds) {
  return FromSeconds(std::max(kRoundTrips * shortest_round_trip_seconds, kLeastSeconds));
}

void TailProbe::NewTail(TimePoint now) {
  written_ = now;
  awaited_ = true;
  probes_ = 0;
  probe_bytes_ = 0;
}

void TailProbe::Probed(size_t bytes, TimePoint now) {
  written_ = now;
  if (bytes > 0) ++probes_;
  probe_bytes_ += bytes;
}

bool TailProbe::Wanted(size_t unacknowledged_bytes) {
  awaited_ = unacknowledged_bytes > probe_bytes_ && probes_ < kMost;
  return awaited_;
}

}  // namespace thinwire
