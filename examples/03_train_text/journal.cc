// SPDX-License-Identifier: Apache-2.0
#include "journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>

namespace train_text {
namespace {

constexpr size_t kProgressLines = 10;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Of values[first], values[first + 1], ...
template <typename T>
double MeanFrom(const std::vector<T>& values, size_t first) {
  return std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(first), values.end(), 0.0) /
         static_cast<double>(values.size() - first);
}

}  // namespace

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Journal::MedianStepSeconds() const { return Median(step_seconds); }
double Journal::MedianCommunicationSeconds() const { return Median(communication_seconds); }

double Journal::LastLoss() const {
  return MeanFrom(losses, losses.size() - (losses.size() + 9) / 10);
}

void Journal::PrintIfDue(size_t steps, uint64_t bytes_sent) {
  const size_t every = (steps + kProgressLines - 1) / kProgressLines;
  if (losses.size() % every != 0 && losses.size() != steps) return;
  fmt::print("step {:4}  loss {:.3f}  {:.3f} s a step  {:7.1f} MB sent\n", losses.size(),
             MeanFrom(losses, printed), MeanFrom(step_seconds, printed),
             static_cast<double>(bytes_sent) / 1e6);
  std::fflush(stdout);
  printed = losses.size();
}

}  // namespace train_text
