// SPDX-License-Identifier: Apache-2.0
//
// Survival policies through the C API: ranks as threads, lost by an abort, or late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string LastError() { return thinwireGetLastError(nullptr); }

Settings Surviving(const std::string& survival, const std::string& transport = "loopback") {
  Settings settings = Over(transport);
  settings.survival = survival;
  settings.silence_seconds = 5;
  return settings;
}

std::vector<int> Participants(thinwireComm_t comm) {
  std::vector<int> ranks(16);
  int count = 0;
  uint64_t hash = 0;
  EXPECT_EQ(thinwireCommParticipants(comm, ranks.data(), &count, &hash), thinwireSuccess)
      << LastError();
  EXPECT_NE(hash, 0u);
  ranks.resize(static_cast<size_t>(count));
  return ranks;
}

// Of 1,000 elements, in place, of which every one of this rank's is `mine`.
float Reduced(thinwireComm_t comm, float mine, thinwireRedOp_t op = thinwireSum,
              const thinwireCallOptions_t* options = nullptr) {
  std::vector<float> values(1000, mine);
  EXPECT_EQ(thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32, op,
                              comm, options),
            thinwireSuccess)
      << LastError();
  for (const float value : values) EXPECT_EQ(value, values.front());
  return values.front();
}

void Lose(Comms& comms, int rank) {
  EXPECT_EQ(thinwireCommAbort(comms.Release(rank)), thinwireSuccess);
}

void Pause(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

class ExcludeTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transports, ExcludeTest, testing::Values("loopback", "tcp"));

TEST_P(ExcludeTest, CallsAreMadeAgainWithoutRanksThatAreLost) {
  Comms comms(4, Surviving("exclude", GetParam()));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    EXPECT_EQ(Reduced(comm, static_cast<float>(rank)), 6);
    EXPECT_THAT(Participants(comm), ElementsAre(0, 1, 2, 3));
    if (rank == 0) return Lose(comms, 0);
    EXPECT_EQ(Reduced(comm, static_cast<float>(rank)), 6);  // 1 + 2 + 3
    EXPECT_THAT(Participants(comm), ElementsAre(1, 2, 3));
    EXPECT_EQ(Reduced(comm, static_cast<float>(rank), thinwireAvg), 2);
    int count = 0;
    int own = -1;
    EXPECT_EQ(thinwireCommCount(comm, &count), thinwireSuccess);
    EXPECT_EQ(thinwireCommUserRank(comm, &own), thinwireSuccess);
    EXPECT_EQ(count, 4);
    EXPECT_EQ(own, rank);
    if (rank == 2) return Lose(comms, 2);
    EXPECT_EQ(Reduced(comm, static_cast<float>(rank)), 4);  // 1 + 3: two of three
    EXPECT_THAT(Participants(comm), ElementsAre(1, 3));
    thinwireResult_t error = thinwireInternalError;
    EXPECT_EQ(thinwireCommGetAsyncError(comm, &error), thinwireSuccess);
    EXPECT_EQ(error, thinwireSuccess);
  });
}

TEST_P(ExcludeTest, ARankThatMakesNoCallIsNotTakenForLost) {
  Comms comms(3, Surviving("exclude", GetParam()));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 2) return Lose(comms, 2);
    if (rank == 1) Pause(1);  // computes
    EXPECT_EQ(Reduced(comm, 1), 2);
    EXPECT_THAT(Participants(comm), ElementsAre(0, 1));
  });
}

TEST_P(ExcludeTest, AllCallsOfAGroupAreMadeAgainFromTheirInputs) {
  Comms comms(3, Surviving("exclude", GetParam()));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) return Lose(comms, 1);
    std::vector<float> sum(5000, static_cast<float>(rank + 1));
    std::vector<float> send(5000, static_cast<float>(rank + 1));
    std::vector<float> mean(5000, -1);
    std::vector<float> root(5000, static_cast<float>(rank));
    ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
    EXPECT_EQ(thinwireAllReduce(sum.data(), sum.data(), sum.size(), thinwireFloat32, thinwireSum,
                                comm, nullptr),
              thinwireSuccess);
    EXPECT_EQ(thinwireAllReduce(send.data(), mean.data(), mean.size(), thinwireFloat32, thinwireAvg,
                                comm, nullptr),
              thinwireSuccess);
    EXPECT_EQ(
        thinwireBroadcast(root.data(), root.data(), root.size(), thinwireFloat32, 2, comm, nullptr),
        thinwireSuccess);
    ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess) << LastError();
    EXPECT_EQ(sum.back(), 4);
    EXPECT_EQ(mean.back(), 2);
    EXPECT_EQ(root.back(), 2);
  });
}

TEST(ExcludeLimitsTest, WhatNeedsTheLostRankFailsAndTheRestGoesOn) {
  Comms comms(3, Surviving("exclude"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) return Lose(comms, 1);
    EXPECT_EQ(Reduced(comm, 1), 2);
    float value = 1;
    EXPECT_EQ(thinwireBroadcast(&value, &value, 1, thinwireFloat32, 1, comm, nullptr),
              thinwireRemoteError);
    EXPECT_THAT(LastError(), HasSubstr("rank 1 was lost"));
    float all[3] = {};
    EXPECT_EQ(thinwireAllGather(&value, all, 1, thinwireFloat32, comm, nullptr),
              thinwireRemoteError);
    EXPECT_THAT(LastError(), HasSubstr("all_gather needs all 3 ranks, of which 2 are left: 0, 2"));
    EXPECT_EQ(Reduced(comm, 1), 2);
    // As of communicators from it: of those that are left.
    thinwireComm_t child = nullptr;
    ASSERT_EQ(thinwireCommSplit(comm, 0, rank, &child, nullptr), thinwireSuccess) << LastError();
    int count = 0;
    EXPECT_EQ(thinwireCommCount(child, &count), thinwireSuccess);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(thinwireCommDestroy(child), thinwireSuccess);
    const int lost[] = {1};
    EXPECT_EQ(thinwireCommShrink(comm, lost, 1, &child, nullptr), thinwireInvalidUsage);
  });
}

TEST(ExcludeLimitsTest, TooFewDoNotGoOn) {
  Comms comms(2, Surviving("exclude"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 0) return Lose(comms, 0);
    float value = 1;
    EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
              thinwireRemoteError);
    EXPECT_THAT(LastError(), HasSubstr("1 of 2 ranks are left, too few to go on"));
    thinwireResult_t error = thinwireSuccess;
    EXPECT_EQ(thinwireCommGetAsyncError(comm, &error), thinwireSuccess);
    EXPECT_EQ(error, thinwireRemoteError);
  });
}

TEST(ExcludeLimitsTest, OneAloneGoesOnWhereThatIsAllowed) {
  Comms comms(2, Surviving("exclude(least=1)"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 0) return Lose(comms, 0);
    EXPECT_EQ(Reduced(comm, 5), 5);
    EXPECT_EQ(Reduced(comm, 5, thinwireAvg), 5);
    EXPECT_THAT(Participants(comm), ElementsAre(1));
  });
}

TEST(ExcludeLimitsTest, WhatCannotBeMadeAgainIsRefused) {
  Comms comms(2, Surviving("exclude"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    float value = 1;
    thinwireRequest_t request = nullptr;
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.request = &request;
    EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, &options),
              thinwireInvalidUsage);
    EXPECT_THAT(LastError(), HasSubstr("give no request"));
    EXPECT_EQ(thinwireSend(&value, 1, thinwireFloat32, 1 - rank, comm, nullptr),
              thinwireInvalidUsage);
    EXPECT_EQ(thinwireAllReduce(nullptr, &value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
              thinwireInvalidArgument);
    int committed = 0;
    EXPECT_EQ(thinwireCommVote(comm, 1, &committed), thinwireInvalidUsage);
    EXPECT_EQ(Reduced(comm, 1), 2);
  });
}

TEST(ExcludeLimitsTest, APolicyIsRankZerosForAll) {
  std::vector<thinwireComm_t> comms(2, nullptr);
  thinwireUniqueId id;
  ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  OnThreads(2, [&](int rank) {
    const Settings settings = Surviving(rank == 0 ? "exclude(least=1)" : "");
    const thinwireConfig_t config = settings.config();
    ASSERT_EQ(thinwireCommInitRank(&comms[static_cast<size_t>(rank)], 2, id, rank, &config),
              thinwireSuccess)
        << LastError();
    const thinwireComm_t comm = comms[static_cast<size_t>(rank)];
    if (rank == 0) {
      EXPECT_EQ(thinwireCommAbort(comm), thinwireSuccess);
    } else {
      EXPECT_EQ(Reduced(comm, 3), 3);
      EXPECT_EQ(thinwireCommDestroy(comm), thinwireSuccess);
    }
  });
}

TEST(ExcludeLimitsTest, WithoutAPolicyNobodyIsAskedWhoTookPart) {
  Comms comms(1, Over("loopback"));
  int count = 0;
  EXPECT_EQ(thinwireCommParticipants(comms[0], nullptr, &count, nullptr), thinwireInvalidUsage);
  EXPECT_THAT(LastError(), HasSubstr("THINWIRE_SURVIVAL"));
}

// ---- Vote ----

TEST_P(ExcludeTest, AVoteDiscardsAStepInWhichARankWasLost) {
  Comms comms(4, Surviving("vote", GetParam()));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    int committed = 0;
    EXPECT_EQ(Reduced(comm, 1), 4);
    EXPECT_EQ(thinwireCommVote(comm, 1, &committed), thinwireSuccess) << LastError();
    EXPECT_EQ(committed, 1);
    // Not lost, and not well.
    EXPECT_EQ(thinwireCommVote(comm, rank != 2, &committed), thinwireSuccess);
    EXPECT_EQ(committed, 0);
    if (rank == 3) return Lose(comms, 3);
    for (int call = 0; call < 3; ++call) {  // no call of the step fails
      std::vector<float> values(1000, 1);
      EXPECT_EQ(thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32,
                                  thinwireSum, comm, nullptr),
                thinwireSuccess);
    }
    EXPECT_EQ(thinwireCommVote(comm, 1, &committed), thinwireSuccess) << LastError();
    EXPECT_EQ(committed, 0);
    EXPECT_EQ(Reduced(comm, 1), 3);
    EXPECT_EQ(thinwireCommVote(comm, 1, &committed), thinwireSuccess);
    EXPECT_EQ(committed, 1);
    EXPECT_THAT(Participants(comm), ElementsAre(0, 1, 2));
  });
}

TEST(VoteTest, ADiscardedStepLeavesTheStateOfCodecsAsItWas) {
  Settings settings = Surviving("vote");
  settings.policy = ">=0: q4+ef";
  Comms comms(2, settings);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.key = 7;
    const auto step = [&](int number) {
      std::vector<float> values(500);
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = std::sin(static_cast<float>(i) * 0.37f + static_cast<float>(number + rank));
      }
      EXPECT_EQ(thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32,
                                  thinwireSum, comm, &options),
                thinwireSuccess)
          << LastError();
      return values;
    };
    int committed = 0;
    step(0);
    ASSERT_EQ(thinwireCommVote(comm, 1, &committed), thinwireSuccess);
    const std::vector<float> first = step(1);
    step(2);
    ASSERT_EQ(thinwireCommVote(comm, rank == 0, &committed), thinwireSuccess);
    EXPECT_EQ(committed, 0);
    EXPECT_EQ(step(1), first) << "the residual of the discarded step is still there";
    EXPECT_NE(step(1), first) << "there is no residual at all";
    ASSERT_EQ(thinwireCommVote(comm, 1, &committed), thinwireSuccess);
  });
}

// ---- Deadline ----

TEST_P(ExcludeTest, WhoIsLateContributesNothingAndHearsTheResult) {
  Comms comms(4, Surviving("deadline(ranks=3,after=50ms)", GetParam()));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    EXPECT_EQ(Reduced(comm, 0), 0);  // all begin together
    thinwireBarrier(comm, nullptr);
    if (rank == 2) Pause(1);
    for (int call = 0; call < 3; ++call) {
      const float value = Reduced(comm, static_cast<float>(1 << rank), thinwireSum);
      const std::vector<int> who = Participants(comm);
      float expected = 0;
      for (const int each : who) expected += static_cast<float>(1 << each);
      EXPECT_EQ(value, expected);
      if (call == 0) {
        EXPECT_THAT(who, ElementsAre(0, 1, 3));
      }
    }
    const float mean = Reduced(comm, static_cast<float>(1 << rank), thinwireAvg);
    const std::vector<int> who = Participants(comm);
    float expected = 0;
    for (const int each : who) expected += static_cast<float>(1 << each);
    EXPECT_FLOAT_EQ(mean, expected / static_cast<float>(who.size()));
  });
}

TEST(DeadlineTest, AsManyAsMustBeAreWaitedFor) {
  Comms comms(3, Surviving("deadline(ranks=3,after=1ms)"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) Pause(0.3);
    EXPECT_EQ(Reduced(comm, 1), 3);
    EXPECT_THAT(Participants(comm), ElementsAre(0, 1, 2));
  });
}

TEST(DeadlineTest, CodecsThatKeepStateStayExact) {
  Settings settings = Surviving("deadline(ranks=1,after=1ms)");
  settings.policy = ">=0: q4+ef";
  Comms comms(2, settings);
  comms.OnRanks([&](int, thinwireComm_t comm) {
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.key = 3;
    Reduced(comm, 0.1f, thinwireSum, &options);
    thinwireStatistics_t statistics = {};
    statistics.size = sizeof(statistics);
    EXPECT_EQ(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &statistics), thinwireSuccess);
    EXPECT_STREQ(statistics.codec, "raw");
  });
}

TEST(DeadlineTest, ALostRankStopsIt) {
  Comms comms(3, Surviving("deadline(ranks=1,after=1ms)"));
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    if (rank == 1) return Lose(comms, 1);
    std::vector<float> values(10, 1);
    thinwireResult_t result = thinwireSuccess;
    for (int call = 0; call < 10'000 && result == thinwireSuccess; ++call) {
      result = thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32,
                                 thinwireMax, comm, nullptr);
    }
    EXPECT_EQ(result, thinwireRemoteError);
  });
}

}  // namespace
}  // namespace thinwire
