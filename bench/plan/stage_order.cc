// SPDX-License-Identifier: Apache-2.0
#include "stage_order.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace thinwire::plan {
namespace {

constexpr int kNone = -1;
constexpr double kNever = std::numeric_limits<double>::infinity();

size_t At(int row, int column, int n) { return static_cast<size_t>(row * n + column); }

std::vector<double> Ascending(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

// Assignments that use no cost above a limit.
class LimitedAssignment {
 public:
  LimitedAssignment(std::span<const double> cost, int n) : cost_(cost), n_(n) {}

  bool Exists(double limit) {
    limit_ = limit;
    taken_by_.assign(static_cast<size_t>(n_), kNone);
    for (int row = 0; row < n_; ++row) {
      tried_.assign(static_cast<size_t>(n_), false);
      if (!Assign(row)) return false;
    }
    return true;
  }

  std::vector<int> Partners() const {
    std::vector<int> partners(static_cast<size_t>(n_));
    for (int column = 0; column < n_; ++column) {
      partners[static_cast<size_t>(taken_by_[static_cast<size_t>(column)])] = column;
    }
    return partners;
  }

 private:
  bool Assign(int row) {
    for (int column = 0; column < n_; ++column) {
      const auto at = static_cast<size_t>(column);
      if (tried_[at] || cost_[At(row, column, n_)] > limit_) continue;
      tried_[at] = true;
      if (taken_by_[at] == kNone || Assign(taken_by_[at])) {
        taken_by_[at] = row;
        return true;
      }
    }
    return false;
  }

  std::span<const double> cost_;
  int n_;
  double limit_ = 0;
  std::vector<int> taken_by_;
  std::vector<bool> tried_;
};

// The shortest open path over edges whose `repeated` is at most a limit.
class PathSearch {
 public:
  PathSearch(std::span<const double> first, std::span<const double> repeated, int n)
      : first_(first), repeated_(repeated), n_(n), lengths_((size_t{1} << n) * Count()) {}

  // Infinite if there is none.
  double Length(double limit) {
    std::fill(lengths_.begin(), lengths_.end(), kNever);
    for (int stage = 0; stage < n_; ++stage) Length(Bit(stage), stage) = 0;
    for (uint32_t seen = 1; seen <= All(); ++seen) {
      for (int last = 0; last < n_; ++last) {
        const double length = Length(seen, last);
        if (length < kNever) Extend(seen, last, length, limit);
      }
    }
    const auto ends = lengths_.end() - n_;
    return *std::min_element(ends, lengths_.end());
  }

  // Of the last call of Length, which found one, from its end to its start.
  std::vector<int> Path(double limit) {
    std::vector<int> path;
    uint32_t seen = All();
    int last = 0;
    for (int stage = 1; stage < n_; ++stage) {
      if (Length(seen, stage) < Length(seen, last)) last = stage;
    }
    while (true) {
      path.push_back(last);
      const uint32_t before = seen & ~Bit(last);
      if (before == 0) return path;
      int came_from = kNone;
      for (int stage = 0; stage < n_ && came_from == kNone; ++stage) {
        const bool reachable = repeated_[At(stage, last, n_)] <= limit;
        const double length = Length(before, stage) + first_[At(stage, last, n_)];
        if ((before & Bit(stage)) != 0 && reachable && length == Length(seen, last)) {
          came_from = stage;
        }
      }
      seen = before;
      last = came_from;
    }
  }

 private:
  static uint32_t Bit(int stage) { return uint32_t{1} << stage; }
  uint32_t All() const { return Bit(n_) - 1; }
  size_t Count() const { return static_cast<size_t>(n_); }
  double& Length(uint32_t seen, int last) {
    return lengths_[seen * Count() + static_cast<size_t>(last)];
  }
  void Extend(uint32_t seen, int last, double length, double limit) {
    for (int next = 0; next < n_; ++next) {
      if ((seen & Bit(next)) != 0 || repeated_[At(last, next, n_)] > limit) continue;
      double& known = Length(seen | Bit(next), next);
      known = std::min(known, length + first_[At(last, next, n_)]);
    }
  }

  std::span<const double> first_;
  std::span<const double> repeated_;
  int n_;
  std::vector<double> lengths_;  // [set of stages seen][last of them]
};

}  // namespace

std::vector<int> BottleneckPartners(std::span<const double> cost, int n) {
  const std::vector<double> limits = Ascending(cost);
  LimitedAssignment assignment(cost, n);
  size_t low = 0;
  size_t high = limits.size() - 1;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (assignment.Exists(limits[middle])) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  assignment.Exists(limits[low]);
  return assignment.Partners();
}

StageOrder BestOrder(std::span<const double> first, std::span<const double> repeated,
                     double repeats, int n) {
  if (n == 1) return {.stages = {0}, .cost = 0};
  PathSearch search(first, repeated, n);
  const double shortest = search.Length(kNever);
  if (repeats == 0) return {.stages = search.Path(kNever), .cost = shortest};
  StageOrder best{.stages = {}, .cost = kNever};
  for (const double limit : Ascending(repeated)) {
    // No bound makes a path shorter than the shortest of all.
    if (shortest + repeats * limit >= best.cost) break;
    const double cost = search.Length(limit) + repeats * limit;
    if (cost < best.cost) best = {.stages = search.Path(limit), .cost = cost};
  }
  return best;
}

}  // namespace thinwire::plan
