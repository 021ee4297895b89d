// SPDX-License-Identifier: Apache-2.0
#include "collective/liveness.h"

#include <gtest/gtest.h>

namespace thinwire {
namespace {

constexpr double kSilence = 10;
constexpr size_t kFrame = size_t{128} << 10;
const TimePoint kBegin = TimePoint(std::chrono::hours(1));

TimePoint At(double seconds) { return kBegin + FromSeconds(seconds); }
Liveness Unknown() { return Liveness(kSilence, 0, kBegin); }

TEST(LivenessTest, WithoutARateTheSilenceIsAllThatIsAllowed) {
  EXPECT_EQ(Unknown().AllowedSeconds(kFrame, At(0)), kSilence);
}

TEST(LivenessTest, AKnownSlowLinkIsAllowedTheTimeOfItsFrames) {
  const double rate = kFrame / 20.0;  // a frame takes 20 s
  const Liveness slow(kSilence, rate, kBegin);
  EXPECT_GT(slow.AllowedSeconds(kFrame, At(0)), kSilence + 20);
  EXPECT_LT(slow.AllowedSeconds(kFrame, At(0)), kSilence + 60);
  const Liveness quick(kSilence, 125e6, kBegin);
  EXPECT_NEAR(quick.AllowedSeconds(kFrame, At(0)), kSilence, 0.01);
}

TEST(LivenessTest, SilenceIsCountedFromTheLastFrame) {
  Liveness peer = Unknown();
  peer.Hear(64, At(3));
  EXPECT_NEAR(peer.SilentSeconds(At(7)), 4, 1e-6);
  peer.Forgive(At(6));
  EXPECT_NEAR(peer.SilentSeconds(At(7)), 1, 1e-6);
}

TEST(LivenessTest, FramesThatTookLongAllowForMoreOfThem) {
  Liveness peer = Unknown();
  peer.Hear(kFrame, At(8));
  EXPECT_GT(peer.AllowedSeconds(kFrame, At(8)), kSilence + 8);
  // Larger frames take longer.
  EXPECT_GT(peer.AllowedSeconds(2 * kFrame, At(8)), kSilence + 16);
}

TEST(LivenessTest, AQuickFrameEndsWhatSlowOnesAllowed) {
  Liveness peer = Unknown();
  peer.Hear(kFrame, At(8));
  peer.Hear(kFrame, At(8.1));
  EXPECT_EQ(peer.AllowedSeconds(kFrame, At(8.1)), kSilence);
}

TEST(LivenessTest, ASlowRateIsForgottenInTime) {
  Liveness peer = Unknown();
  peer.Hear(kFrame, At(8));
  EXPECT_EQ(peer.AllowedSeconds(kFrame, At(300)), kSilence);
}

TEST(LivenessTest, SmallFramesAndPausesBetweenThemSayNothingOfARate) {
  Liveness peer = Unknown();
  peer.Hear(64, At(9));  // a heartbeat after a frozen link, say
  EXPECT_EQ(peer.AllowedSeconds(kFrame, At(9)), kSilence);
  peer.Hear(kFrame, At(10));  // the peer was idle for a second, as it may be
  EXPECT_EQ(peer.AllowedSeconds(kFrame, At(10)), kSilence);
}

TEST(LivenessTest, HeartbeatsAreDueSeveralTimesWithinTheSilence) {
  for (const double silence : {0.5, 2.0, 10.0, 100.0}) {
    EXPECT_LE(3 * HeartbeatSeconds(silence), silence);
    EXPECT_LE(HeartbeatSeconds(silence), 1);
    Liveness peer(silence, 0, kBegin);
    peer.Speak(At(1));
    EXPECT_FALSE(peer.HeartbeatIsDue(At(1 + 0.9 * HeartbeatSeconds(silence))));
    EXPECT_TRUE(peer.HeartbeatIsDue(At(1 + 1.1 * HeartbeatSeconds(silence))));
  }
}

}  // namespace
}  // namespace thinwire
