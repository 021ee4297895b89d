// SPDX-License-Identifier: Apache-2.0
#include "collective/call_queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace thinwire {
namespace {

EndedCall Call(uint64_t sequence, Status status = {}) {
  EndedCall call;
  call.sequence = sequence;
  call.status = std::move(status);
  return call;
}

TimePoint InAnHour() { return Now() + FromSeconds(3600); }

TEST(CallQueueTest, CallsAreTakenOnceInTheOrderTheyEnded) {
  CallQueue queue(8);
  queue.Add(Call(2));
  queue.Add(Call(1));
  const std::vector<EndedCall> calls = queue.Take();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].sequence, 2u);
  EXPECT_EQ(calls[1].sequence, 1u);
  EXPECT_TRUE(queue.Take().empty());
}

TEST(CallQueueTest, WhatFindsNoRoomIsCounted) {
  CallQueue queue(2);
  for (uint64_t i = 0; i < 5; ++i) queue.Add(Call(i));
  EXPECT_EQ(queue.missed(), 3u);
  EXPECT_EQ(queue.Take().size(), 2u);
  queue.Add(Call(5));
  EXPECT_EQ(queue.missed(), 3u);
}

TEST(CallQueueTest, ReadersAreWokenWhenItIsHalfFullOrACallFailed) {
  CallQueue queue(4);
  for (uint64_t i = 0; i < 3; ++i) queue.Add(Call(i));
  queue.Wait(InAnHour());
  EXPECT_EQ(queue.Take().size(), 3u);
  queue.Add(Call(3, SystemError("broken")));
  queue.Wait(InAnHour());
  EXPECT_EQ(queue.Take().size(), 1u);
}

TEST(CallQueueTest, WakeEndsAWaitOfAnotherThread) {
  CallQueue queue(4);
  std::thread reader([&] { queue.Wait(InAnHour()); });
  queue.Wake();
  reader.join();
}

TEST(CallQueueTest, WithoutReasonItWaitsUntilTheTimeGiven) {
  CallQueue queue(4);
  queue.Add(Call(0));
  const TimePoint until = Now() + FromSeconds(0.02);
  queue.Wait(until);
  EXPECT_GE(Now(), until);
}

}  // namespace
}  // namespace thinwire
