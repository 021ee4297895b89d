// SPDX-License-Identifier: Apache-2.0
//
// How fast a link is, from when the bytes of a train arrived. Pure.

#ifndef THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_
#define THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_

#include <cstddef>
#include <span>

namespace thinwire {

// Fewer in a period come in lumps: nothing follows from their growth.
inline constexpr double kWorthJudgingBytes = 64e3;

struct Arrival {
  double seconds = 0;  // by the receiver's clock
  size_t bytes = 0;    // seen then, and not before
};

struct ArrivalRate {
  double bytes_per_second = 0;  // 0: too little came to tell
  double busy_seconds = 0;      // how long bytes came in at about that rate
};

// The rate at which bytes come while they come. A sender that may not send more before it hears
// from the receiver sends in flights; each arrives at the rate of the narrowest stretch, with a
// pause before the next. So a rate is known before TCP's slow start has ended. Flights are cut into
// spells of 2 ms, long enough that a late wake-up matters little; of those, the ones within a
// factor of two of the median spell (by bytes) are added up. A pause is longer than `pause_seconds`
// and than four times what usually lies between arrivals.
ArrivalRate RateOf(std::span<const Arrival> arrivals, double pause_seconds);

// The arrivals after `since`.
std::span<const Arrival> ArrivalsAfter(std::span<const Arrival> arrivals, double since);

size_t BytesOf(std::span<const Arrival> arrivals);

// How much more came in the better of the last two periods before `now` than in the better of the
// two before those; 0 where they reach back beyond the first arrival, or too little came to tell.
// While a flow gets going that is 2 and more for periods of a round trip, whatever its congestion
// control; when it fills the link, 1. The better of two, since a process may be kept waiting.
double GrowthOf(std::span<const Arrival> arrivals, double period_seconds, double now);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_
