// SPDX-License-Identifier: Apache-2.0
#include "collective/loss_model.h"

#include <algorithm>
#include <cmath>

namespace thinwire {
namespace {

// Beyond this TCP has given up.
constexpr int kMostRoundTrips = 16;

double CubicWindow(double round_trip_seconds, double loss) {
  const double reno = std::sqrt(1.5 / loss);
  return std::max(reno, 1.054 * std::pow(round_trip_seconds / loss, 0.75));
}

}  // namespace

double GoodputRate(Congestion congestion, int flows, double rate, double round_trip_seconds,
                   double loss) {
  if (loss <= 0) return rate;
  const double delivered = rate * (1 - loss);
  if (congestion == Congestion::kBbr || round_trip_seconds <= 0) return delivered;
  const double window = flows * CubicWindow(round_trip_seconds, loss) * kPacketPayload;
  return std::min(delivered, window / round_trip_seconds);
}

int ExtraRoundTrips(double bytes, double loss, double quantile) {
  if (loss <= 0) return 0;
  const double packets = std::max(1.0, std::ceil(bytes / kPacketPayload));
  // (1 - q)^packets >= quantile as logarithms, since q may be tiny.
  const double needed = std::log(std::max(quantile, 1e-300)) / packets;
  int extra = 0;
  for (double late = loss; extra < kMostRoundTrips && std::log1p(-late) < needed; late *= loss) {
    ++extra;
  }
  return extra;
}

}  // namespace thinwire
