// SPDX-License-Identifier: Apache-2.0
#include "collective/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace thinwire {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr double kNear = 1e-3;
constexpr double kFar = 50e-3;

// Ranks with equal letters are near each other.
LinkModel LinksOf(const std::string& sites, double rate = 1e8) {
  const auto n = static_cast<int>(sites.size());
  LinkModel links(n);
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) {
      const bool near = sites[static_cast<size_t>(a)] == sites[static_cast<size_t>(b)];
      links.at(a, b) = {rate, near ? kNear : kFar, 0};
    }
  }
  return links;
}

std::vector<int> InOrder(int ranks) {
  std::vector<int> order(static_cast<size_t>(ranks));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

TEST(SitesTest, RanksNearEachOtherShareASite) {
  EXPECT_EQ(Topology(LinksOf("aabb")).sites, (Groups{{0, 1}, {2, 3}}));
  EXPECT_EQ(Topology(LinksOf("abcabca")).sites, (Groups{{0, 3, 6}, {1, 4}, {2, 5}}));
}

TEST(SitesTest, EqualLinksAndUnknownOnesAreOneSite) {
  for (const int ranks : {1, 2, 5}) {
    EXPECT_FALSE(Topology(LinkModel(ranks)).has_sites());
    EXPECT_FALSE(Topology(LinkModel(ranks, Link{1e8, kFar, 0})).has_sites());
  }
}

TEST(SitesTest, MeasuredDelaysThatDifferALittleAreOneSite) {
  LinkModel links(4, Link{1e8, kFar, 0});
  links.at(0, 1).delay = 0.8 * kFar;
  links.at(2, 3).delay = 1.4 * kFar;
  EXPECT_FALSE(Topology(links).has_sites());
}

TEST(SitesTest, GapsBetweenDelaysThatAreAllShortTellNothing) {
  LinkModel links(4, Link{1e8, 8e-4, 0});
  links.at(0, 1).delay = links.at(1, 0).delay = 1e-4;
  EXPECT_FALSE(Topology(links).has_sites());
}

TEST(SitesTest, NearMustBeMutual) {
  // 0 - 1 - 2 in a row: the ends are far from each other.
  LinkModel links(3, Link{1e8, kNear, 0});
  links.at(0, 2).delay = links.at(2, 0).delay = kFar;
  EXPECT_FALSE(Topology(links).has_sites());
}

TEST(SitesTest, TheSlowerDirectionOfAPairCounts) {
  LinkModel links = LinksOf("aab");
  links.at(0, 2).delay = kNear;
  EXPECT_EQ(Topology(links).sites, (Groups{{0, 1}, {2}}));
}

TEST(RingTest, EqualLinksKeepTheRanksOrder) {
  EXPECT_EQ(Topology(LinkModel(5, Link{1e8, kFar, 0})).ring, InOrder(5));
  EXPECT_EQ(Topology(LinkModel(5)).ring, InOrder(5));
}

TEST(RingTest, PassesThroughEverySiteOnce) {
  const std::string sites = "abcabcabc";
  const std::vector<int> ring = Topology(LinksOf(sites)).ring;
  std::vector<int> sorted = ring;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, InOrder(9));
  int crossings = 0;
  for (size_t i = 0; i < ring.size(); ++i) {
    const auto here = static_cast<size_t>(ring[i]);
    const auto next = static_cast<size_t>(ring[(i + 1) % ring.size()]);
    if (sites[here] != sites[next]) ++crossings;
  }
  EXPECT_EQ(crossings, 3);
}

// Points on a line: out and back costs twice its length, whatever nearest neighbours would do.
TEST(RingTest, IsImprovedWhereNearestNeighboursMislead) {
  const std::vector<double> at = {0, 1, -1.1, 3.2, -5.4, 11.6};
  const auto n = static_cast<int>(at.size());
  LinkModel links(n);
  const auto between = [&](int a, int b) {
    return std::abs(at[static_cast<size_t>(a)] - at[static_cast<size_t>(b)]) * 1e-2;
  };
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) links.at(a, b).delay = between(a, b);
  }
  const std::vector<int> ring = Topology(links).ring;
  double length = 0;
  for (size_t i = 0; i < ring.size(); ++i) length += between(ring[i], ring[(i + 1) % ring.size()]);
  EXPECT_NEAR(length, 2 * (11.6 + 5.4) * 1e-2, 1e-9);
}

TEST(RingTest, AvoidsALinkOfLowRate) {
  LinkModel links(4, Link{1e8, kFar, 0});
  links.at(0, 1).rate = links.at(1, 0).rate = 1e6;
  const std::vector<int> ring = Topology(links).ring;
  for (size_t i = 0; i < ring.size(); ++i) {
    EXPECT_NE(ring[i] + ring[(i + 1) % ring.size()], 1);
  }
}

LinkModel LinksOfRates(const std::vector<double>& rates) {
  const auto n = static_cast<int>(rates.size());
  LinkModel links(n);
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) {
      links.at(a, b) = {std::min(rates[static_cast<size_t>(a)], rates[static_cast<size_t>(b)]),
                        kFar, 0};
    }
  }
  return links;
}

// max over i of V (1 + (n - 2) f_i) / b_i, for V = 1.
double SlowestOf(const std::vector<double>& rates, const std::vector<uint32_t>& weights) {
  const double whole = std::accumulate(weights.begin(), weights.end(), 0.0);
  double slowest = 0;
  for (size_t i = 0; i < rates.size(); ++i) {
    const double share = weights[i] / whole;
    slowest = std::max(slowest, (1 + static_cast<double>(rates.size() - 2) * share) / rates[i]);
  }
  return slowest;
}

TEST(WeightsTest, EqualRatesGiveEqualWeights) {
  EXPECT_THAT(Topology(LinkModel(4, Link{1e8, kFar, 0})).weights, Each(1));
  EXPECT_THAT(Topology(LinksOf("aabbb")).weights, Each(1));
  EXPECT_THAT(Topology(LinksOfRates({1e8, 0.97e8, 1e8, 1e8})).weights, Each(1));
}

TEST(WeightsTest, ASlowRankOwnsLess) {
  const std::vector<double> rates = {1e8, 1e8, 0.7e8, 1e8};
  const Topology topology(LinksOfRates(rates));
  EXPECT_TRUE(topology.uneven());
  // All busy alike: 3 T 1e8 + T 0.7e8 = 4 + 2, so T = 6 / 3.7e8.
  EXPECT_NEAR(SlowestOf(rates, topology.weights), 6 / 3.7e8, 1e-10);
  EXPECT_LT(topology.weights[2], topology.weights[0]);
}

TEST(WeightsTest, AVerySlowRankOwnsNothing) {
  const std::vector<double> rates = {1e8, 1e8, 1e8, 1e8, 1e7};
  const Topology topology(LinksOfRates(rates));
  EXPECT_EQ(topology.weights[4], 0u);
  // Its input alone takes 1 / 1e7, long enough for the others.
  EXPECT_NEAR(SlowestOf(rates, topology.weights), 1 / 1e7, 1e-12);
}

TEST(WeightsTest, NoOtherSharesAreQuicker) {
  const std::vector<double> rates = {3e8, 2e8, 1e8, 2.5e8, 0.8e8};
  LinkModel links = LinksOfRates(rates);
  const Topology topology(links);
  std::vector<double> hosts;
  for (int rank = 0; rank < 5; ++rank) hosts.push_back(links.uplink(rank));
  const double best = SlowestOf(hosts, topology.weights);
  for (size_t from = 0; from < 5; ++from) {
    for (size_t to = 0; to < 5; ++to) {
      std::vector<uint32_t> weights = topology.weights;
      if (from == to || weights[from] < 400) continue;
      weights[from] -= 400;
      weights[to] += 400;
      EXPECT_GE(SlowestOf(hosts, weights), 0.999 * best) << from << " to " << to;
    }
  }
}

TEST(WeightsTest, UnknownRatesAndPairsStayEven) {
  LinkModel links(3, Link{0, kFar, 0});
  links.at(0, 1).delay = kNear;
  EXPECT_THAT(Topology(links).weights, Each(1));
  EXPECT_THAT(Topology(LinksOfRates({1e8, 1e7})).weights, Each(1));
}

TEST(GridTest, RowsAreAboutAsLongAsThereAreRows) {
  EXPECT_EQ(GridOf(4), (Groups{{0, 1}, {2, 3}}));
  EXPECT_EQ(GridOf(7), (Groups{{0, 1, 2}, {3, 4}, {5, 6}}));
  EXPECT_EQ(GridOf(16).size(), 4u);
  EXPECT_EQ(GridOf(128).size(), 8u);
  EXPECT_THAT(GridOf(2), ElementsAre(ElementsAre(0, 1)));
}

}  // namespace
}  // namespace thinwire
