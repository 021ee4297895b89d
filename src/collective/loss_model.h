// SPDX-License-Identifier: Apache-2.0
//
// What lost packets do to a paced TCP flow: how much of its rate is left, and how much later a
// message comes. Pure formulas; the simulators use them.

#ifndef THINWIRE_COLLECTIVE_LOSS_MODEL_H_
#define THINWIRE_COLLECTIVE_LOSS_MODEL_H_

#include <cstddef>
#include <cstdint>

namespace thinwire {

// How TCP takes a lost packet: as a fact of the link (BBR), or as a sign of congestion (CUBIC).
enum class Congestion : uint8_t { kBbr, kCubic };

inline constexpr double kPacketPayload = 1448;  // bytes of a full packet

// Of so many packets sent: each that was sent again had been lost.
inline double LossOf(uint64_t packets, uint64_t sent_again) {
  return packets > 0 ? static_cast<double>(sent_again) / static_cast<double>(packets) : 0;
}

// Payload bytes a second that `flows` flows get of a link of `rate` payload bytes a second.
// kBbr: rate (1 - loss), what is not sent a second time (Cardwell et al. 2016: BBR reaches that up
// to 5 % loss and comes close up to 15 %, which is as far as this holds).
// kCubic: at most flows * W packets a round trip; W = max(sqrt(3 / (2 p)) (Mathis et al. 1997),
// 1.054 (t / p)^(3/4)) (RFC 9438, 5.1: C = 0.4, beta = 0.7) for loss p, round trip t in seconds.
double GoodputRate(Congestion congestion, int flows, double rate, double round_trip_seconds,
                   double loss);

// Round trips a message of `bytes` comes later for packets lost: a packet needs j more with
// probability p^j, a message what its unluckiest packet needs. The `quantile` of that: the least j
// with (1 - p^(j+1))^packets >= quantile. 0 <= quantile < 1.
int ExtraRoundTrips(double bytes, double loss, double quantile);

// Quantiles for the messages of a simulation: evenly spread, whatever part of them is looked at, so
// that as many messages are late as should be and two runs are equal. (Golden ratio sequence.)
inline double SpreadQuantile(uint64_t index) {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // of 2^64
  const uint64_t fraction = (uint64_t{1} << 63) + index * kGoldenRatio;
  return static_cast<double>(fraction >> 11) * 0x1p-53;
}

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LOSS_MODEL_H_
