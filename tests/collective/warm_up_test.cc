// SPDX-License-Identifier: Apache-2.0
#include "collective/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "transport/shaped_ranks.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

Link Given(double rate, double delay) {
  return {.rate = rate, .delay = delay, .origin = Link::Origin::kGiven};
}

WarmUpOptions OptionsOf(const Rank& self) {
  WarmUpOptions options;
  options.self = {.rank = self.rank(), .ranks = self.ranks(), .communicator = 42};
  options.deadline = Patience();
  return options;
}

std::vector<std::byte> Frame(FrameKind kind, int source) {
  std::vector<std::byte> frame(kFrameHeaderBytes);
  FrameHeader header;
  header.kind = kind;
  header.communicator = 42;
  header.source = static_cast<uint16_t>(source);
  SealFrame(header, frame.data());
  return frame;
}

// Two round trips' worth to each of two peers, at half the uplink each: 2 * 50 Mbit/s * 20 ms, and
// no rank is done before the last byte has come and been answered.
TEST(WarmUpTest, TheTrainsOfAllPeersArriveBeforeItEnds) {
  constexpr double kDelay = 10e-3;
  const LinkModel links(3, Given(100 * kMbit, kDelay));
  RunRanks(Shaped(100 * kMbit, FromSeconds(kDelay)), 3, [&](Rank& self) {
    std::vector<Message> early;
    const TimePoint start = Now();
    ASSERT_TRUE(WarmUp(OptionsOf(self), links, &self.transport(), &early).ok());
    constexpr double kBytes = 2 * (2 * 50 * kMbit * 2 * kDelay);
    EXPECT_GE(ToSeconds(Now() - start), kBytes / (100 * kMbit) + 2 * kDelay);
    EXPECT_TRUE(early.empty());
  });
}

TEST(WarmUpTest, LinksThatWereProbedOrAreUnknownNeedNone) {
  Link probed = Given(100 * kMbit, 10e-3);
  probed.origin = Link::Origin::kMeasured;
  for (const Link& link : {probed, Link{}}) {
    const LinkModel links(2, link);
    RunRanks(Shaped(100 * kMbit, FromSeconds(10e-3)), 2, [&](Rank& self) {
      if (self.rank() == 1) {
        EXPECT_FALSE(self.UntilPeerFails(0).ok());
        EXPECT_TRUE(self.arrived.empty());
        return;
      }
      std::vector<Message> early;
      EXPECT_TRUE(WarmUp(OptionsOf(self), links, &self.transport(), &early).ok());
    });
  }
}

// The link is said to be a hundred times as fast as it is.
TEST(WarmUpTest, EndsAfterTwelveRoundTripsWhateverHasCome) {
  const LinkModel links(2, Given(2000 * kMbit, 5e-3));
  RunRanks(Shaped(20 * kMbit, FromSeconds(5e-3)), 2, [&](Rank& self) {
    std::vector<Message> early;
    const TimePoint start = Now();
    EXPECT_TRUE(WarmUp(OptionsOf(self), links, &self.transport(), &early).ok());
    EXPECT_GE(ToSeconds(Now() - start), 12 * 2 * 5e-3);
  });
}

TEST(WarmUpTest, FramesForTheEngineAreKeptEvenBehindAnAnswer) {
  const LinkModel links(2, Given(100 * kMbit, 5e-3));
  std::atomic<bool> done = false;
  RunRanks(Shaped(100 * kMbit, FromSeconds(5e-3)), 2, [&](Rank& self) {
    if (self.rank() == 1) {  // an engine, which bundles small frames
      const std::vector<std::byte> beat = Frame(FrameKind::kHeartbeat, 1);
      size_t heard = 0;
      self.Until([&] {
        for (; heard < self.arrived.size(); ++heard) {
          const ParsedFrame frame = ParseFrame(self.arrived[heard].bytes());
          ProbeNote note = ParseProbeNote(frame.payload).value();
          if (note.what != ProbeNote::What::kPing) continue;
          note.what = ProbeNote::What::kPong;
          std::vector<std::byte> bundle(kFrameHeaderBytes + kProbeNoteBytes);
          PackProbeNote(note, bundle.data() + kFrameHeaderBytes);
          FrameHeader header = frame.header;
          header.source = 1;
          header.destination = 0;
          SealFrame(header, bundle.data());
          bundle.insert(bundle.end(), beat.begin(), beat.end());
          EXPECT_TRUE(self.SendAndWait(0, bundle).ok());
        }
        return done.load();
      });
      return;
    }
    std::vector<Message> early;
    EXPECT_TRUE(WarmUp(OptionsOf(self), links, &self.transport(), &early).ok());
    done = true;
    ASSERT_EQ(early.size(), 1u);
    EXPECT_EQ(early[0].bytes().size(), 2 * kFrameHeaderBytes + kProbeNoteBytes);
  });
}

TEST(WarmUpTest, APeerThatLeavesIsNotWaitedFor) {
  constexpr double kDelay = 0.5;
  const LinkModel links(2, Given(1 * kMbit, kDelay));
  RunRanks(Shaped(1 * kMbit, FromSeconds(kDelay)), 2, [&](Rank& self) {
    if (self.rank() == 1) return;  // closes its transport
    WarmUpOptions options = OptionsOf(self);
    options.budget_seconds = 60;
    std::vector<Message> early;
    const TimePoint start = Now();
    EXPECT_TRUE(WarmUp(options, links, &self.transport(), &early).ok());
    EXPECT_LT(ToSeconds(Now() - start), 12 * 2 * kDelay);
  });
}

// More is sent than the socket's buffer holds. Giving up closes the transport, which is not to be
// closed again.
TEST(WarmUpTest, APeerThatTakesNothingIsNamedAtTheDeadline) {
  Made made = MakeRanks(Shaped(1 * kMbit, FromSeconds(5e-3)), 2);
  ASSERT_EQ(made.transports.size(), 2U);
  std::atomic<bool> done = false;
  std::thread other([&] {
    EXPECT_TRUE(made.transports[1]->Connect(1, made.addresses, Patience()).ok());
    done.wait(false);
  });
  Transport* const transport = made.transports[0].get();
  EXPECT_TRUE(transport->Connect(0, made.addresses, Patience()).ok());
  WarmUpOptions options = OptionsOf(Rank(0, 2, transport));
  options.deadline = Now() + FromSeconds(0.2);
  std::vector<Message> early;
  const Status status = WarmUp(options, {2, Given(8000 * kMbit, 5e-3)}, transport, &early);
  done = true;
  done.notify_one();
  other.join();
  EXPECT_EQ(status.code(), Code::kTimeout);
  EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
}

TEST(WarmUpTest, APeerThatSendsDamageIsNamed) {
  const LinkModel links(2, Given(100 * kMbit, 5e-3));
  RunRanks(Shaped(100 * kMbit, FromSeconds(5e-3)), 2, [&](Rank& self) {
    if (self.rank() == 1) {
      const std::vector<std::byte> damaged(100);
      EXPECT_TRUE(self.SendAndWait(0, damaged).ok());
      EXPECT_FALSE(self.UntilPeerFails(0).ok());
      return;
    }
    std::vector<Message> early;
    const Status status = WarmUp(OptionsOf(self), links, &self.transport(), &early);
    EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
  });
}

}  // namespace
}  // namespace thinwire
