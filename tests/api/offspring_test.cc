// SPDX-License-Identifier: Apache-2.0
//
// Communicators made from others: split, shrunk after a loss, grown; made in groups and without
// waiting; revoked and finalized.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

// Over each transport that crosses processes, and in memory.
class OffspringTest : public testing::TestWithParam<const char*> {
 protected:
  Settings settings() const { return Over(GetParam()); }
};

std::string LastError() { return thinwireGetLastError(nullptr); }

// The sum of what every rank of `comm` brings.
float SumOf(thinwireComm_t comm, float mine) {
  float sum = 0;
  EXPECT_EQ(thinwireAllReduce(&mine, &sum, 1, thinwireFloat32, thinwireSum, comm, nullptr),
            thinwireSuccess)
      << LastError();
  return sum;
}

int RankIn(thinwireComm_t comm) {
  int rank = -1;
  EXPECT_EQ(thinwireCommUserRank(comm, &rank), thinwireSuccess);
  return rank;
}

TEST_P(OffspringTest, SplitMakesACommunicatorOfEachColorInTheOrderOfKeys) {
  Comms comms(5, settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    // Ranks 0, 2, 4 are of color 0, in reverse; 1 is of color 7, 3 of none.
    const int color = rank % 2 == 0 ? 0 : rank == 1 ? 7 : THINWIRE_NO_COLOR;
    thinwireComm_t child = nullptr;
    ASSERT_EQ(thinwireCommSplit(comm, color, -rank, &child, nullptr), thinwireSuccess)
        << LastError();
    if (rank == 3) {
      EXPECT_EQ(child, nullptr);
    } else {
      EXPECT_EQ(RankIn(child), rank == 1 ? 0 : (4 - rank) / 2);
      EXPECT_EQ(SumOf(child, static_cast<float>(rank)), rank == 1 ? 1 : 6);
    }
    EXPECT_EQ(SumOf(comm, 1), 5);  // the parent goes on
    EXPECT_EQ(thinwireCommDestroy(child), thinwireSuccess);
  });
}

TEST_P(OffspringTest, SplitsOfSplitsAndRepeatedSplitsAreCommunicatorsOfTheirOwn) {
  Comms comms(4, settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    for (int round = 0; round < 3; ++round) {
      thinwireComm_t pair = nullptr;
      thinwireComm_t alone = nullptr;
      ASSERT_EQ(thinwireCommSplit(comm, rank / 2, rank, &pair, nullptr), thinwireSuccess);
      ASSERT_EQ(thinwireCommSplit(pair, rank, 0, &alone, nullptr), thinwireSuccess);
      EXPECT_EQ(SumOf(pair, static_cast<float>(rank)), rank < 2 ? 1 : 5);
      EXPECT_EQ(SumOf(alone, 3), 3);
      EXPECT_EQ(thinwireCommDestroy(alone), thinwireSuccess);
      EXPECT_EQ(thinwireCommDestroy(pair), thinwireSuccess);
    }
  });
}

TEST_P(OffspringTest, SurvivorsShrinkWhenARankIsLost) {
  Comms comms(4, settings());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 0) {
      EXPECT_EQ(thinwireCommAbort(comms.Release(0)), thinwireSuccess);
      return;
    }
    float value = 1;
    EXPECT_NE(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
              thinwireSuccess);
    const int lost[] = {0};
    thinwireComm_t child = nullptr;
    ASSERT_EQ(thinwireCommShrink(comm, lost, 1, &child, nullptr), thinwireSuccess) << LastError();
    EXPECT_EQ(RankIn(child), rank - 1);
    EXPECT_EQ(SumOf(child, static_cast<float>(rank)), 6);
    // And once more, without the last.
    const int last[] = {2};
    thinwireComm_t pair = nullptr;
    if (rank != 3) {
      ASSERT_EQ(thinwireCommShrink(child, last, 1, &pair, nullptr), thinwireSuccess) << LastError();
      EXPECT_EQ(SumOf(pair, static_cast<float>(rank)), 3);
    }
    EXPECT_EQ(thinwireCommDestroy(pair), thinwireSuccess);
    EXPECT_EQ(thinwireCommDestroy(child), thinwireSuccess);
  });
}

TEST_P(OffspringTest, GrowingTakesInNewRanks) {
  Comms comms(2, settings());
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  const Settings own = settings();
  OnThreads(4, [&](int rank) {
    thinwireComm_t grown = nullptr;
    if (rank < 2) {
      ASSERT_EQ(thinwireCommGrow(comms[rank], 4, rank == 1 ? &id : nullptr, &grown, nullptr),
                thinwireSuccess)
          << LastError();
    } else {
      const thinwireConfig_t config = own.config();
      ASSERT_EQ(thinwireCommInitRank(&grown, 4, id, rank, &config), thinwireSuccess) << LastError();
    }
    EXPECT_EQ(RankIn(grown), rank);
    EXPECT_EQ(SumOf(grown, 1), 4);
    EXPECT_EQ(thinwireCommDestroy(grown), thinwireSuccess);
  });
}

TEST_P(OffspringTest, RevokedOnesRefuseCallsAndCanBeSplit) {
  Comms comms(3, settings());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) {
      EXPECT_EQ(thinwireCommRevoke(comm), thinwireSuccess);
      EXPECT_EQ(thinwireCommRevoke(comm), thinwireInvalidArgument);
    } else {
      float value = 1;  // waits for rank 1 in vain
      EXPECT_NE(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
                thinwireSuccess);
      EXPECT_EQ(thinwireCommRevoke(comm), thinwireSuccess);
    }
    EXPECT_EQ(thinwireBarrier(comm, nullptr), thinwireInvalidUsage);
    EXPECT_EQ(thinwireCommFinalize(comm), thinwireInvalidUsage);
    thinwireResult_t error = thinwireInternalError;
    EXPECT_EQ(thinwireCommGetAsyncError(comm, &error), thinwireSuccess);
    EXPECT_EQ(error, thinwireSuccess);
    thinwireComm_t child = nullptr;
    ASSERT_EQ(thinwireCommSplit(comm, 0, 0, &child, nullptr), thinwireSuccess) << LastError();
    EXPECT_EQ(SumOf(child, 1), 3);
    EXPECT_EQ(thinwireCommDestroy(child), thinwireSuccess);
  });
}

INSTANTIATE_TEST_SUITE_P(Over, OffspringTest, testing::Values("loopback", "tcp", "ucx"),
                         [](const auto& given) { return std::string(given.param); });

// ---- What no transport has a part in ----

TEST(OffspringArgumentsTest, MistakesAreNamed) {
  Comms comms(2, Settings());
  thinwireComm_t child = nullptr;
  EXPECT_EQ(thinwireCommSplit(comms[0], -2, 0, &child, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("the color is -2"));
  const int ranks[] = {0, 5};
  EXPECT_EQ(thinwireCommShrink(comms[0], ranks, 0, &child, nullptr), thinwireInvalidArgument);
  EXPECT_EQ(thinwireCommShrink(comms[0], ranks, 1, &child, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("rank 0 excludes itself"));
  EXPECT_EQ(thinwireCommShrink(comms[1], ranks + 1, 1, &child, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("no rank 5 of 2"));
  EXPECT_EQ(thinwireCommGrow(comms[0], 2, nullptr, &child, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("no more than the 2"));
  EXPECT_EQ(thinwireCommSplit(nullptr, 0, 0, &child, nullptr), thinwireInvalidArgument);
  EXPECT_EQ(thinwireCommSplit(comms[0], 0, 0, nullptr, nullptr), thinwireInvalidArgument);
  // Nothing of this hurts the communicator.
  thinwireResult_t error = thinwireInternalError;
  EXPECT_EQ(thinwireCommGetAsyncError(comms[0], &error), thinwireSuccess);
  EXPECT_EQ(error, thinwireSuccess);
}

TEST(HandleTest, NamesThatAreNoCommunicatorsAreRefused) {
  Comms comms(1, Settings());
  const thinwireComm_t gone = comms.Release(0);
  ASSERT_EQ(thinwireCommAbort(gone), thinwireSuccess);
  EXPECT_EQ(thinwireBarrier(gone, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("destroyed or aborted before"));
  EXPECT_EQ(thinwireCommDestroy(gone), thinwireInvalidArgument);
  int number = 0;
  EXPECT_EQ(thinwireCommCount(reinterpret_cast<thinwireComm_t>(&number), &number),
            thinwireInvalidArgument);
}

TEST(HandleTest, FinalizedOnesRefuseCalls) {
  Comms comms(2, Settings());
  comms.OnRanks([](int, thinwireComm_t comm) {
    EXPECT_EQ(thinwireCommFinalize(comm), thinwireSuccess) << LastError();
    EXPECT_EQ(thinwireBarrier(comm, nullptr), thinwireInvalidUsage);
    EXPECT_THAT(LastError(), HasSubstr("finalized"));
    EXPECT_EQ(thinwireCommFinalize(comm), thinwireInvalidUsage);
  });
}

TEST(HandleTest, OneThreadMakesAllRanksInAGroup) {
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  const Settings settings;
  const thinwireConfig_t config = settings.config();
  std::vector<thinwireComm_t> comms(3);
  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(thinwireCommInitRank(&comms[static_cast<size_t>(rank)], 3, id, rank, &config),
              thinwireSuccess);
  }
  EXPECT_EQ(thinwireBarrier(comms[0], nullptr), thinwireInvalidArgument) << "it is not made yet";
  EXPECT_EQ(thinwireCommDestroy(comms[0]), thinwireInvalidUsage);
  EXPECT_THAT(LastError(), HasSubstr("in a group that has not ended"));
  EXPECT_NE(thinwireGroupEnd(), thinwireSuccess) << "a call was refused, so nothing was made";
  for (thinwireComm_t& comm : comms) EXPECT_EQ(thinwireCommAbort(comm), thinwireSuccess);

  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(thinwireCommInitRank(&comms[static_cast<size_t>(rank)], 3, id, rank, &config),
              thinwireSuccess);
  }
  ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess) << LastError();
  // Children of all three in one group as well; then everything is left.
  std::vector<thinwireComm_t> children(3);
  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (size_t rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(thinwireCommSplit(comms[rank], 0, 0, &children[rank], nullptr), thinwireSuccess);
  }
  ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess) << LastError();
  OnThreads(3, [&](int rank) {
    EXPECT_EQ(SumOf(children[static_cast<size_t>(rank)], 1), 3);
    EXPECT_EQ(thinwireCommDestroy(children[static_cast<size_t>(rank)]), thinwireSuccess);
    EXPECT_EQ(thinwireCommDestroy(comms[static_cast<size_t>(rank)]), thinwireSuccess);
  });
}

TEST(HandleTest, AGroupCannotBothMakeAndUseCommunicators) {
  Comms comms(1, Settings());
  thinwireComm_t child = nullptr;
  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  float value = 1;
  EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comms[0], nullptr),
            thinwireSuccess);
  EXPECT_EQ(thinwireCommSplit(comms[0], 0, 0, &child, nullptr), thinwireSuccess);
  EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidUsage);
  EXPECT_EQ(child, nullptr);
  EXPECT_EQ(SumOf(comms[0], 2), 2);
}

// Asks until it is no longer in progress.
thinwireResult_t Outcome(thinwireComm_t comm) {
  thinwireResult_t error = thinwireInProgress;
  while (error == thinwireInProgress) {
    EXPECT_EQ(thinwireCommGetAsyncError(comm, &error), thinwireSuccess);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return error;
}

// It may have ended as soon as it began.
const auto kBegun = testing::AnyOf(thinwireInProgress, thinwireSuccess);

TEST(NonblockingTest, SetUpReturnsAtOnceAndIsAskedFor) {
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  const Settings settings;
  thinwireConfig_t config = settings.config();
  config.blocking = 0;
  thinwireComm_t first = nullptr;
  ASSERT_EQ(thinwireCommInitRank(&first, 2, id, 0, &config), thinwireInProgress);
  ASSERT_NE(first, nullptr);
  thinwireResult_t error = thinwireSuccess;
  EXPECT_EQ(thinwireCommGetAsyncError(first, &error), thinwireSuccess);
  EXPECT_EQ(error, thinwireInProgress);
  EXPECT_EQ(thinwireBarrier(first, nullptr), thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("before what was begun on it has ended"));
  OnThreads(2, [&](int rank) {
    thinwireComm_t comm = first;
    if (rank == 1) {
      ASSERT_THAT(thinwireCommInitRank(&comm, 2, id, 1, &config), kBegun);
    }
    ASSERT_EQ(Outcome(comm), thinwireSuccess);
    EXPECT_EQ(SumOf(comm, 1), 2);
    thinwireComm_t child = nullptr;
    ASSERT_THAT(thinwireCommSplit(comm, rank, 0, &child, nullptr), kBegun);
    ASSERT_EQ(Outcome(comm), thinwireSuccess);
    ASSERT_NE(child, nullptr);
    EXPECT_EQ(SumOf(child, 5), 5);
    for (thinwireComm_t each : {child, comm}) {
      ASSERT_THAT(thinwireCommFinalize(each), kBegun);
      EXPECT_EQ(Outcome(each), thinwireSuccess);
      EXPECT_EQ(thinwireCommDestroy(each), thinwireSuccess);
    }
  });
}

TEST(NonblockingTest, AnAbortDoesNotWaitForASetUpThatNobodyElseJoins) {
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  Settings settings;
  settings.connect_timeout_seconds = 30;
  thinwireConfig_t config = settings.config();
  config.blocking = 0;
  thinwireComm_t comm = nullptr;
  ASSERT_EQ(thinwireCommInitRank(&comm, 2, id, 0, &config), thinwireInProgress);
  const TimePoint start = Now();
  EXPECT_EQ(thinwireCommAbort(comm), thinwireSuccess);
  EXPECT_LT(ToSeconds(Now() - start), 10);
}

TEST(NonblockingTest, AFailedSetUpSaysWhy) {
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  Settings settings;
  settings.connect_timeout_seconds = 0.3;
  thinwireConfig_t config = settings.config();
  config.blocking = 0;
  thinwireComm_t comm = nullptr;
  ASSERT_EQ(thinwireCommInitRank(&comm, 2, id, 0, &config), thinwireInProgress);
  EXPECT_EQ(Outcome(comm), thinwireTimeout);
  EXPECT_THAT(thinwireGetLastError(comm), HasSubstr("rank 1"));
  EXPECT_EQ(thinwireCommAbort(comm), thinwireSuccess);
}

// ---- Gather and scatter ----

TEST(GatherTest, PartsStandInTheOrderOfRanks) {
  Comms comms(3, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    const int mine[] = {rank, 10 + rank};
    std::vector<int> all(6, -1);
    ASSERT_EQ(thinwireGather(mine, all.data(), 2, thinwireInt32, 1, comm, nullptr), thinwireSuccess)
        << LastError();
    EXPECT_EQ(all, rank == 1 ? std::vector<int>({0, 10, 1, 11, 2, 12}) : std::vector<int>(6, -1));
    int part[] = {-1, -1};
    std::iota(all.begin(), all.end(), 0);
    ASSERT_EQ(
        thinwireScatter(rank == 2 ? all.data() : nullptr, part, 2, thinwireInt32, 2, comm, nullptr),
        thinwireSuccess)
        << LastError();
    EXPECT_EQ(part[0], 2 * rank);
    EXPECT_EQ(part[1], 2 * rank + 1);
  });
}

TEST(GatherTest, InPlaceOnTheRootAndInGroups) {
  Comms comms(3, Settings());
  std::vector<std::vector<int>> buffers = {{0, 0, 0}, {0, 1, 0}, {0, 0, 2}};
  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 3; ++rank) {
    int* const own = buffers[static_cast<size_t>(rank)].data();
    EXPECT_EQ(thinwireGather(own + rank, own, 1, thinwireInt32, 0, comms[rank], nullptr),
              thinwireSuccess);
  }
  ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess) << LastError();
  EXPECT_EQ(buffers[0], std::vector<int>({0, 1, 2}));
  EXPECT_EQ(buffers[1], std::vector<int>({0, 1, 0}));
  EXPECT_EQ(thinwireGather(nullptr, nullptr, 1, thinwireInt32, 3, comms[0], nullptr),
            thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("gather: root is 3"));
}

TEST(PredictTest, AGroupIsPredictedAndNotRun) {
  Settings settings;
  settings.link = "rate=100mbit,delay=20ms";
  Comms comms(2, settings);
  float untouched = 3;
  std::vector<float> big(250000);
  double seconds[2] = {};
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
    ASSERT_EQ(thinwireAllReduce(big.data(), big.data(), big.size(), thinwireFloat32, thinwireSum,
                                comm, nullptr),
              thinwireSuccess);
    float* const value = rank == 0 ? &untouched : big.data();
    ASSERT_EQ(thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
              thinwireSuccess);
    ASSERT_EQ(thinwireGroupPredict(&seconds[rank]), thinwireSuccess) << LastError();
  });
  EXPECT_EQ(untouched, 3);
  // 1 MB at 100 Mbit/s are 80 ms, and both calls take 20 ms for each of two hops or one.
  EXPECT_GT(seconds[0], 0.1);
  EXPECT_LT(seconds[0], 0.25);
  EXPECT_DOUBLE_EQ(seconds[0], seconds[1]);
  EXPECT_EQ(thinwireGroupPredict(&seconds[0]), thinwireInvalidUsage);
}

TEST(MemoryTest, OfTheHostWhereThereIsNoDevice) {
  void* memory = nullptr;
  ASSERT_EQ(thinwireMemAlloc(&memory, 1000), thinwireSuccess) << LastError();
  static_cast<char*>(memory)[999] = 1;
  EXPECT_EQ(thinwireMemFree(memory), thinwireSuccess);
  EXPECT_EQ(thinwireMemFree(memory), thinwireInvalidArgument);
  EXPECT_EQ(thinwireMemFree(nullptr), thinwireSuccess);
  ASSERT_EQ(thinwireMemAlloc(&memory, 0), thinwireSuccess);
  EXPECT_NE(memory, nullptr);
  EXPECT_EQ(thinwireMemFree(memory), thinwireSuccess);
  EXPECT_EQ(thinwireMemAlloc(&memory, ~size_t{0}), thinwireInvalidArgument);
}

}  // namespace
}  // namespace thinwire
