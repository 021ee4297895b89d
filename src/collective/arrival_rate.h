// SPDX-License-Identifier: Apache-2.0
//
// How fast a link is, from when the bytes of a train arrived. Pure.

#ifndef THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_
#define THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_

#include <cstddef>
#include <span>

namespace thinwire {

struct Arrival {
  double seconds = 0;  // by the receiver's clock
  size_t bytes = 0;    // seen then, and not before
};

struct ArrivalRate {
  double bytes_per_second = 0;  // 0: too little came to tell
  double busy_seconds = 0;      // how long bytes came in at about that rate
};

// The rate at which bytes come while they come. A sender that may not send more before it hears
// from the receiver sends in flights; each arrives at the rate of the narrowest stretch, with a pause
// before the next. So a rate is known before TCP's slow start has ended. Flights are cut into spells
// of 2 ms, long enough that a late wake-up matters little; of those, the ones within a factor of two
// of the median spell (by bytes) are added up. A pause is longer than `pause_seconds` and than four
// times what usually lies between arrivals.
ArrivalRate RateOf(std::span<const Arrival> arrivals, double pause_seconds);

// The later arrivals that bring half of all bytes.
std::span<const Arrival> LaterHalf(std::span<const Arrival> arrivals);

// Whether the later half came no faster than the first, but for noise.
bool Settled(std::span<const Arrival> arrivals, double pause_seconds);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_ARRIVAL_RATE_H_
