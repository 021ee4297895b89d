// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace thinwire::perf {
namespace {

constexpr auto kQuietTime = std::chrono::seconds(1);
constexpr auto kTerminalPeriod = std::chrono::milliseconds(200);
constexpr auto kLinePeriod = std::chrono::seconds(5);

template <typename T>
std::string OrNotChecked(const std::optional<T>& value, const char* format) {
  return value ? fmt::format(fmt::runtime(format), *value) : "N/A";
}

std::string TimeColumns(const std::optional<Figures>& figures) {
  if (!figures) return fmt::format("{:>11} {:>7} {:>7} {:>6}", "N/A", "N/A", "N/A", "N/A");
  return fmt::format("{:>11.1f} {:>7.3f} {:>7.3f} {:>6}", figures->microseconds,
                     figures->algorithm_bandwidth, figures->bus_bandwidth,
                     OrNotChecked(figures->wrong, "{}"));
}

// Nothing where calls return when they are done.
std::string IssueColumn(const Figures& figures) {
  if (!figures.issue_microseconds) return "";
  return fmt::format(" {:>8.1f}", *figures.issue_microseconds);
}

}  // namespace

void Report::Begin(int ranks) {
  fmt::print("# thinwire-perf {}: {} ranks, transport {}, device {}, policy '{}'{}\n",
             options_.operation->name, ranks,
             options_.transport.empty() ? "auto" : options_.transport, options_.device,
             options_.policy, options_.shape.empty() ? "" : ", emulated " + options_.shape);
  fmt::print("#{:49}{:^36}{:^34}\n", "", "out-of-place", "in-place");
  fmt::print("#{:>11} {:>11} {:>9} {:>6} {:>5} ", "size", "count", "type", "redop", "root");
  for (int i = 0; i < 2; ++i) {
    fmt::print("{:>12} {:>7} {:>7} {:>6}", "time", "algbw", "busbw", "#wrong");
  }
  const bool on_stream = options_.device != "host";
  fmt::print("{}", on_stream ? fmt::format(" {:>8}", "issue") : "");
  fmt::print(" {:>11} {:>6} {:>9} {:>6} {}\n", "wire", "ratio", "error", "codec", "algorithm");
  fmt::print("#{:>11} {:>11} {:>9} {:>6} {:>5} ", "(B)", "(elements)", "", "", "");
  for (int i = 0; i < 2; ++i) {
    fmt::print("{:>12} {:>7} {:>7} {:>6}", "(us)", "(GB/s)", "(GB/s)", "");
  }
  fmt::print("{}", on_stream ? fmt::format(" {:>8}", "(us)") : "");
  fmt::print(" {:>11}\n", "(B/rank)");
  std::fflush(stdout);
  row_began_ = Clock::now();
}

void Report::Add(const Workload& work, const Reduction& reduction, const Figures& out_of_place,
                 const std::optional<Figures>& in_place) {
  ClearProgress();
  fmt::print("{:>12} {:>11} {:>9} {:>6} {:>5}  {} {}{} {:>11} {:>6.2f} {:>9} {:>6} {}\n",
             work.bytes(), work.count, work.type->name,
             work.operation->reduces ? reduction.name : "none",
             work.operation->has_root ? work.root : -1, TimeColumns(out_of_place),
             TimeColumns(in_place), IssueColumn(out_of_place), out_of_place.wire_bytes,
             out_of_place.ratio, OrNotChecked(out_of_place.relative_error, "{:.2e}"),
             out_of_place.codec, out_of_place.algorithm);
  std::fflush(stdout);
  AddJson(work, reduction, out_of_place, false);
  if (in_place) AddJson(work, reduction, *in_place, true);
  row_began_ = Clock::now();
}

void Report::AddJson(const Workload& work, const Reduction& reduction, const Figures& figures,
                     bool in_place) {
  nlohmann::json row = {{"op", work.operation->name},
                        {"bytes", work.bytes()},
                        {"count", work.count},
                        {"dtype", work.type->name},
                        {"redop", work.operation->reduces ? reduction.name : "none"},
                        {"root", work.operation->has_root ? work.root : -1},
                        {"in_place", in_place},
                        {"codec", figures.codec},
                        {"algo", figures.algorithm},
                        {"transport", options_.transport.empty() ? "auto" : options_.transport},
                        {"device", options_.device},
                        {"ranks", work.ranks},
                        {"iterations", options_.measurement.iterations},
                        {"time_us", figures.microseconds},
                        {"time_us_min", figures.microseconds_min},
                        {"time_us_max", figures.microseconds_max},
                        {"times_us", figures.each_microseconds},
                        {"issue_us", nullptr},
                        {"algbw", figures.algorithm_bandwidth},
                        {"busbw", figures.bus_bandwidth},
                        {"wire_bytes", figures.wire_bytes},
                        {"ratio", figures.ratio},
                        {"rel_error", nullptr},
                        {"wrong", nullptr}};
  if (figures.issue_microseconds) row["issue_us"] = *figures.issue_microseconds;
  if (figures.relative_error) row["rel_error"] = *figures.relative_error;
  if (figures.wrong) row["wrong"] = *figures.wrong;
  rows_.push_back(std::move(row));
  wrong_ += figures.wrong.value_or(0);
  bus_bandwidth_sum_ += figures.bus_bandwidth;
}

void Report::End() const {
  fmt::print("# wrong elements: {}{}\n", wrong_,
             options_.measurement.check ? (wrong_ == 0 ? " (OK)" : " (FAILED)") : " (not checked)");
  fmt::print("# average bus bandwidth: {:.4f} GB/s\n",
             rows_.empty() ? 0 : bus_bandwidth_sum_ / static_cast<double>(rows_.size()));
  if (options_.json_path.empty()) return;
  std::ofstream file(options_.json_path);
  if (!(file << rows_.dump(1) << "\n")) {
    throw PerfError(fmt::format("cannot write {}", options_.json_path));
  }
}

void Report::Progress(const Workload& work, int done, int total) {
  const Clock::time_point now = Clock::now();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const Clock::duration period = terminal ? Clock::duration(kTerminalPeriod) : kLinePeriod;
  if (now - row_began_ < kQuietTime || now - last_progress_ < period) return;
  last_progress_ = now;
  progress_shown_ = true;
  fmt::print(stderr, "{}{} {} B {}: call {} of {}{}", terminal ? "\r\033[K" : "",
             work.operation->name, work.bytes(), work.type->name, done, total,
             terminal ? "" : "\n");
  std::fflush(stderr);
}

void Report::ClearProgress() {
  if (progress_shown_ && isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
  progress_shown_ = false;
}

}  // namespace thinwire::perf
