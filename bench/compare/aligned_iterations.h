// SPDX-License-Identifier: Apache-2.0
//
// Times calls of another library as thinwire-perf times ours (bench/perf/start_line.h): all ranks,
// which share a machine's clock, start at an agreed instant, and a call lasts until the last of
// them has returned. Prints one JSON object on rank 0.

#ifndef THINWIRE_BENCH_COMPARE_ALIGNED_ITERATIONS_H_
#define THINWIRE_BENCH_COMPARE_ALIGNED_ITERATIONS_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

namespace thinwire::compare {

// Puts everyone's value into all[ranks].
using Gather = std::function<void(int64_t mine, int64_t* all)>;

inline int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline int64_t Largest(const Gather& gather, int ranks, int64_t mine) {
  std::vector<int64_t> all(static_cast<size_t>(ranks));
  gather(mine, all.data());
  return *std::max_element(all.begin(), all.end());
}

// `prepare` restores the input; `call` is what is timed. The result of 1.0 from each rank must be
// `ranks`. Returns the exit status.
inline int TimeIterations(int rank, int ranks, int warmups, int iterations,
                          std::vector<float>* data, const Gather& gather,
                          const std::function<void()>& call) {
  std::vector<double> milliseconds;
  int64_t wrong = 0;
  int64_t lag = 0;
  for (int i = 0; i < warmups + iterations; ++i) {
    std::fill(data->begin(), data->end(), 1.0f);
    const int64_t start = Largest(gather, ranks, Now());
    const int64_t observed = Now() - start;
    lag = Largest(gather, ranks, std::max(lag, observed));
    const int64_t agreed = Largest(gather, ranks, Now()) + lag + lag / 4 + 200'000;
    std::this_thread::sleep_for(std::chrono::nanoseconds(agreed - Now()));
    const int64_t begin = Now();
    call();
    const int64_t end = Now();
    const int64_t last_start = Largest(gather, ranks, begin);
    const int64_t last_end = Largest(gather, ranks, end);
    if (i >= warmups) milliseconds.push_back(static_cast<double>(last_end - last_start) / 1e6);
    wrong += std::count_if(data->begin(), data->end(),
                           [ranks](float x) { return x != static_cast<float>(ranks); });
  }
  wrong = Largest(gather, ranks, wrong);
  std::sort(milliseconds.begin(), milliseconds.end());
  if (rank == 0) {
    std::printf("{\"ms\": %.4f, \"ms_min\": %.4f, \"ms_max\": %.4f, \"wrong\": %lld}\n",
                milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back(),
                static_cast<long long>(wrong));
    std::fflush(stdout);
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace thinwire::compare

#endif  // THINWIRE_BENCH_COMPARE_ALIGNED_ITERATIONS_H_
