// SPDX-License-Identifier: Apache-2.0
#include "stage_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace thinwire::plan {
namespace {

std::vector<double> RandomCosts(int n, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<double> costs;
  for (int i = 0; i < n * n; ++i) costs.push_back(static_cast<double>(engine() % 100));
  return costs;
}

std::vector<double> Symmetric(std::vector<double> costs, int n) {
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < i; ++j) {
      costs[static_cast<size_t>(i * n + j)] = costs[static_cast<size_t>(j * n + i)];
    }
  }
  return costs;
}

std::vector<int> Numbers(int n) {
  std::vector<int> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

double Worst(const std::vector<double>& costs, const std::vector<int>& partners) {
  double worst = 0;
  for (size_t i = 0; i < partners.size(); ++i) {
    worst = std::max(worst, costs[i * partners.size() + static_cast<size_t>(partners[i])]);
  }
  return worst;
}

double Length(const std::vector<double>& first, const std::vector<double>& repeated, double repeats,
              const std::vector<int>& path) {
  double sum = 0;
  double largest = 0;
  for (size_t i = 1; i < path.size(); ++i) {
    const size_t edge =
        static_cast<size_t>(path[i - 1]) * path.size() + static_cast<size_t>(path[i]);
    sum += first[edge];
    largest = std::max(largest, repeated[edge]);
  }
  return sum + repeats * largest;
}

TEST(StageOrderTest, NoAssignmentHasAQuickerSlowestPair) {
  constexpr int kN = 6;
  for (unsigned seed = 0; seed < 50; ++seed) {
    const std::vector<double> costs = RandomCosts(kN, seed);
    double best = std::numeric_limits<double>::infinity();
    std::vector<int> partners = Numbers(kN);
    do {
      best = std::min(best, Worst(costs, partners));
    } while (std::next_permutation(partners.begin(), partners.end()));

    const std::vector<int> found = BottleneckPartners(costs, kN);
    std::vector<int> sorted = found;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, Numbers(kN));
    EXPECT_EQ(Worst(costs, found), best) << seed;
  }
}

TEST(StageOrderTest, NoOrderIsShorter) {
  constexpr int kN = 6;
  for (unsigned seed = 0; seed < 50; ++seed) {
    const std::vector<double> first = Symmetric(RandomCosts(kN, seed), kN);
    const std::vector<double> repeated = Symmetric(RandomCosts(kN, seed + 1000), kN);
    for (const double repeats : {0.0, 1.0, 10.0}) {
      double best = std::numeric_limits<double>::infinity();
      std::vector<int> path = Numbers(kN);
      do {
        best = std::min(best, Length(first, repeated, repeats, path));
      } while (std::next_permutation(path.begin(), path.end()));

      const StageOrder found = BestOrder(first, repeated, repeats, kN);
      EXPECT_DOUBLE_EQ(found.cost, best) << seed << ' ' << repeats;
      EXPECT_DOUBLE_EQ(Length(first, repeated, repeats, found.stages), best);
    }
  }
}

TEST(StageOrderTest, OneStageCostsNothing) {
  const std::vector<double> none = {0};
  EXPECT_EQ(BestOrder(none, none, 5, 1).cost, 0);
  EXPECT_EQ(BottleneckPartners(none, 1), std::vector<int>{0});
}

}  // namespace
}  // namespace thinwire::plan
