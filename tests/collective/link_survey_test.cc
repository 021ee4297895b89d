// SPDX-License-Identifier: Apache-2.0
#include "collective/link_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

namespace thinwire {
namespace {

constexpr float kRate = 50e6F;

TEST(SurveyOrderTest, EveryPeerStandsOnceInEveryOrder) {
  for (const int ranks : {1, 2, 3, 4, 7, 16, 33}) {
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<int> order = SurveyOrder(rank, ranks);
      const std::set<int> peers(order.begin(), order.end());
      EXPECT_EQ(order.size(), static_cast<size_t>(ranks - 1));
      EXPECT_EQ(peers.size(), order.size());
      EXPECT_FALSE(peers.contains(rank));
    }
  }
}

// So no host sends, or receives, two trains at a time.
TEST(SurveyOrderTest, InEachPlaceEveryRankHasAnotherPeer) {
  for (const int ranks : {2, 3, 4, 7, 16}) {
    for (size_t place = 0; place + 1 < static_cast<size_t>(ranks); ++place) {
      std::set<int> sources;
      for (int rank = 0; rank < ranks; ++rank) sources.insert(SurveyOrder(rank, ranks)[place]);
      EXPECT_EQ(sources.size(), static_cast<size_t>(ranks)) << "place " << place;
    }
  }
}

TEST(SurveyOrderTest, TheFirstPlacesAreSpreadOverTheRanks) {
  const std::vector<int> order = SurveyOrder(0, 17);
  const std::set<int> first(order.begin(), order.begin() + 4);
  int least = 17;
  for (auto next = std::next(first.begin()); next != first.end(); ++next) {
    least = std::min(least, *next - *std::prev(next));
  }
  EXPECT_GE(least, 4);
}

std::vector<Findings> Nothing(int ranks) {
  return std::vector<Findings>(static_cast<size_t>(ranks), Findings(static_cast<size_t>(ranks)));
}

void Measured(int from, int to, float rate, std::vector<Findings>* all) {
  (*all)[static_cast<size_t>(to)][static_cast<size_t>(from)].rate = rate;
}

void Delayed(int a, int b, float delay, std::vector<Findings>* all) {
  (*all)[static_cast<size_t>(a)][static_cast<size_t>(b)].delay = delay;
  (*all)[static_cast<size_t>(b)][static_cast<size_t>(a)].delay = delay;
}

TEST(ModelOfTest, TheReceiverKnowsTheRateAndTheSenderTheLoss) {
  std::vector<Findings> all = Nothing(2);
  all[1][0] = {.rate = kRate, .delay = 0.021F, .loss = 0};
  all[0][1] = {.rate = 2 * kRate, .delay = 0.020F, .loss = 1e-4F};
  const LinkModel links = ModelOf(all);
  EXPECT_EQ(links.at(0, 1).rate, kRate);
  EXPECT_EQ(links.at(1, 0).rate, 2 * kRate);
  EXPECT_FLOAT_EQ(static_cast<float>(links.at(0, 1).loss), 1e-4F);
  EXPECT_EQ(links.at(1, 0).loss, 0);
  // Of two measures of one round trip the shorter waited less.
  EXPECT_EQ(links.at(0, 1).delay, links.at(1, 0).delay);
  EXPECT_EQ(links.at(0, 1).delay, double{0.020F});
  EXPECT_EQ(links.at(0, 1).origin, Link::Origin::kMeasured);
}

// Ranks 0 and 1 stand together, and 2 and 3 far from them.
std::vector<Findings> TwoSites() {
  std::vector<Findings> all = Nothing(4);
  for (const auto& [a, b] : {std::pair(0, 1), {2, 3}}) Delayed(a, b, 0.001F, &all);
  for (const int a : {0, 1}) {
    for (const int b : {2, 3}) Delayed(a, b, 0.05F, &all);
  }
  return all;
}

TEST(ModelOfTest, WhatNobodyMeasuredIsAsThePairWhoseEndsAreNearest) {
  std::vector<Findings> all = TwoSites();
  for (const auto& [from, to] : {std::pair(0, 1), {1, 0}, {2, 3}, {3, 2}}) {
    Measured(from, to, 10 * kRate, &all);
  }
  Measured(0, 2, kRate, &all);
  const LinkModel links = ModelOf(all);
  EXPECT_EQ(links.at(1, 3).rate, kRate);
  EXPECT_EQ(links.at(0, 3).rate, kRate);
  EXPECT_EQ(links.at(1, 3).origin, Link::Origin::kInferred);
}

TEST(ModelOfTest, AHostsOwnUplinkBoundsWhatIsInferredOfIt) {
  std::vector<Findings> all = TwoSites();
  Measured(0, 1, kRate, &all);
  Measured(1, 0, kRate / 10, &all);
  Measured(0, 2, kRate, &all);
  EXPECT_EQ(ModelOf(all).at(1, 2).rate, kRate / 10);
}

TEST(ModelOfTest, ALowerBoundIsRaisedToWhatOthersShow) {
  std::vector<Findings> all = TwoSites();
  Measured(0, 2, kRate, &all);
  Measured(1, 3, -kRate / 2, &all);
  Measured(1, 2, -2 * kRate, &all);
  Measured(1, 0, kRate, &all);
  Measured(2, 3, kRate, &all);
  const LinkModel links = ModelOf(all);
  EXPECT_EQ(links.at(1, 3).rate, kRate);
  EXPECT_EQ(links.at(1, 2).rate, 2 * kRate);
}

TEST(ModelOfTest, ATrainThatLostPacketsGivesALowerBound) {
  std::vector<Findings> all = TwoSites();
  Measured(0, 2, kRate, &all);
  Measured(1, 3, kRate / 4, &all);
  all[1][3].loss = 1e-3F;
  Measured(3, 1, 2 * kRate, &all);
  all[3][1].loss = 1e-3F;
  const LinkModel links = ModelOf(all);
  EXPECT_EQ(links.at(1, 3).rate, kRate);
  EXPECT_EQ(links.at(3, 1).rate, 2 * kRate);
  EXPECT_EQ(links.at(3, 1).origin, Link::Origin::kAtLeast);
  EXPECT_EQ(links.at(1, 3).origin, Link::Origin::kInferred);
}

TEST(ModelOfTest, WithLowerBoundsAloneTheHighestStandsForAll) {
  std::vector<Findings> all = TwoSites();
  Measured(0, 2, -kRate, &all);
  Measured(1, 3, -kRate / 4, &all);
  EXPECT_EQ(ModelOf(all).at(1, 3).rate, kRate);
  EXPECT_EQ(ModelOf(all).at(2, 1).rate, kRate);
  EXPECT_EQ(ModelOf(all).at(2, 1).origin, Link::Origin::kAtLeast);
}

TEST(ModelOfTest, WithLowerBoundsAloneTheyAreTheRates) {
  std::vector<Findings> all = Nothing(2);
  Measured(0, 1, -kRate, &all);
  EXPECT_EQ(ModelOf(all).at(0, 1).rate, kRate);
}

TEST(ModelOfTest, WithoutAnyMeasuredPairBoundsStandForOthersToo) {
  std::vector<Findings> all = TwoSites();
  Measured(0, 2, -kRate, &all);
  EXPECT_EQ(ModelOf(all).at(1, 3).rate, kRate);
}

TEST(ModelOfTest, NothingFoundIsNothingKnown) { EXPECT_FALSE(ModelOf(Nothing(3)).known()); }

TEST(FindingsTest, ComeBackAsTheyWere) {
  const Findings findings = {{1, 2, 0.5F}, {-4, 5, 0}, {0, 0, 0}};
  const Result<Findings> back = UnpackFindings(PackFindings(findings), 3);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), findings);
}

TEST(FindingsTest, OtherSizesAndImpossibleFiguresAreRefused) {
  const Findings findings(3);
  EXPECT_FALSE(UnpackFindings(PackFindings(findings), 4).ok());
  EXPECT_FALSE(UnpackFindings({}, 3).ok());
  for (const Finding bad :
       {Finding{std::numeric_limits<float>::quiet_NaN(), 0, 0}, Finding{0, -1, 0}, Finding{0, 0, 1},
        Finding{0, std::numeric_limits<float>::infinity(), 0}}) {
    EXPECT_FALSE(UnpackFindings(PackFindings(Findings{bad}), 1).ok());
  }
}

TEST(SegmentBytesTest, TakeAMillisecondOrTwoOnTheSlowestLink) {
  const auto segment = [](double rate) {
    return SegmentBytesFor(LinkModel(3, Link{rate, 0.02, 0}));
  };
  EXPECT_EQ(segment(1.25e6), size_t{16} << 10);   // 10 Mbit/s
  EXPECT_EQ(segment(62.5e6), size_t{92} << 10);   // 500 Mbit/s: 1.5 ms
  EXPECT_EQ(segment(1.25e9), size_t{256} << 10);  // 10 Gbit/s
  LinkModel mixed(3, Link{1.25e9, 0.02, 0});
  mixed.at(1, 2).rate = 62.5e6;
  EXPECT_EQ(SegmentBytesFor(mixed), size_t{92} << 10);
}

TEST(SegmentBytesTest, OfUnknownLinksAreAFixedSize) {
  EXPECT_EQ(SegmentBytesFor(LinkModel(3)), size_t{128} << 10);
}

}  // namespace
}  // namespace thinwire
