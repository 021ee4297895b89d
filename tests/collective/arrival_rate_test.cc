// SPDX-License-Identifier: Apache-2.0
#include "collective/arrival_rate.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace thinwire {
namespace {

constexpr double kRate = 62.5e6;  // 500 Mbit/s
constexpr size_t kFrame = 8192;
constexpr double kFrameSeconds = kFrame / kRate;
constexpr double kRoundTrip = 0.1;
constexpr double kPause = kRoundTrip / 4;

// `frames` one behind the other at the rate, from `begin` on.
void Flight(double begin, int frames, std::vector<Arrival>* arrivals) {
  for (int i = 1; i <= frames; ++i) arrivals->push_back({begin + i * kFrameSeconds, kFrame});
}

// Frames seen only when the receiver wakes up: up to `late` seconds after they came.
std::vector<Arrival> SeenLate(const std::vector<Arrival>& arrivals, double late) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> wait(0, late);
  std::vector<Arrival> seen;
  double awake = 0;
  for (const Arrival& arrival : arrivals) {
    if (arrival.seconds > awake) {
      awake = arrival.seconds + wait(random);
      seen.push_back({awake, 0});
    }
    seen.back().bytes += arrival.bytes;
  }
  return seen;
}

TEST(ArrivalRateTest, AConstantTrainHasItsRate) {
  std::vector<Arrival> arrivals;
  Flight(0, 400, &arrivals);
  const ArrivalRate rate = RateOf(arrivals, kPause);
  EXPECT_NEAR(rate.bytes_per_second, kRate, 0.01 * kRate);
  EXPECT_NEAR(rate.busy_seconds, 400 * kFrameSeconds, 3e-3);
}

TEST(ArrivalRateTest, PausesBetweenTheFlightsOfSlowStartDontCount) {
  std::vector<Arrival> arrivals;
  for (int flight = 0; flight < 7; ++flight) Flight(flight * kRoundTrip, 4 << flight, &arrivals);
  EXPECT_NEAR(RateOf(arrivals, kPause).bytes_per_second, kRate, 0.03 * kRate);
}

TEST(ArrivalRateTest, LateWakeUpsHardlyMatter) {
  std::vector<Arrival> arrivals;
  Flight(0, 400, &arrivals);
  EXPECT_NEAR(RateOf(SeenLate(arrivals, 2e-3), kPause).bytes_per_second, kRate, 0.05 * kRate);
}

TEST(ArrivalRateTest, AStallOfTheReceiverIsNeitherFastNorSlow) {
  std::vector<Arrival> arrivals;
  Flight(0, 400, &arrivals);
  for (Arrival& arrival : arrivals) {
    if (arrival.seconds > 0.02 && arrival.seconds < 0.03) arrival.seconds = 0.03;
  }
  EXPECT_NEAR(RateOf(arrivals, kPause).bytes_per_second, kRate, 0.03 * kRate);
}

TEST(ArrivalRateTest, ASlowLinkThatBringsAFrameNowAndThenIsNotTakenForPauses) {
  std::vector<Arrival> arrivals;
  for (int i = 0; i < 40; ++i) arrivals.push_back({i * 0.065, kFrame});  // 1 Mbit/s
  EXPECT_NEAR(RateOf(arrivals, 0.01).bytes_per_second, kFrame / 0.065, 1e3);
}

TEST(ArrivalRateTest, FewFramesSayNothing) {
  std::vector<Arrival> arrivals;
  Flight(0, 3, &arrivals);
  EXPECT_EQ(RateOf(arrivals, kPause).bytes_per_second, 0);
  EXPECT_EQ(RateOf({}, kPause).bytes_per_second, 0);
}

TEST(GrowthTest, AFlowThatDoublesGrows) {
  std::vector<Arrival> arrivals;
  for (int trip = 0; trip < 7; ++trip) Flight(trip * kRoundTrip, 4 << trip, &arrivals);
  EXPECT_GT(GrowthOf(arrivals, kRoundTrip, 0.7), 3);
}

TEST(GrowthTest, AFlowThatFillsItsLinkIsLevel) {
  std::vector<Arrival> arrivals;
  Flight(0, 3810, &arrivals);  // to 0.5 s
  EXPECT_NEAR(GrowthOf(arrivals, kRoundTrip, 0.5), 1, 0.02);
}

TEST(GrowthTest, OnePeriodThatBroughtLittleDoesntHideTheLevel) {
  std::vector<Arrival> arrivals;
  Flight(0, 3810, &arrivals);  // to 0.5 s
  std::erase_if(arrivals, [](const Arrival& a) { return a.seconds > 0.35 && a.seconds < 0.4; });
  EXPECT_NEAR(GrowthOf(arrivals, kRoundTrip, 0.5), 1, 0.02);
}

TEST(GrowthTest, IsNotKnownBeforeFourPeriods) {
  std::vector<Arrival> arrivals;
  Flight(0, 2000, &arrivals);
  EXPECT_EQ(GrowthOf(arrivals, kRoundTrip, 0.39), 0);
  EXPECT_EQ(GrowthOf({}, kRoundTrip, 1), 0);
}

TEST(GrowthTest, IsNotKnownOfAFewFrames) {
  std::vector<Arrival> arrivals;
  for (int trip = 0; trip < 5; ++trip) Flight(trip * kRoundTrip, 4, &arrivals);
  EXPECT_EQ(GrowthOf(arrivals, kRoundTrip, 0.5), 0);
}

}  // namespace
}  // namespace thinwire
