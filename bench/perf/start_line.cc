// SPDX-License-Identifier: Apache-2.0
#include "start_line.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace thinwire::perf {
namespace {

constexpr int64_t kMargin = 200'000;
constexpr int kRehearsals = 2;

uint64_t Machine() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  return file >> id ? std::hash<std::string>()(id) : 0;
}

}  // namespace

int64_t StartLine::Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

StartLine::StartLine(const Rank& rank) : rank_(rank) {
  const std::vector<uint64_t> machines = rank.Gather(Machine());
  shared_clock_ =
      machines.front() != 0 && std::equal(machines.begin() + 1, machines.end(), machines.begin());
  for (int i = 0; i < kRehearsals; ++i) Wait();
}

void StartLine::Wait() {
  struct Word {
    int64_t now;
    int64_t observed;
  };
  const std::vector<Word> words = rank_.Gather(Word{Now(), observed_});
  if (!shared_clock_) return;
  int64_t last = 0;
  int64_t lag = 0;
  for (const Word& word : words) {
    last = std::max(last, word.now);
    lag = std::max(lag, word.observed);
  }
  observed_ = Now() - last;
  const int64_t start = last + lag + lag / 4 + kMargin;
  std::this_thread::sleep_for(std::chrono::nanoseconds(start - Now()));
}

std::vector<int64_t> StartLine::Durations(const std::vector<Interval>& mine) const {
  const std::vector<Interval> all = rank_.GatherAll(mine);
  std::vector<int64_t> durations;
  for (size_t i = 0; i < mine.size(); ++i) {
    int64_t last_start = INT64_MIN;
    int64_t last_end = INT64_MIN;
    int64_t longest = 0;
    for (size_t at = i; at < all.size(); at += mine.size()) {
      last_start = std::max(last_start, all[at].start);
      last_end = std::max(last_end, all[at].end);
      longest = std::max(longest, all[at].end - all[at].start);
    }
    durations.push_back(shared_clock_ ? last_end - last_start : longest);
  }
  return durations;
}

}  // namespace thinwire::perf
