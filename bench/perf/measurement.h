// SPDX-License-Identifier: Apache-2.0
//
// Measures and checks one row: one workload, in or out of place. All ranks do so together and end
// with the same figures.

#ifndef THINWIRE_BENCH_PERF_MEASUREMENT_H_
#define THINWIRE_BENCH_PERF_MEASUREMENT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rank.h"
#include "start_line.h"
#include "workload.h"

namespace thinwire::perf {

struct Figures {
  double microseconds = 0;  // median, shortest and longest of the iterations
  double microseconds_min = 0;
  double microseconds_max = 0;
  std::vector<double> each_microseconds;  // in the order they were called
  // Of calls on a stream, which return at once: the median of how long that took, over all ranks.
  std::optional<double> issue_microseconds;
  double algorithm_bandwidth = 0;  // GB/s
  double bus_bandwidth = 0;
  uint64_t wire_bytes = 0;  // a call, of the rank that sent most
  double ratio = 1;         // bytes before over bytes after encoding, over all ranks
  std::string codec;        // what really ran
  std::string algorithm;
  // Only when checked:
  std::optional<uint64_t> wrong;         // elements, over all ranks
  std::optional<double> relative_error;  // of the result, over all ranks
};

struct MeasurementOptions {
  int warmups = 0;
  int iterations = 1;
  bool check = true;
};

// Called by each rank after each iteration: how many are done, of how many.
using ProgressCallback = std::function<void(int, int)>;

Figures Measure(const Rank& rank, StartLine* start, const Workload& work, bool in_place,
                const MeasurementOptions& options, const ProgressCallback& progress);

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_MEASUREMENT_H_
