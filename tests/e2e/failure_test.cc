// SPDX-License-Identifier: Apache-2.0
//
// When something goes wrong, every surviving rank gets an error that names it, in bounded time, and
// nobody gets a wrong result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>

#include "support/c_member.h"
#include "support/elements.h"
#include "support/engine_member.h"

namespace thinwire {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Matcher;

Op AllReduceOf(size_t count) {
  Op op;
  op.count = count;
  return op;
}

// ---- Calls that differ ----

struct Mismatch {
  std::string name;
  Op ours;  // rank 1's
  Op others;
  std::string text;  // what every rank that fails must read
};
void PrintTo(const Mismatch& mismatch, std::ostream* out) { *out << mismatch.name; }

Op Changed(const std::function<void(Op*)>& change) {
  Op op = AllReduceOf(1000);
  op.algorithm = Algorithm::kSra;
  change(&op);
  return op;
}

Op DirectReduceTo(int root) {
  return Changed([root](Op* op) {
    op->operation = Operation::kReduce;
    op->algorithm = Algorithm::kDirect;
    op->root = root;
  });
}

const Mismatch kMismatches[] = {
    {"Count", Changed([](Op* op) { op->count = 999; }), Changed([](Op*) {}), "count"},
    {"NothingAgainstSomething", Changed([](Op* op) { op->count = 0; }), Changed([](Op*) {}),
     "count"},
    {"Type", Changed([](Op* op) { op->dtype = DataType::kInt32; }), Changed([](Op*) {}), "type"},
    {"Reduction", Changed([](Op* op) { op->reduction = Reduction::kMax; }), Changed([](Op*) {}),
     "reduction"},
    {"Codec", Changed([](Op* op) { op->codec = "q8"; }), Changed([](Op*) {}), "codec"},
    {"Algorithm", Changed([](Op* op) { op->algorithm = Algorithm::kRing; }), Changed([](Op*) {}),
     "algorithm"},
    {"Operation", Changed([](Op* op) { op->operation = Operation::kAllGather; }),
     Changed([](Op*) {}), "operation"},
    {"Barrier", Changed([](Op* op) { op->operation = Operation::kBarrier, op->count = 0; }),
     Changed([](Op*) {}), "operation"},
    {"Root", Changed([](Op* op) { op->operation = Operation::kBroadcast, op->root = 1; }),
     Changed([](Op* op) { op->operation = Operation::kBroadcast, op->root = 0; }), "root"},
    {"ReduceRoot", Changed([](Op* op) { op->operation = Operation::kReduce, op->root = 1; }),
     Changed([](Op* op) { op->operation = Operation::kReduce, op->root = 0; }), "root"},
    // Both wait for the other to send: only the clock can tell.
    {"DirectReduceRoot", DirectReduceTo(1), DirectReduceTo(0), "made no progress"},
};

class MismatchTest : public testing::TestWithParam<Mismatch> {};
INSTANTIATE_TEST_SUITE_P(Calls, MismatchTest, testing::ValuesIn(kMismatches),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(MismatchTest, EveryRankLearnsWhatDiffers) {
  Settings settings;
  settings.timeout_seconds = 3;
  for (const int ranks : {2, 3}) {
    Comms comms(ranks, settings);
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      CMember member(comm);
      const Op op = rank == 1 ? GetParam().ours : GetParam().others;
      std::vector<float> input(3000, 1);
      std::vector<float> output(3000);
      // Who has nothing to wait for may end well; the communicator then fails behind its back.
      static_cast<void>(member.Run(op, input.data(), output.data()));
      const Op barrier = Changed([](Op* b) { b->operation = Operation::kBarrier, b->count = 0; });
      const Status status = member.Run(barrier, nullptr, nullptr);
      ASSERT_FALSE(status.ok()) << "rank " << rank;
      EXPECT_THAT(status.message(), HasSubstr(GetParam().text));
      thinwireResult_t error = thinwireSuccess;
      EXPECT_EQ(thinwireCommGetAsyncError(comm, &error), thinwireSuccess);
      EXPECT_NE(error, thinwireSuccess);
      EXPECT_THAT(thinwireGetLastError(comm), HasSubstr(GetParam().text));
    });
  }
}

TEST(MismatchedCallsTest, SendAndReceiveOfDifferentCountsFailOnBothEnds) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    CMember member(comm);
    Op op = AllReduceOf(rank == 0 ? 10 : 11);
    op.operation = rank == 0 ? Operation::kSend : Operation::kRecv;
    op.root = 1 - rank;
    std::vector<float> values(11);
    Status status = member.Run(op, values.data(), values.data());
    while (status.ok()) status = member.Run(AllReduceOf(1), values.data(), values.data());
    EXPECT_THAT(status.message(), HasSubstr("count 10 there, 11 here"));
    EXPECT_EQ(values, std::vector<float>(11));
  });
}

TEST(MismatchedCallsTest, ARankThatNeverComesIsNamedAfterTheTimeout) {
  Settings settings;
  settings.timeout_seconds = 0.5;
  Comms comms(3, settings);
  std::atomic<int> waiting{2};
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 2) {
      while (waiting > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      return;
    }
    std::vector<float> values(10);
    CMember member(comm);
    const Status status = member.Run(AllReduceOf(10), values.data(), values.data());
    EXPECT_THAT(status.code(), AnyOf(Code::kTimeout, Code::kRemote));
    EXPECT_THAT(status.message(), HasSubstr("it waits for rank 2"));
    --waiting;
  });
}

// ---- Bad frames ----

EngineStack WithFaults(double silence_seconds) {
  EngineStack stack;
  stack.transport = MakeFaulty({});
  stack.timeout_seconds = 1;
  stack.silence_seconds = silence_seconds;
  return stack;
}

// Runs all-reduces until one fails; every one that succeeds must be right.
Status RunUntilFailure(EngineMember& member) {
  const size_t count = 10'000;
  const Bytes input = Elements(DataType::kFloat32, count, [&](size_t i) {
    return ContributionOf(DataType::kFloat32, Reduction::kSum, member.rank(), i);
  });
  const Bytes expected = Elements(DataType::kFloat32, count, [&](size_t i) {
    return ReducedOf(DataType::kFloat32, Reduction::kSum, member.ranks(), i);
  });
  const TimePoint patience = Patience();
  while (Now() < patience) {
    Bytes output(input.size());
    const Status status = member.Run(AllReduceOf(count), input.data(), output.data());
    if (!status.ok()) return status;
    EXPECT_EQ(output, expected);
  }
  return {};
}

struct FaultCase {
  std::string name;
  Fault fault;
  std::vector<std::string> texts;  // one of them must be read
};
void PrintTo(const FaultCase& fault, std::ostream* out) { *out << fault.name; }
const FaultCase kFaultCases[] = {
    {"Dropped", Fault::kDrop, {"made no progress", "it waits for rank"}},
    {"Flipped", Fault::kCorrupt, {"damaged"}},
    {"CutShort", Fault::kTruncate, {"damaged"}},
    {"Doubled", Fault::kDuplicate, {"not expected", "has ended here"}},
};
class FaultTest : public testing::TestWithParam<FaultCase> {};
INSTANTIATE_TEST_SUITE_P(Frames, FaultTest, testing::ValuesIn(kFaultCases),
                         [](const auto& instance) { return instance.param.name; });

TEST_P(FaultTest, FailsEveryRankAndCorruptsNoResult) {
  std::barrier all_began(3);
  RunEngines(WithFaults(20), 3, [&](EngineMember& member) {
    std::vector<float> values(100);
    EXPECT_TRUE(member.Run(AllReduceOf(100), values.data(), values.data()).ok());
    all_began.arrive_and_wait();  // no rank may fail before the others have got through
    // Heartbeats are lost or doubled without harm: strike often enough to hit a data frame.
    if (member.rank() == 1) member.faults().Inject(GetParam().fault, 20);
    const Status status = RunUntilFailure(member);
    ASSERT_FALSE(status.ok());
    std::vector<Matcher<std::string>> texts;
    for (const std::string& text : GetParam().texts) texts.push_back(HasSubstr(text));
    EXPECT_THAT(status.message(), testing::AnyOfArray(texts));
  });
}

TEST(SilenceTest, ASilentPeerIsNamed) {
  std::atomic<int> unaware{2};
  RunEngines(WithFaults(0.6), 3, [&](EngineMember& member) {
    if (member.rank() == 2) {
      member.faults().Cut(0);
      member.faults().Cut(1);
    }
    const Status status = RunUntilFailure(member);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), Code::kRemote);
    EXPECT_THAT(status.message(), HasSubstr("lost rank"));
    if (member.rank() == 2) {
      while (unaware > 0) std::this_thread::yield();  // leaving would be noticed
      return;
    }
    --unaware;
    EXPECT_THAT(status.message(), HasSubstr("lost rank 2: nothing heard"));
  });
}

// Heartbeats keep an idle communicator alive past the silence limit.
TEST(SilenceTest, IdleRanksAreNotSilent) {
  RunEngines(WithFaults(0.6), 2, [](EngineMember& member) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    float value = 1;
    const Status status = member.Run(AllReduceOf(1), &value, &value);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(value, 2);
  });
}

// ---- Peers that leave ----

TEST(DepartureTest, ARankThatLeftIsNamedToThoseWhoWait) {
  Comms comms(3, Settings());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) {
      EXPECT_EQ(thinwireCommDestroy(comms.Release(1)), thinwireSuccess);
      return;
    }
    float value = 1;
    CMember member(comm);
    const Status status = member.Run(AllReduceOf(1), &value, &value);
    EXPECT_EQ(status.code(), Code::kRemote);
    EXPECT_THAT(status.message(), HasSubstr("rank 1"));
  });
}

TEST(DepartureTest, LeavingDoesNotHurtWhoHasNothingPending) {
  Comms comms(3, Settings());
  EXPECT_EQ(thinwireCommDestroy(comms.Release(2)), thinwireSuccess);
  for (const int rank : {0, 1}) {
    thinwireResult_t error = thinwireSystemError;
    EXPECT_EQ(thinwireCommGetAsyncError(comms[rank], &error), thinwireSuccess);
    EXPECT_EQ(error, thinwireSuccess);
  }
}

TEST(DepartureTest, AbortFreesThoseWhoWaitHereAndElsewhere) {
  for (const char* transport : {"loopback", "auto"}) {
    Comms comms(3, Over(transport));
    std::atomic<int> started{0};
    std::thread aborts([&] {
      while (started < 2) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      EXPECT_EQ(thinwireCommAbort(comms.Release(0)), thinwireSuccess);
    });
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      if (rank == 2) return;  // never comes
      CMember member(comm);
      float value = 1;
      ++started;
      const Status status = member.Run(AllReduceOf(1), &value, &value);
      EXPECT_FALSE(status.ok());
      EXPECT_THAT(status.message(), HasSubstr("rank 0 aborted"));
    });
    aborts.join();
  }
}

TEST(DepartureTest, EveryoneMayAbortAtOnce) {
  Comms comms(4, Settings());
  OnThreads(4,
            [&](int rank) { EXPECT_EQ(thinwireCommAbort(comms.Release(rank)), thinwireSuccess); });
}

}  // namespace
}  // namespace thinwire
