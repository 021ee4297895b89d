// SPDX-License-Identifier: Apache-2.0
//
// What rank 0 tells: the table on standard output, progress on standard error, rows as JSON.

#ifndef THINWIRE_BENCH_PERF_REPORT_H_
#define THINWIRE_BENCH_PERF_REPORT_H_

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "measurement.h"
#include "perf_options.h"

namespace thinwire::perf {

class Report {
 public:
  explicit Report(const PerfOptions& options) : options_(options) {}

  void Begin(int ranks);
  // A row; `in_place` is empty where the operation can't be done so.
  void Add(const Workload& work, const Reduction& reduction, const Figures& out_of_place,
           const std::optional<Figures>& in_place);
  void End() const;

  // Shown for rows that take more than a second: one line that changes on a terminal, else lines.
  void Progress(const Workload& work, int done, int total);

 private:
  using Clock = std::chrono::steady_clock;

  void AddJson(const Workload& work, const Reduction& reduction, const Figures& figures,
               bool in_place);
  void ClearProgress();

  const PerfOptions& options_;
  nlohmann::json rows_ = nlohmann::json::array();
  uint64_t wrong_ = 0;
  double bus_bandwidth_sum_ = 0;
  Clock::time_point row_began_ = Clock::now();
  Clock::time_point last_progress_;
  bool progress_shown_ = false;
};

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_REPORT_H_
