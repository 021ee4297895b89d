// SPDX-License-Identifier: Apache-2.0
//
// The simulator against closed forms, in the regimes where they hold: a one-way latency, V dense
// bytes, B payload rate (paced), n ranks.
#include "collective/simulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "collective/planner.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

constexpr size_t kSegmentBytes = size_t{128} << 10;
constexpr double kLatency = 0.05;
constexpr double kRate = 62.5e6;  // 500 Mbit/s
constexpr double kPayloadRate = kRate * kWireEfficiency * kPaceFactor;

PlanRequest AllReduceOf(int ranks, size_t count) {
  PlanRequest request;
  request.ranks = ranks;
  request.count = count;
  return request;
}

Planner PlannerOf(int ranks, double rate = kRate, double latency = kLatency) {
  return Planner(LinkModel(ranks, Link{rate, latency, 0}), CostModel{}, kSegmentBytes);
}

struct Case {
  int ranks;
  size_t count;
};
class ClosedFormTest : public testing::TestWithParam<Case> {
 protected:
  double Seconds(Algorithm algorithm) const {
    const auto [ranks, count] = GetParam();
    return PlannerOf(ranks).Predict(AllReduceOf(ranks, count), algorithm).seconds;
  }
  double n() const { return GetParam().ranks; }
  double transfer() const { return static_cast<double>(GetParam().count) * 4 / kPayloadRate; }
  void ExpectWithinTenPercent(double seconds, double form) const {
    EXPECT_NEAR(seconds / form, 1, 0.1) << seconds << " s against " << form << " s";
  }
};
INSTANTIATE_TEST_SUITE_P(Sizes, ClosedFormTest,
                         testing::Values(Case{2, 1 << 20}, Case{4, 1 << 22}, Case{8, 1 << 22},
                                         Case{4, 1000}, Case{16, 1 << 20}));

TEST_P(ClosedFormTest, OneShotIsOneHopAndEverythingToEveryone) {
  ExpectWithinTenPercent(Seconds(Algorithm::kOneShot), kLatency + (n() - 1) * transfer());
}

// Two hops and a share of the vector in each; the second hop's bytes leave while the first's are on
// their way, so of the smaller of latency and transfer only one shows.
TEST_P(ClosedFormTest, SraIsTwoHopsAndTwoSharesOfTheVector) {
  const double share = (n() - 1) / n() * transfer();
  const double sequential = 2 * kLatency + 2 * share;
  const double seconds = Seconds(Algorithm::kSra);
  ExpectWithinTenPercent(seconds, sequential - std::min(kLatency, share));
  EXPECT_LE(seconds, 1.1 * sequential);
}

TEST_P(ClosedFormTest, RingIsTwoHopsForEachNeighbour) {
  // Segments of a chunk overlap hops: at least the hops, at most hops and transfers in sequence.
  const double hops = 2 * (n() - 1) * kLatency;
  const double transfers = 2 * (n() - 1) / n() * transfer();
  const double seconds = Seconds(Algorithm::kRing);
  EXPECT_GE(seconds, hops);
  EXPECT_GE(seconds, transfers);
  EXPECT_LE(seconds, 1.1 * (hops + transfers));
}

TEST(SimulatorTest, IsDeterministic) {
  const Simulation first = PlannerOf(5).Predict(AllReduceOf(5, 100'000), Algorithm::kSra);
  const Simulation second = PlannerOf(5).Predict(AllReduceOf(5, 100'000), Algorithm::kSra);
  EXPECT_EQ(first.rank_seconds, second.rank_seconds);
  EXPECT_EQ(first.wire_bytes, second.wire_bytes);
}

TEST(SimulatorTest, EveryRankEndsAndTheLastCounts) {
  const Simulation simulation = PlannerOf(4).Predict(AllReduceOf(4, 1000), Algorithm::kRing);
  ASSERT_EQ(simulation.rank_seconds.size(), 4u);
  for (const double seconds : simulation.rank_seconds) {
    EXPECT_GT(seconds, 0);
    EXPECT_LE(seconds, simulation.seconds);
  }
}

TEST(SimulatorTest, CountsTheBytesOfFrames) {
  const Simulation simulation = PlannerOf(3).Predict(AllReduceOf(3, 300), Algorithm::kSra);
  // Two chunks out and two copies of the own sum, a frame each.
  for (const uint64_t bytes : simulation.wire_bytes) {
    EXPECT_EQ(bytes, 4 * (kFrameHeaderBytes + 400));
  }
}

TEST(SimulatorTest, ReduceSharesTheRootsDownlink) {
  PlanRequest request = AllReduceOf(4, 1 << 20);
  request.operation = Operation::kReduce;
  const double seconds = PlannerOf(4).Predict(request, Algorithm::kDirect).seconds;
  EXPECT_NEAR(seconds / (kLatency + 3 * (4 << 20) / kPayloadRate), 1, 0.1);
}

double SecondsOver(const LinkModel& links, size_t count, const CostModel& costs = {},
                   Algorithm algorithm = Algorithm::kSra) {
  const Planner planner(links, costs, kSegmentBytes);
  return planner.Predict(AllReduceOf(links.ranks(), count), algorithm).seconds;
}

TEST(SimulatorTest, ANarrowPairHoldsUpNobodyElse) {
  constexpr size_t kCount = 1 << 22;
  LinkModel links(4, Link{kRate, kLatency, 0});
  const double even = SecondsOver(links, kCount);
  // A quarter of the vector each way in each hop over the narrow pair, all the rest beside it.
  links.at(0, 1).rate = kRate / 8;
  const double narrow = 8 * (kCount * 4 / 4) / kPayloadRate;
  const double uneven = SecondsOver(links, kCount);
  EXPECT_GT(uneven, even);
  EXPECT_NEAR(uneven / (2 * narrow + kLatency), 1, 0.1);
}

TEST(SimulatorTest, DirectionsHaveRatesOfTheirOwn) {
  constexpr size_t kCount = 1 << 22;
  LinkModel links(2, Link{kRate, kLatency, 0});
  const double even = SecondsOver(links, kCount, {}, Algorithm::kOneShot);
  links.at(1, 0).rate = 4 * kRate;
  EXPECT_NEAR(SecondsOver(links, kCount, {}, Algorithm::kOneShot), even, 0.02 * even);
  links.at(1, 0).rate = kRate / 4;
  const double slow = kLatency + 4 * kCount * 4 / kPayloadRate;
  EXPECT_NEAR(SecondsOver(links, kCount, {}, Algorithm::kOneShot) / slow, 1, 0.05);
}

TEST(SimulatorTest, SendersShareTheDownlinkOfOneReceiver) {
  constexpr size_t kCount = 1 << 22;
  LinkModel links(4, Link{4 * kRate, kLatency, 0});
  for (int from = 1; from < 4; ++from) links.at(from, 0).rate = kRate;
  // Three vectors into one downlink that takes one at a time.
  const double seconds = SecondsOver(links, kCount, {}, Algorithm::kOneShot);
  EXPECT_NEAR(seconds / (kLatency + 3 * kCount * 4 / kPayloadRate), 1, 0.1);
}

TEST(SimulatorTest, LossCostsBbrARoundTripOrTwoAndCubicItsRate) {
  constexpr size_t kCount = 1 << 23;
  const LinkModel clean(4, Link{kRate, kLatency, 0});
  const LinkModel lossy(4, Link{kRate, kLatency, 0.001});
  const double without = SecondsOver(clean, kCount);
  const double with = SecondsOver(lossy, kCount);
  EXPECT_GT(with, without);
  EXPECT_LT(with, without + 6 * kLatency);
  CostModel cubic;
  cubic.congestion = Congestion::kCubic;
  EXPECT_GT(SecondsOver(lossy, kCount, cubic), 5 * without);
  EXPECT_EQ(SecondsOver(clean, kCount, cubic), without);
}

// A packet needs j more round trips with probability p^j, p / (1 - p) on average.
TEST(SimulatorTest, WhatChanceDecidesIsTheMeanOfSeveralRuns) {
  constexpr double kLoss = 0.3;
  LinkModel links(2, Link{kRate, kLatency, 0});
  const double without = SecondsOver(links, 1, {}, Algorithm::kOneShot);
  links.at(0, 1).loss = kLoss;
  const double with = SecondsOver(links, 1, {}, Algorithm::kOneShot);
  const double expected = CostModel{}.round_trips_per_loss * 2 * kLatency * kLoss / (1 - kLoss);
  EXPECT_NEAR((with - without) / expected, 1, 0.1);
}

TEST(SimulatorTest, FewerBytesTakeLessTime) {
  PlanRequest request = AllReduceOf(4, 1 << 23);
  const double exact = PlannerOf(4).Predict(request, Algorithm::kSra).seconds;
  request.codec = FindCodec("q8").value();
  EXPECT_LT(PlannerOf(4).Predict(request, Algorithm::kSra).seconds, exact / 2.5);
}

}  // namespace
}  // namespace thinwire
