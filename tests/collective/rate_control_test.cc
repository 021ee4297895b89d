// SPDX-License-Identifier: Apache-2.0
//
// RateControl against a link of the test's making: a queue in front of a wire, in steps of a ping.
#include "collective/rate_control.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "collective/flow_control.h"
#include "collective/loss_model.h"
#include "collective/simulator.h"

namespace thinwire {
namespace {

constexpr double kDelay = 0.02;
constexpr double kStep = 0.1;  // between pings
constexpr double kBelieved = 25e6;

TimePoint At(double seconds) { return TimePoint{} + FromSeconds(100 + seconds); }

Link Measured(double rate) { return {rate, kDelay, 0, Link::Origin::kMeasured}; }
Link Given(double rate) { return {rate, kDelay, 0, Link::Origin::kGiven}; }

// Rank 0 sends to every other rank as fast as it is let, over one uplink of `capacity` (bytes a
// second on the wire), and pings.
class World {
 public:
  World(int ranks, Link believed, double capacity)
      : links_(ranks, believed),
        rates_(links_, 0),
        delay_(believed.delay),
        capacity_(capacity),
        peers_(ranks - 1) {}

  void Run(double seconds) {
    for (double end = now_ + seconds; now_ < end; now_ += kStep) Step();
  }
  void Become(double capacity) { capacity_ = capacity; }
  // The queue holds so much, the rest waits in the sender's socket, which holds 4 MiB.
  void Bound(double queue_seconds) { longest_queue_ = queue_seconds; }
  // Packets are sent again: answers come that much later, with the queue as it was.
  void Repair(double seconds) { repair_ = seconds; }
  // Part of the packets from now on.
  void Lose(double loss) { loss_ = loss; }
  void Demand(double rate) { demand_ = rate; }
  double queue_seconds() const { return queued_ / (capacity_ * kWireEfficiency); }
  const RateControl& rates() const { return rates_; }

 private:
  void Step() {
    double lanes = 0;
    for (int peer = 1; peer <= peers_; ++peer) lanes += rates_.rate(peer);
    const double link = capacity_ * kWireEfficiency * kStep;
    double allowed =
        std::min({lanes, rates_.uplink(), demand_}) * kWireEfficiency * kPaceFactor * kStep;
    if (longest_queue_ > 0) allowed = std::min(allowed, kSocketBytes + link - queued_);
    const double carried = std::min(queued_ + allowed, link);
    queued_ += allowed - carried;
    sent_ += allowed / peers_;
    packets_ += static_cast<uint64_t>(allowed / peers_ / kPacketPayload);
    packets_again_ += static_cast<uint64_t>(loss_ * allowed / peers_ / kPacketPayload);
    for (int peer = 1; peer <= peers_; ++peer) {
      rates_.Sent(peer, static_cast<size_t>(allowed / peers_));
    }
    const double round_trip = 2 * delay_ + queue_seconds() + repair_;
    const bool told = repair_ > 0 || longest_queue_ > 0;
    const double queue =
        longest_queue_ > 0 ? std::min(queue_seconds(), longest_queue_) : queue_seconds();
    for (const int peer : rates_.DuePings(At(now_))) {
      const RateControl::Pong pong = {
          .pinged = At(now_),
          .received = static_cast<uint64_t>(sent_),  // all that was before it in the queue
          .nanoseconds = static_cast<int64_t>((now_ + round_trip - delay_) * 1e9),
          .path = {.queue_seconds = told ? queue : -1,
                   .packets = packets_,
                   .packets_again = packets_again_}};
      rates_.TakePong(peer, pong, At(now_ + round_trip));
    }
  }

  static constexpr double kSocketBytes = 4 << 20;

  const LinkModel links_;
  RateControl rates_;
  const double delay_;
  double capacity_;
  const int peers_;
  double demand_ = 1e12;
  double repair_ = 0;         // above 0: the transport tells the queue
  double longest_queue_ = 0;  // above 0: as well
  double loss_ = 0;
  uint64_t packets_ = 0;
  uint64_t packets_again_ = 0;
  double now_ = 0;
  double queued_ = 0;
  double sent_ = 0;  // to each
};

TEST(RateControlTest, AnUnderestimateRisesToTheLink) {
  World world(2, Measured(kBelieved), 4 * kBelieved);
  world.Run(30);
  EXPECT_GT(world.rates().rate(1), 0.9 * 4 * kBelieved);
  EXPECT_LT(world.rates().rate(1), 1.3 * 4 * kBelieved);
}

TEST(RateControlTest, AnOverestimateFallsToTheLinkWithinSeconds) {
  World world(2, Measured(kBelieved), kBelieved / 2);
  world.Run(3);
  EXPECT_NEAR(world.rates().rate(1), kBelieved / 2, 0.1 * kBelieved / 2);
}

TEST(RateControlTest, StaysAtTheLinkOnceItIsThereAndKeepsTheQueueShort) {
  World world(2, Measured(kBelieved), 2 * kBelieved);
  world.Run(30);
  for (int i = 0; i < 30; ++i) {
    world.Run(1);
    EXPECT_NEAR(world.rates().rate(1), 2 * kBelieved, 0.15 * 2 * kBelieved);
    EXPECT_LT(world.queue_seconds(), 0.2);
  }
}

TEST(RateControlTest, ARiseThatBringsAQueueIsTakenBack) {
  World world(2, Measured(kBelieved), 1.005 * kBelieved);
  for (int i = 0; i < 60; ++i) {
    world.Run(1);
    EXPECT_GE(world.rates().rate(1), kBelieved);
    EXPECT_LT(world.queue_seconds(), 0.04);
  }
  EXPECT_EQ(world.rates().rate(1), kBelieved);
}

TEST(RateControlTest, AQueueThatDoesNotLastChangesNothing) {
  World world(2, Measured(kBelieved), 1.005 * kBelieved);
  world.Run(5);
  world.Become(kBelieved / 2);
  world.Run(1);
  world.Become(4 * kBelieved);
  world.Run(0.5);
  EXPECT_GE(world.rates().rate(1), kBelieved);
}

// Else every path with losses would look full.
TEST(RateControlTest, WhereTheTransportTellsTheQueueLateAnswersMeanNone) {
  World world(2, Measured(kBelieved), 4 * kBelieved);
  world.Run(0.5);
  world.Repair(0.1);
  world.Run(30);
  EXPECT_GT(world.rates().rate(1), 0.9 * 4 * kBelieved);
}

TEST(RateControlTest, ALowerBoundDoublesUntilTheLinkIsFull) {
  World world(2, {kBelieved, kDelay, 0, Link::Origin::kAtLeast}, 16 * kBelieved);
  world.Run(2);
  EXPECT_GT(world.rates().rate(1), 8 * kBelieved);
  world.Run(20);
  EXPECT_NEAR(world.rates().rate(1), 16 * kBelieved, 0.2 * 16 * kBelieved);
}

TEST(RateControlTest, WhatDoubledTooFarGoesBackByHalvesAndStopsWhereTheQueueIsGone) {
  World world(2, {kBelieved, kDelay, 0, Link::Origin::kAtLeast}, 3 * kBelieved);
  double least = 1e18;
  bool overshot = false;
  for (int i = 0; i < 100; ++i) {
    world.Run(0.1);
    const double rate = world.rates().rate(1);
    overshot |= rate > 3.5 * kBelieved;
    if (overshot) least = std::min(least, rate);
  }
  EXPECT_TRUE(overshot);
  EXPECT_GT(least, 2.1 * kBelieved);  // 2 * kBelieved had proven itself
  EXPECT_NEAR(world.rates().rate(1), 3 * kBelieved, 0.35 * 3 * kBelieved);
}

// Its queue is never long, whatever the rate.
TEST(RateControlTest, ABoundOnANearPathGoesBackToWhatComes) {
  for (const double told : {0.5, 0.9, 1.06}) {
    World world(2, {told * kBelieved, 1e-3, 0, Link::Origin::kAtLeast}, kBelieved);
    world.Bound(4e-3);
    world.Run(10);
    for (int i = 0; i < 20; ++i) {
      world.Run(1);
      EXPECT_NEAR(world.rates().rate(1) / kBelieved, 1, 0.1) << told;
    }
  }
}

TEST(RateControlTest, AGuessMayFallFurtherThanWhatWasMeasured) {
  World world(2, {kBelieved, kDelay, 0, Link::Origin::kInferred}, kBelieved / 16);
  world.Run(120);
  EXPECT_NEAR(world.rates().rate(1), kBelieved / 16, 0.3 * kBelieved / 16);
}

TEST(RateControlTest, FollowsALinkThatChanges) {
  World world(2, Measured(kBelieved), kBelieved);
  world.Run(10);
  world.Become(kBelieved / 3);
  world.Run(10);
  EXPECT_NEAR(world.rates().rate(1), kBelieved / 3, 0.15 * kBelieved / 3);
  world.Become(kBelieved);
  world.Run(60);
  EXPECT_NEAR(world.rates().rate(1), kBelieved, 0.25 * kBelieved);
}

TEST(RateControlTest, TheUplinkIsLearnedFromAllPeersTogether) {
  World slow(4, Measured(kBelieved), kBelieved / 2);
  slow.Run(5);
  EXPECT_NEAR(slow.rates().uplink(), kBelieved / 2, 0.15 * kBelieved / 2);
  World fast(4, Measured(kBelieved), 2 * kBelieved);
  fast.Run(30);
  EXPECT_NEAR(fast.rates().uplink(), 2 * kBelieved, 0.3 * 2 * kBelieved);
  // A pair was thought as fast as its host, and still is.
  EXPECT_GE(fast.rates().rate(1), 0.9 * fast.rates().uplink());
}

TEST(RateControlTest, AGivenRateStays) {
  for (const double carried : {4 * kBelieved, kBelieved / 2}) {
    World world(2, Given(kBelieved), carried);
    world.Run(30);
    EXPECT_EQ(world.rates().rate(1), kBelieved);
    EXPECT_EQ(world.rates().uplink(), kBelieved);
  }
}

TEST(RateControlTest, NothingFallsBelowAQuarterOfWhatItBeganWith) {
  World world(2, Measured(kBelieved), kBelieved / 50);
  world.Run(60);
  EXPECT_GE(world.rates().rate(1), kBelieved / 4);
}

TEST(RateControlTest, LittleTrafficTeachesNothing) {
  World world(2, Measured(kBelieved), 4 * kBelieved);
  world.Demand(kBelieved / 3);
  world.Run(30);
  EXPECT_EQ(world.rates().rate(1), kBelieved);
}

TEST(RateControlTest, TheLossIsThatOfLate) {
  Link link = Measured(kBelieved);
  link.loss = 0.15;  // the probe's own doing
  World world(2, link, kBelieved);
  world.Run(0.3);
  EXPECT_EQ(world.rates().loss(1), 0.15);  // too little traffic to tell
  world.Lose(0.01);
  world.Run(5);
  EXPECT_NEAR(world.rates().loss(1), 0.01, 1e-3);
  world.Lose(0);
  world.Run(5);
  EXPECT_EQ(world.rates().loss(1), 0);
}

TEST(RateControlTest, AGivenLossStays) {
  World world(2, Given(kBelieved), kBelieved);
  world.Lose(0.01);
  world.Run(5);
  EXPECT_EQ(world.rates().loss(1), 0);
}

TEST(RateControlTest, WithoutTrafficNobodyIsPinged) {
  RateControl rates(LinkModel(3, Measured(kBelieved)), 0);
  EXPECT_TRUE(rates.DuePings(At(5)).empty());
  rates.Sent(2, 1 << 20);
  EXPECT_EQ(rates.DuePings(At(5)), std::vector<int>{2});
  EXPECT_TRUE(rates.DuePings(At(6)).empty());  // the answer is awaited
}

TEST(RateControlTest, UnknownAndVeryFastLinksAreNotPaced) {
  for (const Link link : {Link{}, Measured(2 * kMostPacedRate)}) {
    RateControl rates(LinkModel(2, link), 0);
    rates.Sent(1, 1 << 20);
    EXPECT_EQ(rates.rate(1), 0);
    EXPECT_EQ(rates.uplink(), 0);
    EXPECT_TRUE(rates.DuePings(At(5)).empty());
  }
  EXPECT_EQ(RateControl(LinkModel(2, Given(2 * kMostPacedRate)), 0).rate(1), 2 * kMostPacedRate);
}

TEST(RateControlTest, AnAnswerToNoPingIsIgnored) {
  RateControl rates(LinkModel(2, Measured(kBelieved)), 0);
  EXPECT_FALSE(rates.TakePong(1, {.pinged = At(1), .received = 1, .nanoseconds = 1}, At(2)));
}

TEST(RateControlTest, ThePacerTakesTheRatesThatWereLearned) {
  World world(2, Measured(kBelieved), kBelieved / 2);
  world.Run(5);
  Pacer pacer(LinkModel(2, Measured(kBelieved)), 0);
  pacer.Adopt(world.rates());
  pacer.Sent(1, 1'000'000, 1, At(0));
  const double expected = 1e6 / (world.rates().rate(1) * kWireEfficiency * kPaceFactor);
  EXPECT_NEAR(ToSeconds(pacer.Next(1) - At(0)), expected, 3e-3);
}

}  // namespace
}  // namespace thinwire
