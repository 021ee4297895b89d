// SPDX-License-Identifier: Apache-2.0
#include "collective/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/collective_suite.h"
#include "support/engine_member.h"
#include "support/late_device.h"
#include "transport/transport_decorator.h"
#include "transport/shaped_transport.h"

namespace thinwire {
namespace {

EngineStack Plain(const std::string& transport) {
  EngineStack stack;
  stack.transport = [transport](int) { return MakeTransport(transport, {}); };
  return stack;
}

EngineStack Shuffled() {
  EngineStack stack;
  FaultOptions faults;
  faults.shuffle = std::chrono::microseconds(300);
  stack.transport = MakeFaulty(faults);
  stack.segment_bytes = 0;  // the smallest: more frames to get out of order
  return stack;
}

EngineStack Late() {
  EngineStack stack = Shuffled();
  auto seed = std::make_shared<std::atomic<uint64_t>>(1);
  stack.device = [seed] { return std::make_unique<LateDevice>((*seed)++); };
  return stack;
}

EngineStack Delayed() {
  constexpr double kRate = 125e6;
  EngineStack stack;
  stack.links = "rate=1gbit,delay=1ms";
  stack.transport = [](int ranks) -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport("loopback", {}));
    return MakeShapedTransport(std::move(inner),
                               UniformShape(ranks, {kRate, std::chrono::milliseconds(1)}));
  };
  return stack;
}

INSTANTIATE_TEST_SUITE_P(Engine, CollectiveSuite,
                         testing::Values(SuiteParam{"Loopback", MembersOf(Plain("loopback"))},
                                         SuiteParam{"Shuffled", MembersOf(Shuffled()), false},
                                         SuiteParam{"Late", MembersOf(Late()), false},
                                         SuiteParam{"Delayed", MembersOf(Delayed()), false}),
                         NameOfParam);

using testing::HasSubstr;

// A window follows from the link it is for: where the way back is another, the two ends' differ.
TEST(EngineTest, UnequalDirectionsDoNotStarveEachOther) {
  EngineStack stack = Plain("loopback");
  stack.links = "lines=0 1 400mbit 100ms\n1 0 20gbit 100ms";
  stack.timeout_seconds = 5;
  RunEngines(stack, 2, [](EngineMember& member) {
    Op op;
    op.count = 3'000'000;
    op.operation = member.rank() == 0 ? Operation::kSend : Operation::kRecv;
    op.root = 1 - member.rank();
    Bytes memory(op.count * 4);
    const Status status = member.Run(op, memory.data(), memory.data());
    EXPECT_TRUE(status.ok()) << status.message();
  });
}

TEST(EngineTest, FiguresCountHeadersAndPayload) {
  RunEngines(Plain("loopback"), 3, [](EngineMember& member) {
    Op op;
    op.count = 300;
    op.algorithm = Algorithm::kSra;
    std::vector<float> values(op.count, 1);
    const auto completion = member.Start({{op, values.data(), values.data()}}).front();
    ASSERT_TRUE(completion->Wait().ok());
    EXPECT_TRUE(completion->done());
    EXPECT_EQ(completion->figures().raw_bytes, 4 * 400u);
    EXPECT_EQ(completion->figures().wire_bytes, 4 * (400u + kFrameHeaderBytes));
    EXPECT_GT(completion->figures().total_seconds, 0);
    EXPECT_FALSE(completion->figures().error_measured);
  });
}

class CountingTransport final : public TransportDecorator {
 public:
  CountingTransport(std::unique_ptr<Transport> inner, std::atomic<int>* sent)
      : TransportDecorator("count", std::move(inner)), sent_(sent) {}
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override {
    ++*sent_;
    return inner().Send(peer, bytes, request);
  }
  bool Poll(std::vector<Message>* arrived) override { return inner().Poll(arrived); }
  void Wait(TimePoint deadline) override { inner().Wait(deadline); }

 private:
  std::atomic<int>* const sent_;
};

TEST(EngineTest, SmallOperationsOfAGroupShareMessages) {
  std::atomic<int> sent = 0;
  EngineStack stack = Plain("loopback");
  stack.transport = [&](int) -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport("loopback", {}));
    return std::unique_ptr<Transport>(std::make_unique<CountingTransport>(std::move(inner), &sent));
  };
  constexpr int kOperations = 300;
  RunEngines(stack, 3, [](EngineMember& member) {
    std::vector<float> values(kOperations, 1);
    std::vector<Member::Part> parts(kOperations);
    for (size_t i = 0; i < parts.size(); ++i) {
      parts[i].op.count = 1;
      parts[i].send = parts[i].recv = &values[i];
    }
    const Status status = member.RunTogether(parts);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(values, std::vector<float>(kOperations, 3));
  });
  EXPECT_LT(sent, kOperations);  // one by one they would be six times as many
}

TEST(EngineTest, RefusesWorkAfterAFailure) {
  RunEngines(Plain("loopback"), 2, [](EngineMember& member) {
    member.engine().Abort("enough");
    Op op;
    op.count = 1;
    float value = 0;
    Status status;
    while ((status = member.Run(op, &value, &value)).ok()) {
    }
    EXPECT_FALSE(member.engine().error().ok());
    EXPECT_THAT(status.message(), HasSubstr("enough"));
    EXPECT_THAT(member.Run(op, &value, &value).message(), HasSubstr("enough"));
  });
}

TEST(EngineTest, DestroyedWithoutCloseEndsWhatIsInFlight) {
  std::shared_ptr<Completion> completion;
  float value = 0;
  Made made = MakeRanks(MakeLoopback, 2);
  OnThreads(2, [&](int rank) {
    auto transport = std::move(made.transports[static_cast<size_t>(rank)]);
    ASSERT_TRUE(transport->Connect(rank, made.addresses, Patience()).ok());
    EngineMember member(Plain("loopback"), rank, 2, std::move(transport));
    Op op;
    op.count = 1;
    if (rank == 0) completion = member.Start({{op, &value, &value}}).front();
  });
  EXPECT_FALSE(completion->Wait().ok());
}

}  // namespace
}  // namespace thinwire
