// SPDX-License-Identifier: Apache-2.0
//
// The one clock of the library: monotonic, in nanoseconds.

#ifndef THINWIRE_BASE_CLOCK_H_
#define THINWIRE_BASE_CLOCK_H_

#include <algorithm>
#include <chrono>

namespace thinwire {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = std::chrono::nanoseconds;

inline TimePoint Now() { return Clock::now(); }

// Clamped to thirty years either way, so that sums with a time of day don't overflow.
inline Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::clamp(seconds, -1e9, 1e9)));
}
inline double ToSeconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace thinwire

#endif  // THINWIRE_BASE_CLOCK_H_
