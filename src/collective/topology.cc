// SPDX-License-Identifier: Apache-2.0
#include "collective/topology.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "collective/plan.h"

namespace thinwire {
namespace {

constexpr double kLeastDelay = 1e-4;  // below this, ratios of delays are noise
constexpr double kHopBytes = 1 << 20;
constexpr int kMaxReversedRanks = 128;  // 2-opt takes n^3 steps a round
constexpr int kMaxRounds = 8;
constexpr uint32_t kWholeWeight = 4096;
constexpr double kClearlyUneven = 1.25;  // between largest and smallest share

std::vector<int> InOrder(int ranks) {
  std::vector<int> order(static_cast<size_t>(ranks));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

double DelayBetween(const LinkModel& links, int a, int b) {
  return std::max({links.at(a, b).delay, links.at(b, a).delay, kLeastDelay});
}

// The delay up to which two ranks share a site; 0: nothing tells sites apart.
double SiteDelay(const LinkModel& links) {
  std::vector<double> delays;
  for (int a = 0; a < links.ranks(); ++a) {
    for (int b = a + 1; b < links.ranks(); ++b) delays.push_back(DelayBetween(links, a, b));
  }
  std::sort(delays.begin(), delays.end());
  double widest = kSiteGap;
  double near = 0;
  for (size_t i = 1; i < delays.size(); ++i) {
    if (delays[i] < kSiteDelay || delays[i] / delays[i - 1] < widest) continue;
    widest = delays[i] / delays[i - 1];
    near = delays[i - 1];
  }
  return near;
}

Groups SitesOf(const LinkModel& links) {
  const Groups together = {InOrder(links.ranks())};
  const double near = SiteDelay(links);
  if (near == 0) return together;
  Groups sites;
  for (int rank = 0; rank < links.ranks(); ++rank) {
    const auto near_all = [&](const std::vector<int>& site) {
      return std::ranges::all_of(
          site, [&](int other) { return DelayBetween(links, rank, other) <= near; });
    };
    const auto near_one = [&](const std::vector<int>& site) {
      return std::ranges::any_of(
          site, [&](int other) { return DelayBetween(links, rank, other) <= near; });
    };
    const auto home = std::ranges::find_if(sites, near_all);
    if (std::ranges::count_if(sites, near_one) != (home == sites.end() ? 0 : 1)) return together;
    home == sites.end() ? sites.push_back({rank}) : home->push_back(rank);
  }
  return sites;
}

class Tour {
 public:
  explicit Tour(const LinkModel& links) : links_(links) { StartAtNearest(); }

  std::vector<int> Improved() && {
    const size_t n = order_.size();
    if (n > kMaxReversedRanks) return std::move(order_);
    double best = Cost();
    bool better = true;
    for (int round = 0; better && round < kMaxRounds; ++round) {
      better = false;
      for (size_t i = 1; i + 1 < n; ++i) {
        for (size_t j = i + 1; j < n; ++j) {
          Reverse(i, j);
          const double cost = Cost();
          if (cost < best) {
            best = cost;
            better = true;
          } else {
            Reverse(i, j);
          }
        }
      }
    }
    return std::move(order_);
  }

 private:
  double Hop(int from, int to) const {
    const Link& link = links_.at(from, to);
    return link.delay + (link.rate > 0 ? kHopBytes / link.rate : 0);
  }

  double Cost() const {
    double sum = 0;
    double worst = 0;
    for (size_t i = 0; i < order_.size(); ++i) {
      const double hop = Hop(order_[i], order_[(i + 1) % order_.size()]);
      sum += hop;
      worst = std::max(worst, hop);
    }
    return sum + worst * static_cast<double>(order_.size());
  }

  void StartAtNearest() {
    order_ = InOrder(links_.ranks());
    for (size_t i = 0; i + 1 < order_.size(); ++i) {
      const auto next = order_.begin() + static_cast<std::ptrdiff_t>(i) + 1;
      const auto nearest = std::min_element(
          next, order_.end(), [&](int a, int b) { return Hop(order_[i], a) < Hop(order_[i], b); });
      std::rotate(next, nearest, nearest + 1);
    }
  }

  void Reverse(size_t first, size_t last) {
    std::reverse(order_.begin() + static_cast<std::ptrdiff_t>(first),
                 order_.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  }

  const LinkModel& links_;
  std::vector<int> order_;
};

// With time T for V = 1 byte, rank i can take T b_i = 1 + (n - 2) f_i. Of the k quickest ranks,
// with the others at f = 0: T = (n - 2 + k) / (sum of their b).
std::vector<uint32_t> WeightsOf(const LinkModel& links) {
  const int ranks = links.ranks();
  const std::vector<uint32_t> equal(static_cast<size_t>(ranks), 1);
  std::vector<double> rates;
  for (int rank = 0; rank < ranks; ++rank) {
    rates.push_back(std::min(links.uplink(rank), links.downlink(rank)));
  }
  if (ranks < 3 || *std::min_element(rates.begin(), rates.end()) <= 0) return equal;
  std::vector<double> quickest = rates;
  std::sort(quickest.begin(), quickest.end(), std::greater<>());
  double seconds = 0;
  double sum = 0;
  for (size_t k = 0; k < quickest.size() && (k == 0 || quickest[k] * seconds > 1); ++k) {
    sum += quickest[k];
    seconds = static_cast<double>(static_cast<size_t>(ranks) - 1 + k) / sum;
  }
  // The slowest must send all of its input, whatever it sums.
  seconds = std::max(seconds, 1 / quickest.back());
  std::vector<double> shares;
  for (const double rate : rates) shares.push_back(std::max(0.0, rate * seconds - 1));
  const double whole = std::accumulate(shares.begin(), shares.end(), 0.0);
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  if (*most < kClearlyUneven * *least) return equal;
  std::vector<uint32_t> weights;
  for (const double share : shares) {
    weights.push_back(static_cast<uint32_t>(std::lround(share / whole * kWholeWeight)));
  }
  return weights;
}

bool AllAlike(const LinkModel& links) {
  for (int from = 0; from < links.ranks(); ++from) {
    for (int to = 0; to < links.ranks(); ++to) {
      if (from == to) continue;
      const Link& link = links.at(from, to);
      const Link& first = links.at(0, 1);
      if (link.rate != first.rate || link.delay != first.delay) return false;
    }
  }
  return true;
}

}  // namespace

Topology::Topology(const LinkModel& links)
    : sites{InOrder(links.ranks())},
      ring(InOrder(links.ranks())),
      weights(static_cast<size_t>(links.ranks()), 1) {
  if (AllAlike(links)) return;
  sites = SitesOf(links);
  ring = Tour(links).Improved();
  weights = WeightsOf(links);
}

bool Topology::uneven() const {
  return std::ranges::any_of(weights, [&](uint32_t weight) { return weight != weights.front(); });
}

Groups GridOf(int ranks) {
  const double even = std::sqrt(ranks);
  int rows = static_cast<int>(std::lround(even));
  // Rows of one length, unless they would be too long: where rows differ, some carry twice.
  for (int divisor = 1; divisor <= even; ++divisor) {
    if (ranks % divisor == 0 && divisor > even / 2) rows = divisor;
  }
  Groups grid;
  for (int row = 0; row < rows; ++row) {
    const Chunk chunk = ChunkOf(static_cast<size_t>(ranks), rows, row);
    grid.emplace_back();
    for (size_t i = 0; i < chunk.count; ++i) {
      grid.back().push_back(static_cast<int>(chunk.offset + i));
    }
  }
  return grid;
}

}  // namespace thinwire
