// SPDX-License-Identifier: Apache-2.0
//
// When ranks start and how long an iteration took.
//
// A barrier would release the ranks up to one latency apart, which is as long as a small operation
// takes. Ranks of one machine share a clock (network namespaces too), so they agree on an instant a
// little later than the last of them can know of it, wait for it, and the time of an iteration is
// from the last start to the last end. Ranks of several machines share none: they start as the
// gather releases them, and the time is the longest that any of them spent in its call; it may hold
// up to one latency of waiting for others.

#ifndef THINWIRE_BENCH_PERF_START_LINE_H_
#define THINWIRE_BENCH_PERF_START_LINE_H_

#include <cstdint>
#include <vector>

#include "rank.h"

namespace thinwire::perf {

class StartLine {
 public:
  explicit StartLine(const Rank& rank);

  // Returns at the same time on all ranks.
  void Wait();

  struct Interval {
    int64_t start;  // nanoseconds of the monotonic clock
    int64_t end;
  };
  // Nanoseconds of each iteration over all ranks, from this rank's intervals.
  std::vector<int64_t> Durations(const std::vector<Interval>& mine) const;

  static int64_t Now();

 private:
  const Rank& rank_;
  bool shared_clock_ = false;
  int64_t observed_ = 0;  // how long after the last rank's word the gather returned here
};

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_START_LINE_H_
