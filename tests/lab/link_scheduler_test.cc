// SPDX-License-Identifier: Apache-2.0
// The emulated network, stepped by hand: exact times on an idle link, rates under load, queues,
// loss. At 8 Mbit/s a byte takes 1000 ns.
#include "link_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace thinwire::lab {
namespace {

constexpr double kRate = 1e6;  // bytes a second
constexpr int64_t kByteNs = 1000;
constexpr int64_t kMs = 1'000'000;
constexpr double kDelaySeconds = 20e-3;
constexpr int64_t kDelay = 20 * kMs;
constexpr int64_t kForever = INT64_MAX / 4;

LinkScheduler Uniform(int ranks, double loss = 0, uint64_t queue = 0, uint64_t seed = 1) {
  return LinkScheduler(LinkModel(ranks, Link{kRate, kDelaySeconds, loss}), queue, seed);
}

std::vector<Delivery> Take(LinkScheduler* scheduler, int64_t now = kForever) {
  std::vector<Delivery> due;
  scheduler->TakeDue(now, &due);
  return due;
}

TrainSize Packets(int count, int bytes = 1500) { return {count, bytes, bytes}; }

int Count(const std::vector<Delivery>& deliveries) {
  int packets = 0;
  for (const Delivery& delivery : deliveries) packets += delivery.count;
  return packets;
}

TEST(LinkScheduler, APacketIsSerialisedTwiceAndDelayedOnce) {
  LinkScheduler scheduler = Uniform(2);
  const auto cargo = std::make_shared<int>(7);
  scheduler.Offer(100, 0, 1, Packets(1, 1000), cargo);
  const int64_t due = 100 + 1000 * kByteNs + kDelay + 1000 * kByteNs;
  EXPECT_TRUE(Take(&scheduler, due - 1).empty());
  EXPECT_EQ(scheduler.NextDue(), due);
  const std::vector<Delivery> deliveries = Take(&scheduler, due);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].when, due);
  EXPECT_EQ(deliveries[0].to, 1);
  EXPECT_EQ(deliveries[0].first, 0);
  EXPECT_EQ(deliveries[0].count, 1);
  EXPECT_EQ(deliveries[0].cargo, cargo);
  EXPECT_FALSE(scheduler.NextDue());
}

// A super-packet takes the time of its packets one after another, not twice its whole length.
TEST(LinkScheduler, ATrainTakesTheTimeOfItsPackets) {
  LinkScheduler train = Uniform(2);
  train.Offer(0, 0, 1, {40, 1500, 700}, nullptr);
  LinkScheduler single = Uniform(2);
  for (int i = 0; i < 40; ++i) single.Offer(0, 0, 1, Packets(1, i < 39 ? 1500 : 700), nullptr);
  const std::vector<Delivery> a = Take(&train);
  const std::vector<Delivery> b = Take(&single);
  ASSERT_EQ(a.size(), 1U);
  ASSERT_EQ(b.size(), 40U);
  EXPECT_NEAR(static_cast<double>(a[0].when), static_cast<double>(b.back().when), 1500.0 * kByteNs);
}

TEST(LinkScheduler, AHostSendsAtItsRateToAllPeersTogether) {
  LinkScheduler scheduler = Uniform(3, 0, 10'000'000);
  for (int i = 0; i < 100; ++i) scheduler.Offer(0, 0, 1 + i % 2, Packets(10), nullptr);
  const std::vector<Delivery> deliveries = Take(&scheduler);
  EXPECT_EQ(Count(deliveries), 1000);
  const int64_t ideal = 1000 * 1500 * kByteNs + kDelay;
  EXPECT_NEAR(static_cast<double>(deliveries.back().when), static_cast<double>(ideal), 20.0 * kMs);
}

TEST(LinkScheduler, AHostReceivesAtItsRateFromAllPeersTogether) {
  LinkScheduler scheduler = Uniform(4, 0, 10'000'000);
  for (int i = 0; i < 30; ++i) {
    for (int from = 1; from < 4; ++from) scheduler.Offer(0, from, 0, Packets(10), nullptr);
  }
  const std::vector<Delivery> deliveries = Take(&scheduler);
  EXPECT_EQ(Count(deliveries), 900);
  const int64_t ideal = 900 * 1500 * kByteNs + kDelay;
  EXPECT_NEAR(static_cast<double>(deliveries.back().when), static_cast<double>(ideal), 20.0 * kMs);
}

TEST(LinkScheduler, DirectionsDoNotShare) {
  LinkScheduler scheduler = Uniform(2);
  scheduler.Offer(0, 0, 1, Packets(20), nullptr);
  scheduler.Offer(0, 1, 0, Packets(20), nullptr);
  const std::vector<Delivery> deliveries = Take(&scheduler);
  ASSERT_EQ(deliveries.size(), 2U);
  EXPECT_EQ(deliveries[0].when, deliveries[1].when);
}

TEST(LinkScheduler, ASlowPairIsANarrowerStretch) {
  LinkModel links(3, Link{kRate, kDelaySeconds, 0});
  links.at(0, 1).rate = kRate / 4;
  LinkScheduler scheduler(links, 10'000'000, 1);
  for (int i = 0; i < 10; ++i) {
    scheduler.Offer(0, 0, 1, Packets(10), nullptr);
    scheduler.Offer(0, 0, 2, Packets(10), nullptr);
  }
  int64_t last[3] = {};
  for (const Delivery& delivery : Take(&scheduler)) last[delivery.to] = delivery.when;
  EXPECT_NEAR(static_cast<double>(last[1] - kDelay), 4e5 * 1500, 2e7);
  EXPECT_NEAR(static_cast<double>(last[2] - kDelay), 2e5 * 1500, 2e7);
}

TEST(LinkScheduler, AFullQueueTakesTheEndOfATrain) {
  LinkScheduler scheduler = Uniform(2, 0, 15'000);
  scheduler.Offer(0, 0, 1, Packets(40), nullptr);
  const std::vector<Delivery> deliveries = Take(&scheduler);
  ASSERT_EQ(deliveries.size(), 1U);
  EXPECT_EQ(deliveries[0].first, 0);
  EXPECT_EQ(deliveries[0].count, 10);
  EXPECT_EQ(scheduler.counters().overflowed, 30U);
}

TEST(LinkScheduler, AnIdleLinkTakesAPacketLargerThanItsQueue) {
  LinkScheduler scheduler = Uniform(2, 0, 100);
  scheduler.Offer(0, 0, 1, Packets(1), nullptr);
  scheduler.Offer(0, 0, 1, Packets(1), nullptr);
  EXPECT_EQ(Count(Take(&scheduler)), 1);
}

TEST(LinkScheduler, AQueueDrainsAtTheRate) {
  LinkScheduler scheduler = Uniform(2, 0, 15'000);
  scheduler.Offer(0, 0, 1, Packets(10), nullptr);
  scheduler.Offer(1500 * kByteNs * 4, 0, 1, Packets(10), nullptr);
  EXPECT_EQ(Count(Take(&scheduler)), 14);
}

// Senders that together exceed a downlink lose what its queue can't hold, and no more.
TEST(LinkScheduler, AnIncastOverflowsTheDownlinkQueue) {
  constexpr int64_t kQueue = 300'000;
  LinkScheduler scheduler = Uniform(3, 0, kQueue);
  int64_t now = 0;
  for (int i = 0; i < 200; ++i) {
    scheduler.Offer(now, 1, 0, Packets(10), nullptr);
    scheduler.Offer(now, 2, 0, Packets(10), nullptr);
    now += 15'000 * kByteNs;
  }
  // Twice the rate for 200 trains: half of it passes at once, the queue holds its fill.
  const int expected = 200 * 10 + static_cast<int>(kQueue / 1500);
  EXPECT_NEAR(Count(Take(&scheduler)), expected, 20);
}

TEST(LinkScheduler, QueuesHoldOneBandwidthDelayProductUnlessSet) {
  LinkScheduler scheduler(LinkModel(2, Link{1e7, 50e-3, 0}), 0, 1);
  for (int i = 0; i < 100; ++i) scheduler.Offer(0, 0, 1, Packets(40), nullptr);
  EXPECT_NEAR(Count(Take(&scheduler)), 1'000'000 / 1500, 2);
  LinkScheduler small(LinkModel(2, Link{1e3, 1e-3, 0}), 0, 1);
  for (int i = 0; i < 100; ++i) small.Offer(0, 0, 1, Packets(40), nullptr);
  EXPECT_NEAR(Count(Take(&small)), 256 * 1024 / 1500, 2);
}

TEST(LinkScheduler, LossIsIndependentOfHowPacketsAreBundled) {
  constexpr double kLoss = 0.01;
  constexpr int kPackets = 400'000;
  for (const int train : {1, 40}) {
    LinkScheduler scheduler = Uniform(2, kLoss, uint64_t{1} << 40);
    for (int sent = 0; sent < kPackets; sent += train) {
      scheduler.Offer(sent, 0, 1, Packets(train), nullptr);
    }
    const auto lost = static_cast<double>(scheduler.counters().lost);
    EXPECT_NEAR(lost, kPackets * kLoss, 5 * std::sqrt(kPackets * kLoss)) << train;
    EXPECT_EQ(Count(Take(&scheduler)) + static_cast<int>(lost), kPackets);
  }
}

TEST(LinkScheduler, WhatIsLeftOfATrainIsRunsInOrder) {
  LinkScheduler scheduler = Uniform(2, 0.2, uint64_t{1} << 30);
  scheduler.Offer(0, 0, 1, Packets(40), nullptr);
  const std::vector<Delivery> deliveries = Take(&scheduler);
  ASSERT_GT(deliveries.size(), 1U);
  int end = -1;
  int64_t when = 0;
  for (const Delivery& delivery : deliveries) {
    EXPECT_GT(delivery.first, end);
    EXPECT_GT(delivery.count, 0);
    EXPECT_GT(delivery.when, when);
    end = delivery.first + delivery.count;
    when = delivery.when;
  }
  EXPECT_LE(end, 40);
}

TEST(LinkScheduler, TheSeedDecidesWhatIsLost) {
  const auto lost_by = [](uint64_t seed, bool other_traffic) {
    LinkScheduler scheduler = Uniform(3, 0.05, uint64_t{1} << 30, seed);
    std::vector<int> first;
    for (int i = 0; i < 100; ++i) {
      if (other_traffic) scheduler.Offer(0, 0, 2, Packets(7), nullptr);
      scheduler.Offer(0, 0, 1, Packets(10), nullptr);
    }
    for (const Delivery& delivery : Take(&scheduler)) {
      if (delivery.to == 1) first.push_back(delivery.first * 100 + delivery.count);
    }
    return first;
  };
  EXPECT_EQ(lost_by(1, false), lost_by(1, true));
  EXPECT_NE(lost_by(1, false), lost_by(2, false));
}

// Being woken late, or often, changes no time.
TEST(LinkScheduler, TimesDoNotDependOnWhenItIsAsked) {
  const auto times = [](int64_t step) {
    LinkScheduler scheduler = Uniform(4, 0, 10'000'000);
    std::vector<Delivery> deliveries;
    int64_t asked = 0;
    for (int i = 0; i < 300; ++i) {
      const int64_t now = i * kMs * 3;
      for (; asked <= now; asked += step) scheduler.TakeDue(asked, &deliveries);
      scheduler.Offer(now, i % 3, 3, Packets(1 + i % 5), nullptr);
    }
    scheduler.TakeDue(kForever, &deliveries);
    std::vector<int64_t> when;
    for (const Delivery& delivery : deliveries) when.push_back(delivery.when);
    return when;
  };
  const std::vector<int64_t> often = times(kMs / 10);
  EXPECT_EQ(often.size(), 300U);
  EXPECT_TRUE(std::is_sorted(often.begin(), often.end()));
  EXPECT_EQ(often, times(7 * kMs));
  EXPECT_EQ(often, times(500 * kMs));
}

}  // namespace
}  // namespace thinwire::lab
