// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/tail_probe.h"

#include <gtest/gtest.h>

namespace thinwire {
namespace {

constexpr Duration kInterval = std::chrono::milliseconds(10);
constexpr TimePoint kStart = TimePoint{} + std::chrono::seconds(100);

TEST(TailProbeTest, TheIntervalIsAQuarterOfTheRoundTripOrTwoMilliseconds) {
  EXPECT_EQ(TailProbe::Interval(0.1), std::chrono::milliseconds(25));
  EXPECT_EQ(TailProbe::Interval(0.001), std::chrono::milliseconds(2));
  EXPECT_EQ(TailProbe::Interval(0), std::chrono::milliseconds(2));
}

TEST(TailProbeTest, NothingWrittenIsNotAwaited) {
  EXPECT_EQ(TailProbe().Due(kInterval), TimePoint::max());
}

TEST(TailProbeTest, ProbesFollowUntilTheTailIsAcknowledged) {
  TailProbe tail;
  tail.NewTail(kStart);
  EXPECT_EQ(tail.Due(kInterval), kStart + kInterval);
  EXPECT_TRUE(tail.Wanted(1000));
  tail.Probed(24, kStart + kInterval);
  EXPECT_EQ(tail.Due(kInterval), kStart + 2 * kInterval);
  EXPECT_TRUE(tail.Wanted(1024));
  tail.Probed(24, kStart + 2 * kInterval);
  EXPECT_TRUE(tail.Wanted(49));   // a byte of the tail
  EXPECT_FALSE(tail.Wanted(48));  // the probes alone
  EXPECT_EQ(tail.Due(kInterval), TimePoint::max());
}

TEST(TailProbeTest, WhatIsWrittenBehindAProbeIsANewTail) {
  TailProbe tail;
  tail.NewTail(kStart);
  EXPECT_TRUE(tail.Wanted(1000));
  tail.Probed(24, kStart + kInterval);
  tail.NewTail(kStart + 2 * kInterval);
  EXPECT_EQ(tail.Due(kInterval), kStart + 3 * kInterval);
  EXPECT_TRUE(tail.Wanted(1));
}

TEST(TailProbeTest, AProbeThatTheSocketDidNotTakeIsTriedAgain) {
  TailProbe tail;
  tail.NewTail(kStart);
  for (int i = 1; i <= 10 * TailProbe::kMost; ++i) {
    EXPECT_TRUE(tail.Wanted(1000));
    tail.Probed(0, kStart + i * kInterval);
    EXPECT_EQ(tail.Due(kInterval), kStart + (i + 1) * kInterval);
  }
}

TEST(TailProbeTest, APeerThatAcknowledgesNothingIsLeftToTcpAtLast) {
  TailProbe tail;
  tail.NewTail(kStart);
  int probes = 0;
  while (tail.Wanted(1 << 20)) {
    ASSERT_LE(++probes, TailProbe::kMost);
    tail.Probed(24, kStart);
  }
  EXPECT_EQ(probes, TailProbe::kMost);
  EXPECT_EQ(tail.Due(kInterval), TimePoint::max());
}

}  // namespace
}  // namespace thinwire
