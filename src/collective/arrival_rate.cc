// SPDX-License-Identifier: Apache-2.0
#include "collective/arrival_rate.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>
#include <vector>

namespace thinwire {
namespace {

constexpr double kLongestSpellSeconds = 2e-3;
constexpr double kShortestSpellSeconds = 0.25e-3;
constexpr double kSpells = 16;
constexpr size_t kFewestArrivals = 4;
constexpr double kAlike = 2;  // a spell this many times faster or slower than most is left out
constexpr double kUnusual = 4;

struct Spell {
  double seconds;
  double bytes;
  double rate() const { return bytes / seconds; }
};

double PauseOf(std::span<const Arrival> arrivals, double pause_seconds) {
  std::vector<double> between;
  for (size_t i = 1; i < arrivals.size(); ++i) {
    between.push_back(arrivals[i].seconds - arrivals[i - 1].seconds);
  }
  const auto middle = between.begin() + static_cast<std::ptrdiff_t>(between.size() / 2);
  std::nth_element(between.begin(), middle, between.end());
  return std::max(pause_seconds, kUnusual * *middle);
}

// The first arrival of a flight only starts the clock: how long its bytes took is not known.
std::vector<Spell> SpellsOf(std::span<const Arrival> arrivals, double pause_seconds) {
  const double all = arrivals.back().seconds - arrivals.front().seconds;
  const double least = std::clamp(all / kSpells, kShortestSpellSeconds, kLongestSpellSeconds);
  const double pause = PauseOf(arrivals, pause_seconds);
  std::vector<Spell> spells;
  double before = arrivals.front().seconds;
  double begin = before;
  double bytes = 0;
  for (const Arrival& arrival : arrivals.subspan(1)) {
    const bool paused = arrival.seconds - std::exchange(before, arrival.seconds) > pause;
    bytes += static_cast<double>(arrival.bytes);
    const double seconds = arrival.seconds - begin;
    if (!paused && seconds < least) continue;
    if (!paused) spells.push_back({seconds, bytes});
    begin = arrival.seconds;
    bytes = 0;
  }
  return spells;
}

// Half of the bytes came in spells no faster than this.
double MedianRate(std::vector<Spell> spells) {
  std::sort(spells.begin(), spells.end(),
            [](const Spell& a, const Spell& b) { return a.rate() < b.rate(); });
  double all = 0;
  for (const Spell& spell : spells) all += spell.bytes;
  double below = 0;
  for (const Spell& spell : spells) {
    below += spell.bytes;
    if (2 * below >= all) return spell.rate();
  }
  return 0;
}

}  // namespace

ArrivalRate RateOf(std::span<const Arrival> arrivals, double pause_seconds) {
  if (arrivals.size() < kFewestArrivals) return {};
  const std::vector<Spell> spells = SpellsOf(arrivals, pause_seconds);
  const double median = MedianRate(spells);
  ArrivalRate sum;
  double bytes = 0;
  for (const Spell& spell : spells) {
    if (spell.rate() < median / kAlike || spell.rate() > median * kAlike) continue;
    sum.busy_seconds += spell.seconds;
    bytes += spell.bytes;
  }
  if (sum.busy_seconds > 0) sum.bytes_per_second = bytes / sum.busy_seconds;
  return sum;
}

std::span<const Arrival> ArrivalsAfter(std::span<const Arrival> arrivals, double since) {
  const auto first = std::find_if(arrivals.begin(), arrivals.end(),
                                  [since](const Arrival& a) { return a.seconds > since; });
  return {first, arrivals.end()};
}

size_t BytesOf(std::span<const Arrival> arrivals) {
  size_t bytes = 0;
  for (const Arrival& arrival : arrivals) bytes += arrival.bytes;
  return bytes;
}

double GrowthOf(std::span<const Arrival> arrivals, double period_seconds, double now) {
  constexpr size_t kPeriods = 4;
  std::array<double, kPeriods> bytes = {};  // the last period first
  if (arrivals.empty() || now - arrivals.front().seconds < kPeriods * period_seconds) return 0;
  for (const Arrival& arrival : ArrivalsAfter(arrivals, now - kPeriods * period_seconds)) {
    const auto ago = static_cast<size_t>(std::max(0.0, now - arrival.seconds) / period_seconds);
    bytes[std::min(ago, kPeriods - 1)] += static_cast<double>(arrival.bytes);
  }
  const double before = std::max(bytes[2], bytes[3]);
  return before >= kWorthJudgingBytes ? std::max(bytes[0], bytes[1]) / before : 0;
}

}  // namespace thinwire
