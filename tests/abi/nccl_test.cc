// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped library as NCCL's programs use it, and NCCL 2.28's answers to odd calls.
#include "nccl_compat/nccl.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "support/elements.h"
#include "support/member.h"

namespace thinwire {
namespace {

TEST(NcclAnswersTest, OddCallsGiveTheCodesOfNccl) {
  int number = 0;
  ncclResult_t error = ncclSuccess;
  EXPECT_EQ(ncclGetVersion(&number), ncclSuccess);
  EXPECT_EQ(number, 22809);
  EXPECT_EQ(ncclGetVersion(nullptr), ncclInvalidArgument);
  EXPECT_EQ(ncclGetUniqueId(nullptr), ncclInvalidArgument);
  EXPECT_EQ(ncclGroupStart(), ncclSuccess);
  EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage);
  EXPECT_EQ(ncclCommCount(nullptr, &number), ncclInvalidArgument);
  EXPECT_EQ(ncclCommUserRank(nullptr, &number), ncclInvalidArgument);
  EXPECT_EQ(ncclCommGetAsyncError(nullptr, &error), ncclInvalidArgument);
  EXPECT_EQ(ncclCommDestroy(nullptr), ncclSuccess);
  EXPECT_EQ(ncclCommAbort(nullptr), ncclSuccess);
  float value = 0;
  EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, nullptr, nullptr),
            ncclInvalidArgument);
  EXPECT_EQ(ncclSend(&value, 1, ncclFloat, 0, nullptr, nullptr), ncclInvalidArgument);
}

TEST(NcclAnswersTest, EveryCodeHasAText) {
  for (int code = -1; code <= 10; ++code) {
    const char* text = ncclGetErrorString(static_cast<ncclResult_t>(code));
    ASSERT_NE(text, nullptr);
    EXPECT_EQ(std::string(text) == "unknown result code", code < 0 || code > 7) << code;
  }
  ASSERT_NE(ncclGetLastError(nullptr), nullptr);
}

class NcclTest : public testing::Test {
 protected:
  static constexpr int kRanks = 3;
  void SetUp() override {
    setenv("THINWIRE_TRANSPORT", "loopback", 1);
    ASSERT_EQ(ncclCommInitAll(comms_, kRanks, nullptr), ncclSuccess) << ncclGetLastError(nullptr);
  }
  void TearDown() override {
    OnThreads(kRanks, [this](int rank) { EXPECT_EQ(ncclCommDestroy(comms_[rank]), ncclSuccess); });
  }
  // One thread, all ranks, one group: `call` for each rank.
  void Group(const std::function<ncclResult_t(int rank, ncclComm_t comm)>& call) {
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    for (int rank = 0; rank < kRanks; ++rank) {
      EXPECT_EQ(call(rank, comms_[rank]), ncclSuccess) << ncclGetLastError(comms_[rank]);
    }
    ASSERT_EQ(ncclGroupEnd(), ncclSuccess) << ncclGetLastError(nullptr);
  }
  ncclComm_t comms_[kRanks] = {};
};

TEST_F(NcclTest, RanksKnowTheirPlace) {
  for (int rank = 0; rank < kRanks; ++rank) {
    int number = -1;
    EXPECT_EQ(ncclCommUserRank(comms_[rank], &number), ncclSuccess);
    EXPECT_EQ(number, rank);
    EXPECT_EQ(ncclCommCount(comms_[rank], &number), ncclSuccess);
    EXPECT_EQ(number, kRanks);
    ncclResult_t error = ncclInternalError;
    EXPECT_EQ(ncclCommGetAsyncError(comms_[rank], &error), ncclSuccess);
    EXPECT_EQ(error, ncclSuccess);
    EXPECT_EQ(ncclCommCount(comms_[rank], nullptr), ncclInvalidArgument);
    EXPECT_EQ(ncclCommGetAsyncError(comms_[rank], nullptr), ncclInvalidArgument);
  }
}

TEST_F(NcclTest, AllReduceInPlaceOfEveryTypeAndReduction) {
  constexpr size_t kCount = 65;
  for (int t = 0; t < ncclNumTypes; ++t) {
    for (int r = 0; r < ncclNumOps; ++r) {
      const auto dtype = static_cast<DataType>(t);
      const auto reduction = static_cast<Reduction>(r);
      std::vector<Bytes> buffers;
      for (int rank = 0; rank < kRanks; ++rank) {
        buffers.push_back(Elements(
            dtype, kCount, [&](size_t i) { return ContributionOf(dtype, reduction, rank, i); }));
      }
      Group([&](int rank, ncclComm_t comm) {
        void* const buffer = buffers[static_cast<size_t>(rank)].data();
        return ncclAllReduce(buffer, buffer, kCount, static_cast<ncclDataType_t>(t),
                             static_cast<ncclRedOp_t>(r), comm, nullptr);
      });
      const Bytes expected =
          Elements(dtype, kCount, [&](size_t i) { return ReducedOf(dtype, reduction, kRanks, i); });
      for (const Bytes& buffer : buffers) EXPECT_EQ(buffer, expected) << t << " " << r;
    }
  }
}

TEST_F(NcclTest, TheOtherOperationsInPlace) {
  using Ints = std::vector<int>;
  std::vector<Ints> buffers;
  const auto fill = [&] {
    buffers.clear();
    for (int rank = 0; rank < kRanks; ++rank) buffers.push_back({rank, rank + 10, rank + 20});
  };
  const auto at = [&](int rank) { return buffers[static_cast<size_t>(rank)].data(); };
  fill();
  Group([&](int rank, ncclComm_t comm) {
    return ncclAllGather(at(rank) + rank, at(rank), 1, ncclInt, comm, nullptr);
  });
  for (const Ints& buffer : buffers) EXPECT_EQ(buffer, (Ints{0, 11, 22}));
  fill();
  Group([&](int rank, ncclComm_t comm) {
    return ncclReduceScatter(at(rank), at(rank) + rank, 1, ncclInt, ncclSum, comm, nullptr);
  });
  for (int rank = 0; rank < kRanks; ++rank) EXPECT_EQ(at(rank)[rank], 3 + 30 * rank);
  fill();
  Group([&](int rank, ncclComm_t comm) {
    return ncclReduce(at(rank), at(rank), 3, ncclInt, ncclMax, 1, comm, nullptr);
  });
  EXPECT_EQ(buffers, (std::vector<Ints>{{0, 10, 20}, {2, 12, 22}, {2, 12, 22}}));
  fill();
  Group(
      [&](int rank, ncclComm_t comm) { return ncclBcast(at(rank), 3, ncclInt, 2, comm, nullptr); });
  for (const Ints& buffer : buffers) EXPECT_EQ(buffer, (Ints{2, 12, 22}));
  fill();
  Group([&](int rank, ncclComm_t comm) {
    return ncclBroadcast(at(rank), at(rank), 3, ncclInt, 1, comm, nullptr);
  });
  for (const Ints& buffer : buffers) EXPECT_EQ(buffer, (Ints{1, 11, 21}));
}

TEST_F(NcclTest, SendAndReceiveAroundTheRing) {
  std::vector<int> sent = {5, 6, 7};
  std::vector<int> received(kRanks);
  Group([&](int rank, ncclComm_t comm) {
    const ncclResult_t result =
        ncclSend(&sent[static_cast<size_t>(rank)], 1, ncclInt, (rank + 1) % kRanks, comm, nullptr);
    if (result != ncclSuccess) return result;
    return ncclRecv(&received[static_cast<size_t>(rank)], 1, ncclInt, (rank + 2) % kRanks, comm,
                    nullptr);
  });
  EXPECT_EQ(received, (std::vector<int>{7, 5, 6}));
}

TEST_F(NcclTest, NothingNeedsNoBuffers) {
  Group([](int, ncclComm_t comm) {
    return ncclAllReduce(nullptr, nullptr, 0, ncclFloat, ncclSum, comm, nullptr);
  });
  Group([](int, ncclComm_t comm) {
    return ncclAllGather(nullptr, nullptr, 0, ncclFloat, comm, nullptr);
  });
  Group([](int, ncclComm_t comm) {
    return ncclBroadcast(nullptr, nullptr, 0, ncclFloat, 0, comm, nullptr);
  });
}

TEST_F(NcclTest, BadArgumentsAreRefused) {
  float value = 1;
  const ncclComm_t comm = comms_[0];
  EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclNumTypes, ncclSum, comm, nullptr),
            ncclInvalidArgument);
  EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclNumOps, comm, nullptr),
            ncclInvalidArgument);
  EXPECT_EQ(ncclAllReduce(nullptr, &value, 1, ncclFloat, ncclSum, comm, nullptr),
            ncclInvalidArgument);
  EXPECT_EQ(ncclBroadcast(&value, &value, 1, ncclFloat, kRanks, comm, nullptr),
            ncclInvalidArgument);
  EXPECT_EQ(ncclSend(&value, 1, ncclFloat, -1, comm, nullptr), ncclInvalidArgument);
}

}  // namespace
}  // namespace thinwire
