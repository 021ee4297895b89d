// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

// All of one thread's communicators in one group, as programs with several devices do.
TEST(GroupTest, OneThreadDrivesAllRanks) {
  Comms comms(3, Settings());
  std::vector<float> values = {1, 2, 3};
  EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 3; ++rank) {
    float* const value = &values[static_cast<size_t>(rank)];
    EXPECT_EQ(
        thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum, comms[rank], nullptr),
        thinwireSuccess);
  }
  EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
  EXPECT_EQ(values, std::vector<float>(3, 6));
}

TEST(GroupTest, OnlyTheOutermostEndRuns) {
  Comms comms(2, Settings());
  std::vector<float> values = {1, 2};
  EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 2; ++rank) {
    float* const value = &values[static_cast<size_t>(rank)];
    EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
    EXPECT_EQ(
        thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum, comms[rank], nullptr),
        thinwireSuccess);
    EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
    EXPECT_EQ(values, (std::vector<float>{1, 2}));
  }
  EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
  EXPECT_EQ(values, std::vector<float>(2, 3));
}

TEST(GroupTest, AnEndTooManyIsRefused) {
  EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidUsage);
  EXPECT_THAT(thinwireGetLastError(nullptr), HasSubstr("GroupEnd without a GroupStart"));
  EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
  EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
  EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidUsage);
}

TEST(GroupTest, NothingRunsWhenACallIsRefused) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    float value = 1;
    thinwireRequest_t request = nullptr;
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.request = &request;
    EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
    EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, &options),
              thinwireSuccess);
    int done = 1;
    EXPECT_EQ(thinwireRequestTest(request, &done), thinwireSuccess);
    EXPECT_EQ(done, 0);
    EXPECT_EQ(thinwireRequestWait(request), thinwireInvalidUsage);
    // On rank 0 by a wrong enum, on rank 1 by a wrong argument.
    const auto dtype = static_cast<thinwireDataType_t>(rank == 0 ? 99 : thinwireFloat32);
    EXPECT_EQ(thinwireBroadcast(&value, &value, 1, dtype, rank == 0 ? 0 : 7, comm, nullptr),
              thinwireInvalidArgument);
    EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidArgument);
    EXPECT_THAT(thinwireGetLastError(nullptr), HasSubstr("no call of the group ran"));
    EXPECT_EQ(thinwireRequestTest(request, &done), thinwireSuccess);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(thinwireRequestWait(request), thinwireInvalidArgument);
    EXPECT_EQ(value, 1);
    // Neither this thread's groups nor the communicator is any the worse for it.
    EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
              thinwireSuccess)
        << thinwireGetLastError(comm);
    EXPECT_EQ(value, 2);
  });
}

TEST(GroupTest, ACallOnNoCommunicatorSpoilsTheGroup) {
  EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
  EXPECT_EQ(thinwireBarrier(nullptr, nullptr), thinwireInvalidArgument);
  EXPECT_EQ(thinwireGroupEnd(), thinwireInvalidArgument);
}

TEST(GroupTest, AnEmptyGroupIsFine) {
  EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
  EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
}

TEST(GroupTest, SpansSeveralCommunicators) {
  Comms first(2, Settings());
  Comms second(2, Settings());
  OnThreads(2, [&](int rank) {
    float a = 1;
    float b = 10;
    EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
    // In different orders on the two ranks: communicators don't wait for each other.
    for (int k = 0; k < 2; ++k) {
      const bool is_first = k == rank;
      float* const value = is_first ? &a : &b;
      EXPECT_EQ(thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum,
                                  is_first ? first[rank] : second[rank], nullptr),
                thinwireSuccess);
    }
    EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess);
    EXPECT_EQ(a, 2);
    EXPECT_EQ(b, 20);
  });
}

TEST(GroupTest, AMixOfOperationsRunsTogether) {
  Comms comms(3, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    float sum = 1;
    std::vector<float> gathered(3);
    const float mine = static_cast<float>(rank);
    float received = -1;
    EXPECT_EQ(thinwireGroupStart(), thinwireSuccess);
    thinwireAllReduce(&sum, &sum, 1, thinwireFloat32, thinwireSum, comm, nullptr);
    if (rank == 0) thinwireSend(&mine, 1, thinwireFloat32, 2, comm, nullptr);
    thinwireAllGather(&mine, gathered.data(), 1, thinwireFloat32, comm, nullptr);
    if (rank == 2) thinwireRecv(&received, 1, thinwireFloat32, 0, comm, nullptr);
    thinwireBarrier(comm, nullptr);
    EXPECT_EQ(thinwireGroupEnd(), thinwireSuccess) << thinwireGetLastError(comm);
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(gathered, (std::vector<float>{0, 1, 2}));
    EXPECT_EQ(received, rank == 2 ? 0 : -1);
  });
}

TEST(RequestTest, CompletesLaterAndIsWaitedForOnce) {
  Comms comms(2, Settings());
  float values[2] = {1, 2};
  thinwireRequest_t requests[2] = {};
  for (int rank = 0; rank < 2; ++rank) {
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.request = &requests[rank];
    ASSERT_EQ(thinwireAllReduce(&values[rank], &values[rank], 1, thinwireFloat32, thinwireSum,
                                comms[rank], &options),
              thinwireSuccess);
    ASSERT_NE(requests[rank], nullptr);
    int done = -1;
    EXPECT_EQ(thinwireRequestTest(requests[rank], &done), thinwireSuccess);
    if (rank == 0) {
      EXPECT_EQ(done, 0);  // the other rank has not even called
    }
  }
  for (const thinwireRequest_t request : requests) {
    EXPECT_EQ(thinwireRequestWait(request), thinwireSuccess);
  }
  EXPECT_EQ(values[0], 3);
  EXPECT_EQ(values[1], 3);
}

TEST(RequestTest, ARefusedCallMakesNone) {
  Comms comms(1, Settings());
  thinwireRequest_t request = nullptr;
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.request = &request;
  EXPECT_EQ(
      thinwireAllReduce(nullptr, nullptr, 1, thinwireFloat32, thinwireSum, comms[0], &options),
      thinwireInvalidArgument);
  EXPECT_EQ(request, nullptr);
}

TEST(RequestTest, OutlivesItsCommunicator) {
  thinwireRequest_t request = nullptr;
  float value = 5;
  {
    Comms comms(1, Settings());
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.request = &request;
    ASSERT_EQ(
        thinwireAllReduce(&value, &value, 1, thinwireFloat32, thinwireSum, comms[0], &options),
        thinwireSuccess);
  }
  EXPECT_EQ(thinwireRequestWait(request), thinwireSuccess);
}

}  // namespace
}  // namespace thinwire
