// SPDX-License-Identifier: Apache-2.0
#include "collective/flow_control.h"

#include <gtest/gtest.h>

#include "collective/simulator.h"

namespace thinwire {
namespace {

constexpr double kRate = 10e6;  // bytes a second
constexpr double kPayloadRate = kRate * kWireEfficiency * kPaceFactor;

TimePoint At(double seconds) { return TimePoint{} + FromSeconds(100 + seconds); }
double SecondsOf(TimePoint time) { return ToSeconds(time - At(0)); }

TEST(PacerTest, UnknownLinksAreNotPaced) {
  Pacer pacer(LinkModel(2), 0);
  pacer.Sent(1, 1 << 30, 1, At(0));
  EXPECT_LE(pacer.Next(1), At(0));
}

TEST(PacerTest, FramesLeaveAtTheRateOfTheLink) {
  Pacer pacer(LinkModel(2, Link{kRate, 0, 0}), 0);
  pacer.Sent(1, 1'000'000, 1, At(0));
  const double first = SecondsOf(pacer.Next(1));
  EXPECT_NEAR(first, 1e6 / kPayloadRate, 3e-3);  // less the burst
  pacer.Sent(1, 1'000'000, 1, pacer.Next(1));
  EXPECT_NEAR(SecondsOf(pacer.Next(1)) - first, 1e6 / kPayloadRate, 1e-6);
}

TEST(PacerTest, TheUplinkIsSharedByAllPeers) {
  Pacer pacer(LinkModel(3, Link{kRate, 0, 0}), 0);
  pacer.Sent(1, 1'000'000, 1, At(0));
  EXPECT_NEAR(SecondsOf(pacer.Next(2)), 1e6 / kPayloadRate, 3e-3);
}

TEST(PacerTest, ASlowPairDoesNotHoldUpAFastOne) {
  LinkModel links(3, Link{kRate, 0, 0});
  links.at(0, 1).rate = kRate / 10;
  Pacer pacer(links, 0);
  pacer.Sent(1, 1'000'000, 1, At(0));
  EXPECT_NEAR(SecondsOf(pacer.Next(1)), 10e6 / kPayloadRate, 3e-3);
  EXPECT_NEAR(SecondsOf(pacer.Next(2)), 1e6 / kPayloadRate, 3e-3);
}

TEST(PacerTest, AShareOfTheRateTakesLonger) {
  Pacer pacer(LinkModel(2, Link{kRate, 0, 0}), 0);
  pacer.Sent(1, 1'000'000, 0.25, At(0));
  EXPECT_NEAR(SecondsOf(pacer.Next(1)), 4e6 / kPayloadRate, 3e-3);
}

TEST(PacerTest, IdleTimeIsNotSavedUp) {
  Pacer pacer(LinkModel(2, Link{kRate, 0, 0}), 0);
  pacer.Sent(1, 1'000'000, 1, At(0));
  pacer.Sent(1, 1'000'000, 1, At(60));
  EXPECT_NEAR(SecondsOf(pacer.Next(1)), 60 + 1e6 / kPayloadRate, 3e-3);
}

TEST(WindowTest, HasRoomForTwoRoundTripsAndForFourMebibytes) {
  EXPECT_EQ(WindowBytes({}, {}), size_t{4} << 20);
  EXPECT_EQ(WindowBytes({kRate, 0.01, 0}, {kRate, 0.01, 0}), size_t{4} << 20);
  EXPECT_EQ(WindowBytes({1e9, 0.05, 0}, {1e6, 0.15, 0}), size_t{400'000'000});
  EXPECT_EQ(WindowBytes({1e9, 0.05, 1e-3}, {1e6, 0.15, 0}), size_t{800'000'000});
  EXPECT_EQ(WindowBytes({1e9, 0.05, 0, Link::Origin::kAtLeast}, {1e6, 0.15, 0}),
            size_t{1'600'000'000});
}

TEST(WindowTest, ClosesAtTheLimitAndOpensWithCredit) {
  Window window;
  window.limit = 100;
  EXPECT_TRUE(window.MaySend());
  window.sent = 100;
  EXPECT_FALSE(window.MaySend());
  window.acknowledged = 30;
  EXPECT_TRUE(window.MaySend());
}

// Else a sender whose window is small would wait for ever for the credit of a receiver whose own
// window is large.
TEST(WindowTest, ReceiverReportsAsOftenAsTheSendersWindowNeeds) {
  const Link slow{1e6, 0.2, 0};
  const Link fast{1e9, 0.2, 0};
  const Window sender = WindowBetween(slow, fast);
  Window receiver = WindowBetween(fast, slow);
  receiver.consumed = sender.limit / 2;
  EXPECT_TRUE(receiver.ShouldReport());
  receiver.reported = receiver.consumed;
  EXPECT_FALSE(receiver.ShouldReport());
}

TEST(WindowTest, NothingToReportWhereNothingCame) {
  EXPECT_FALSE(WindowBetween({}, {}).ShouldReport());
  EXPECT_FALSE(Window{}.ShouldReport());
}

}  // namespace
}  // namespace thinwire
