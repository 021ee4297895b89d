// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped library as NCCL's programs use it, and the answers of NCCL to odd calls.
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
  EXPECT_EQ(number, NCCL_VERSION_CODE);
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
    EXPECT_EQ(std::string(text) == "unknown result code", code < 0 || code > 8) << code;
  }
  ASSERT_NE(ncclGetLastError(nullptr), nullptr);
}

TEST(NcclSetUpTest, OneThreadMakesRanksInAGroupByConfiguration) {
  setenv("THINWIRE_TRANSPORT", "loopback", 1);
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclComm_t comms[2] = {};
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  ASSERT_EQ(ncclCommInitRankConfig(&comms[0], 2, id, 0, &config), ncclSuccess);
  ASSERT_EQ(ncclCommInitRankScalable(&comms[1], 2, 1, 1, &id, &config), ncclSuccess);
  ncclResult_t state = ncclGroupEnd();
  for (const ncclComm_t comm : comms) {
    do {
      ASSERT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
    } while (state == ncclInProgress);
    EXPECT_EQ(state, ncclSuccess);
    int device = -1;
    EXPECT_EQ(ncclCommCuDevice(comm, &device), ncclSuccess);
    EXPECT_EQ(device, 0);
  }
  for (const ncclComm_t comm : comms) EXPECT_EQ(ncclCommAbort(comm), ncclSuccess);
  config.blocking = 7;
  EXPECT_EQ(ncclCommInitRankConfig(&comms[0], 1, id, 0, &config), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRankScalable(&comms[0], 1, 0, 0, &id, nullptr), ncclInvalidArgument);
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

TEST_F(NcclTest, GatherScatterAndAllToAll) {
  using Ints = std::vector<int>;
  std::vector<Ints> sent = {{0, 1, 2}, {10, 11, 12}, {20, 21, 22}};
  std::vector<Ints> received(kRanks, Ints(kRanks, -1));
  const auto from = [&](int rank) { return sent[static_cast<size_t>(rank)].data(); };
  const auto to = [&](int rank) { return received[static_cast<size_t>(rank)].data(); };
  Group([&](int rank, ncclComm_t comm) {
    return ncclAlltoAll(from(rank), to(rank), 1, ncclInt, comm, nullptr);
  });
  EXPECT_EQ(received, (std::vector<Ints>{{0, 10, 20}, {1, 11, 21}, {2, 12, 22}}));
  Group([&](int rank, ncclComm_t comm) {
    return ncclGather(from(rank), to(rank), 1, ncclInt, 2, comm, nullptr);
  });
  EXPECT_EQ(received[2], (Ints{0, 10, 20}));
  EXPECT_EQ(received[0], (Ints{0, 10, 20}));
  Group([&](int rank, ncclComm_t comm) {
    return ncclScatter(from(1), to(rank), 1, ncclInt, 1, comm, nullptr);
  });
  EXPECT_EQ(received[0][0], 10);
  EXPECT_EQ(received[2][0], 12);
}

TEST_F(NcclTest, AllToAllBySendsAndReceivesInOneGroup) {
  std::vector<std::vector<int>> received(kRanks, std::vector<int>(kRanks, -1));
  std::vector<int> sent = {0, 1, 2};
  Group([&](int rank, ncclComm_t comm) {
    for (int peer = 0; peer < kRanks; ++peer) {  // oneself included
      int* const place = &received[static_cast<size_t>(rank)][static_cast<size_t>(peer)];
      ncclResult_t result =
          ncclSend(&sent[static_cast<size_t>(rank)], 1, ncclInt, peer, comm, nullptr);
      if (result == ncclSuccess) result = ncclRecv(place, 1, ncclInt, peer, comm, nullptr);
      if (result != ncclSuccess) return result;
    }
    return ncclSuccess;
  });
  for (const auto& each : received) EXPECT_EQ(each, sent);
}

TEST_F(NcclTest, SplitShrinkAndGrow) {
  OnThreads(kRanks, [this](int rank) {
    ncclComm_t child = nullptr;
    ASSERT_EQ(
        ncclCommSplit(comms_[rank], rank == 0 ? NCCL_SPLIT_NOCOLOR : 1, -rank, &child, nullptr),
        ncclSuccess)
        << ncclGetLastError(nullptr);
    if (rank == 0) {
      EXPECT_EQ(child, nullptr);
      return;
    }
    int number = -1;
    EXPECT_EQ(ncclCommUserRank(child, &number), ncclSuccess);
    EXPECT_EQ(number, 2 - rank);
    int excluded[] = {0};  // rank 2 of the parent
    if (rank == 1) {
      ncclComm_t alone = nullptr;
      ASSERT_EQ(ncclCommShrink(child, excluded, 1, &alone, nullptr, NCCL_SHRINK_ABORT), ncclSuccess)
          << ncclGetLastError(nullptr);
      EXPECT_EQ(ncclCommCount(alone, &number), ncclSuccess);
      EXPECT_EQ(number, 1);
      EXPECT_EQ(ncclCommDestroy(alone), ncclSuccess);
    }
    EXPECT_EQ(ncclCommAbort(child), ncclSuccess);
  });
  EXPECT_EQ(ncclCommShrink(comms_[0], nullptr, 0, comms_, nullptr, 0), ncclInvalidArgument);
  EXPECT_EQ(ncclCommRevoke(comms_[0], 1), ncclInvalidArgument);
}

TEST_F(NcclTest, ACallsConfigurationNamesItsCodec) {
  // Two of the values that q8 can't hold beside the largest: exact sums would show them.
  std::vector<std::vector<float>> buffers(kRanks, std::vector<float>(1024, 1000.0f));
  for (auto& buffer : buffers) buffer[1] = 0.5f;
  ncclConfigExt_t policy = {nullptr, {THINWIRE_NCCL_VENDOR, THINWIRE_NCCL_POLICY}, {}};
  policy.val.s = "* >=0: q8";
  ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
  config.ext = &policy;
  Group([&](int rank, ncclComm_t comm) {
    float* const buffer = buffers[static_cast<size_t>(rank)].data();
    return ncclAllReduceConfig(buffer, buffer, 1024, ncclFloat, ncclSum, comm, nullptr, &config);
  });
  EXPECT_NE(buffers[0][1], 1.5f);
  EXPECT_NEAR(buffers[0][0], 3000, 30);
  EXPECT_EQ(buffers[1], buffers[0]);
  // A refused configuration refuses its group.
  config.magic = 0;
  float value = 1;
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  EXPECT_EQ(ncclAllReduceConfig(&value, &value, 1, ncclFloat, ncclSum, comms_[0], nullptr, &config),
            ncclInvalidArgument);
  EXPECT_NE(std::string(ncclGetLastError(nullptr)).find("NCCL_COLLCONFIG_INITIALIZER"),
            std::string::npos);
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
}

TEST_F(NcclTest, SumsMultipliedByScalars) {
  std::vector<double> values = {1, 2, 3};
  Group([&](int rank, ncclComm_t comm) {
    double scalar = rank + 1;
    double* const value = &values[static_cast<size_t>(rank)];
    ncclRedOp_t op = ncclSum;
    ncclResult_t result =
        ncclRedOpCreatePreMulSum(&op, &scalar, ncclDouble, ncclScalarHostImmediate, comm);
    if (result == ncclSuccess) {
      result = ncclAllReduce(value, value, 1, ncclDouble, op, comm, nullptr);
    }
    return result == ncclSuccess ? ncclRedOpDestroy(op, comm) : result;
  });
  EXPECT_EQ(values, (std::vector<double>{14, 14, 14}));
}

TEST_F(NcclTest, RegistrationsAreTokens) {
  float value = 0;
  void* handle = nullptr;
  ncclWindow_t window = nullptr;
  void* user = nullptr;
  EXPECT_EQ(ncclCommRegister(comms_[0], &value, sizeof(value), &handle), ncclSuccess);
  EXPECT_NE(handle, nullptr);
  EXPECT_EQ(ncclCommDeregister(comms_[0], handle), ncclSuccess);
  EXPECT_EQ(ncclCommWindowRegister(comms_[0], &value, sizeof(value), &window, NCCL_WIN_DEFAULT),
            ncclSuccess);
  EXPECT_EQ(ncclWinGetUserPtr(comms_[0], window, &user), ncclSuccess);
  EXPECT_EQ(user, &value);
  EXPECT_EQ(ncclCommWindowDeregister(comms_[0], window), ncclSuccess);
  uint64_t bytes = 1;
  EXPECT_EQ(ncclCommMemStats(comms_[0], ncclStatGpuMemTotal, &bytes), ncclSuccess);
  EXPECT_EQ(bytes, 0u);
}

TEST_F(NcclTest, WhatCannotCrossLongLinksSaysSo) {
  EXPECT_EQ(ncclSignal(1, 0, 0, 0, comms_[0], nullptr), ncclInvalidUsage);
  EXPECT_NE(std::string(ncclGetLastError(nullptr)).find("One-sided"), std::string::npos);
  EXPECT_EQ(ncclDevCommCreate(comms_[0], nullptr, nullptr), ncclInvalidUsage);
  const ncclTeam_t world = ncclTeamWorld(comms_[1]);
  EXPECT_EQ(world.nRanks, kRanks);
  EXPECT_EQ(world.rank, 1);
  EXPECT_EQ(ncclTeamLsa(comms_[1]).nRanks, 1);
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
