// SPDX-License-Identifier: Apache-2.0
//
// Ranks that can't reach each other, or only slowly: who is lost is told from who is slow, and
// every rank names the one that is cut off, whoever told it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>

#include "support/engine_member.h"
#include "transport/shaped_transport.h"

namespace thinwire {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr double kSilence = 0.8;

EngineStack Silent() {
  EngineStack stack;
  stack.transport = MakeFaulty({});
  stack.silence_seconds = kSilence;
  return stack;
}

Op Small(Operation operation = Operation::kAllReduce) {
  Op op;
  op.operation = operation;
  op.count = 1000;
  return op;
}

Status RunUntilFailure(EngineMember& member) {
  const TimePoint patience = Patience();
  std::vector<float> values(1000);
  while (Now() < patience) {
    if (const Status s = member.Run(Small(), values.data(), values.data()); !s.ok()) return s;
  }
  return {};
}

// What every rank's engine says in the end, once `prepare` has cut what it cuts.
std::vector<std::string> ErrorsAfter(int ranks, const std::function<void(EngineMember&)>& prepare) {
  std::vector<std::string> errors(static_cast<size_t>(ranks));
  std::barrier all(ranks);
  RunEngines(Silent(), ranks, [&](EngineMember& member) {
    std::vector<float> values(1000);
    EXPECT_TRUE(member.Run(Small(), values.data(), values.data()).ok());
    all.arrive_and_wait();
    prepare(member);
    EXPECT_FALSE(RunUntilFailure(member).ok());
    all.arrive_and_wait();                                        // leaving would be noticed
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // for what others may still tell
    errors[static_cast<size_t>(member.rank())] = member.engine().error().message();
    all.arrive_and_wait();
  });
  return errors;
}

TEST(PartitionTest, ARankThatIsCutOffSaysSo) {
  const auto errors = ErrorsAfter(4, [](EngineMember& member) {
    if (member.rank() != 2) return;
    for (const int peer : {0, 1, 3}) member.faults().Cut(peer);
  });
  EXPECT_THAT(errors[2], HasSubstr("lost ranks 0, 1, 3: nothing heard of them"));
  EXPECT_THAT(errors[2], HasSubstr("own host cut off"));
  for (const size_t rank : {0, 1, 3}) {
    EXPECT_THAT(errors[rank], HasSubstr("lost rank 2: nothing heard of it")) << rank;
  }
}

// Ranks 0 and 1 lose each other, and both reach rank 2.
TEST(PartitionTest, APairThatLostEachOtherEndsAllAndBothReasonsAreTold) {
  const auto errors = ErrorsAfter(3, [](EngineMember& member) {
    if (member.rank() < 2) member.faults().Cut(1 - member.rank());
  });
  EXPECT_THAT(errors[0], AnyOf(HasSubstr("lost rank 1"), HasSubstr("rank 1 gave up: lost rank 0")));
  EXPECT_THAT(errors[1], AnyOf(HasSubstr("lost rank 0"), HasSubstr("rank 0 gave up: lost rank 1")));
  EXPECT_THAT(errors[2], AnyOf(HasSubstr("rank 0 gave up: lost rank 1"),
                               HasSubstr("rank 1 gave up: lost rank 0")));
}

// Rank 0 finds out and can't tell rank 1, but rank 2 can.
TEST(PartitionTest, ReasonsArePassedOnToWhoCannotBeTold) {
  EngineStack stack = Silent();
  stack.silence_seconds = 20;
  std::barrier all(3);
  RunEngines(stack, 3, [&](EngineMember& member) {
    std::vector<float> values(1000);
    EXPECT_TRUE(member.Run(Small(), values.data(), values.data()).ok());
    all.arrive_and_wait();
    if (member.rank() < 2) member.faults().Cut(1 - member.rank());
    all.arrive_and_wait();
    if (member.rank() == 0) member.engine().Abort("enough");
    const TimePoint begin = Now();
    EXPECT_THAT(RunUntilFailure(member).message(), HasSubstr("rank 0 aborted: enough"));
    EXPECT_LT(ToSeconds(Now() - begin), 10);  // not by silence
    all.arrive_and_wait();
  });
}

// ---- Slow is not dead ----

EngineStack Shaped(double bytes_per_second) {
  EngineStack stack;
  stack.links = fmt::format("rate={}bit,delay=1ms", static_cast<int64_t>(8 * bytes_per_second));
  stack.transport = [=](int ranks) -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport("loopback", {}));
    return MakeShapedTransport(
        std::move(inner), UniformShape(ranks, {bytes_per_second, std::chrono::milliseconds(1)}));
  };
  return stack;
}

// One frame takes longer than ranks may be silent, and heartbeats queue behind it.
TEST(SlowLinkTest, AFrameMayTakeLongerThanTheSilence) {
  EngineStack stack = Shaped(100e3);
  stack.silence_seconds = 0.5;
  RunEngines(stack, 2, [](EngineMember& member) {
    Op op = Small(Operation::kBroadcast);
    op.count = 64 << 10;  // two frames of 1.3 s each
    std::vector<float> values(op.count, static_cast<float>(1 - member.rank()));
    const Status status = member.Run(op, values.data(), values.data());
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(values, std::vector<float>(op.count, 1));
  });
}

// The second call has to wait until the first one's bytes have left, which takes longer than an
// operation may be stuck.
TEST(SlowLinkTest, WaitingForTheCallBeforeIsNotBeingStuck) {
  EngineStack stack = Shaped(2e6);
  stack.timeout_seconds = 1.5;
  RunEngines(stack, 2, [](EngineMember& member) {
    Op first = Small(Operation::kBroadcast);
    first.count = 1'500'000;  // 3 s
    const Op second = Small(Operation::kBroadcast);
    std::vector<float> many(first.count), few(second.count);
    const Status status =
        member.RunTogether({{first, many.data(), many.data()}, {second, few.data(), few.data()}});
    EXPECT_TRUE(status.ok()) << status.message();
  });
}

TEST(SlowLinkTest, WhoHasNotMadeTheCallIsNamedAlsoWhereOthersStandBetween) {
  EngineStack stack = Silent();
  stack.timeout_seconds = 1;
  std::atomic<int> waiting{3};
  RunEngines(stack, 4, [&](EngineMember& member) {
    if (member.rank() == 2) {
      while (waiting > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      return;
    }
    Op op = Small();
    op.algorithm = Algorithm::kRing;
    std::vector<float> values(op.count);
    const Status status = member.Run(op, values.data(), values.data());
    EXPECT_THAT(status.message(), HasSubstr("not called so far by rank 2"));
    --waiting;
  });
}

}  // namespace
}  // namespace thinwire
