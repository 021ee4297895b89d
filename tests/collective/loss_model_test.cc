// SPDX-License-Identifier: Apache-2.0
#include "collective/loss_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace thinwire {
namespace {

TEST(GoodputRateTest, BbrLosesWhatIsSentAgain) {
  EXPECT_EQ(GoodputRate(Congestion::kBbr, 1, 62.5e6, 0.1, 0), 62.5e6);
  EXPECT_DOUBLE_EQ(GoodputRate(Congestion::kBbr, 1, 62.5e6, 0.1, 0.01), 0.99 * 62.5e6);
}

// 500 Mbit/s, 100 ms there and back, 0.1 %: 1.22 packets / sqrt(0.001) a round trip.
TEST(GoodputRateTest, CubicIsBoundByItsWindowHoweverFastTheLink) {
  const double one = GoodputRate(Congestion::kCubic, 1, 62.5e6, 0.1, 0.001);
  EXPECT_NEAR(one * 8 / 1e6, 4.5, 0.1);
  EXPECT_DOUBLE_EQ(GoodputRate(Congestion::kCubic, 1, 625e6, 0.1, 0.001), one);
  EXPECT_DOUBLE_EQ(GoodputRate(Congestion::kCubic, 8, 62.5e6, 0.1, 0.001), 8 * one);
  EXPECT_DOUBLE_EQ(GoodputRate(Congestion::kCubic, 1000, 62.5e6, 0.1, 0.001), 0.999 * 62.5e6);
  EXPECT_EQ(GoodputRate(Congestion::kCubic, 1, 62.5e6, 0.1, 0), 62.5e6);
}

TEST(ExtraRoundTripsTest, FollowTheUnluckiestPacket) {
  EXPECT_EQ(ExtraRoundTrips(1e6, 0, 0.999), 0);
  // One packet: 90 % need none, 99 % one at most.
  EXPECT_EQ(ExtraRoundTrips(100, 0.1, 0.899), 0);
  EXPECT_EQ(ExtraRoundTrips(100, 0.1, 0.901), 1);
  EXPECT_EQ(ExtraRoundTrips(100, 0.1, 0.991), 2);
  // 100 packets: all get through at once with probability 0.37.
  EXPECT_EQ(ExtraRoundTrips(100 * kPacketPayload, 0.01, 0.36), 0);
  EXPECT_EQ(ExtraRoundTrips(100 * kPacketPayload, 0.01, 0.37), 1);
  EXPECT_EQ(ExtraRoundTrips(100 * kPacketPayload, 0.01, 0.98), 1);
  EXPECT_EQ(ExtraRoundTrips(100 * kPacketPayload, 0.01, 0.995), 2);
}

TEST(SpreadQuantileTest, AnyRunOfThemIsEvenlySpread) {
  for (const uint64_t first : {0, 1, 1000}) {
    std::vector<double> quantiles;
    for (uint64_t i = first; i < first + 100; ++i) quantiles.push_back(SpreadQuantile(i));
    std::sort(quantiles.begin(), quantiles.end());
    for (size_t i = 0; i < quantiles.size(); ++i) {
      EXPECT_NEAR(quantiles[i], (static_cast<double>(i) + 0.5) / 100, 0.02);
    }
  }
  EXPECT_EQ(SpreadQuantile(0), 0.5);
}

}  // namespace
}  // namespace thinwire
