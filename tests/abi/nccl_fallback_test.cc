// SPDX-License-Identifier: Apache-2.0
//
// Communicators that are handed over to another NCCL, as a whole or not at all.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "nccl.h"

namespace {

using testing::HasSubstr;

constexpr float kMark = 42;  // what the other library writes

int Asked(const char* function) {
  void* const library = dlopen(THINWIRE_OTHER_NCCL, RTLD_NOW | RTLD_NOLOAD);
  EXPECT_NE(library, nullptr) << "it was never loaded";
  return reinterpret_cast<int (*)()>(dlsym(library, function))();
}
int Alive() { return Asked("other_nccl_alive"); }

std::string LastError() { return ncclGetLastError(nullptr); }

// Sets variables while it lives.
class Variables {
 public:
  explicit Variables(std::vector<std::pair<std::string, std::string>> values)
      : values_(std::move(values)) {
    for (const auto& [name, value] : values_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) unsetenv(name.c_str());
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

class FallbackTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("THINWIRE_TRANSPORT", "loopback", 1);
    setenv("THINWIRE_FALLBACK", THINWIRE_OTHER_NCCL, 0);  // none but what the caller names
  }
  const Variables near_{{{"THINWIRE_LINK", "rate=10gbit,delay=20us"}}};

  using Body = std::function<void(int rank, ncclComm_t comm)>;
  static constexpr int kRanks = 2;
  static void OnRanks(const Body& body, ncclConfig_t* config = nullptr) {
    ncclUniqueId id;
    ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] {
        ncclComm_t comm = nullptr;
        const ncclResult_t made = ncclCommInitRankConfig(&comm, kRanks, id, rank, config);
        ncclResult_t state = made;
        while (state == ncclInProgress) {
          std::this_thread::yield();
          ASSERT_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
        }
        ASSERT_EQ(state, ncclSuccess) << LastError();
        body(rank, comm);
        EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  static float Reduced(ncclComm_t comm) {
    float value = 1;
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr), ncclSuccess)
        << LastError();
    return value;
  }
};

TEST_F(FallbackTest, ExactCommunicatorsOfRanksThatStandCloseAreHandedOver) {
  OnRanks([](int rank, ncclComm_t comm) {
    EXPECT_EQ(Reduced(comm), kMark);
    float out[2] = {};
    const float in[2] = {1, 1};
    const auto marked = [&](ncclResult_t result) {
      EXPECT_EQ(result, ncclSuccess) << LastError();
      EXPECT_EQ(out[0], kMark);
      out[0] = 0;
    };
    marked(ncclReduce(in, out, 1, ncclFloat32, ncclSum, 0, comm, nullptr));
    marked(ncclBroadcast(in, out, 1, ncclFloat32, 0, comm, nullptr));
    marked(ncclBcast(out, 1, ncclFloat32, 0, comm, nullptr));
    marked(ncclAllGather(in, out, 1, ncclFloat32, comm, nullptr));
    marked(ncclReduceScatter(in, out, 1, ncclFloat32, ncclSum, comm, nullptr));
    marked(ncclAlltoAll(in, out, 1, ncclFloat32, comm, nullptr));
    marked(ncclRecv(out, 1, ncclFloat32, 1 - rank, comm, nullptr));
    EXPECT_EQ(ncclSend(in, 1, ncclFloat32, 1 - rank, comm, nullptr), ncclSuccess);
    int ranks = 0;
    EXPECT_EQ(ncclCommCount(comm, &ranks), ncclSuccess);
    EXPECT_EQ(ranks, kRanks);
    ncclResult_t error = ncclSystemError;
    EXPECT_EQ(ncclCommGetAsyncError(comm, &error), ncclSuccess);
    EXPECT_EQ(error, ncclSuccess);
    ncclRedOp_t op;
    float scalar = 2;
    EXPECT_EQ(ncclRedOpCreatePreMulSum(&op, &scalar, ncclFloat32, ncclScalarHostImmediate, comm),
              ncclSuccess);
    EXPECT_EQ(static_cast<int>(op), 99);
    EXPECT_EQ(ncclRedOpDestroy(op, comm), ncclSuccess);
    EXPECT_EQ(ncclCommFinalize(comm), ncclSuccess);
  });
  EXPECT_EQ(Alive(), 0);
}

TEST_F(FallbackTest, ItsErrorsAreTheOtherLibrarys) {
  OnRanks([](int, ncclComm_t comm) {
    float values[13] = {};
    EXPECT_EQ(ncclAllReduce(values, values, 13, ncclFloat32, ncclSum, comm, nullptr),
              ncclInvalidArgument);
    EXPECT_EQ(LastError(), "the other library says no");
    EXPECT_EQ(ncclGather(values, values, 1, ncclFloat32, 0, comm, nullptr), ncclInvalidUsage);
    EXPECT_THAT(LastError(), HasSubstr("has no ncclGather"));
    // What it would have to do compressed, it can't.
    ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
    ncclConfigExt_t policy = {};
    policy.key.vendorId = THINWIRE_NCCL_VENDOR;
    policy.key.optionId = THINWIRE_NCCL_POLICY;
    policy.val.s = "q8";
    config.ext = &policy;
    EXPECT_EQ(ncclAllReduceConfig(values, values, 1, ncclFloat32, ncclSum, comm, nullptr, &config),
              ncclInvalidUsage);
    EXPECT_THAT(LastError(), HasSubstr("handed over"));
  });
}

TEST_F(FallbackTest, GroupsAreOpenInBoth) {
  OnRanks([](int, ncclComm_t comm) {
    ASSERT_EQ(ncclGroupStart(), ncclSuccess);
    EXPECT_EQ(Asked("other_nccl_depth"), 1);
    EXPECT_EQ(Reduced(comm), kMark);
    EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
    EXPECT_EQ(Asked("other_nccl_depth"), 0);
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage);
    EXPECT_EQ(Asked("other_nccl_depth"), 0);
  });
}

TEST_F(FallbackTest, ChildrenAreHandedOverToo) {
  OnRanks([](int rank, ncclComm_t comm) {
    ncclComm_t child = nullptr;
    ASSERT_EQ(ncclCommSplit(comm, 0, rank, &child, nullptr), ncclSuccess) << LastError();
    EXPECT_EQ(Reduced(child), kMark);
    EXPECT_EQ(ncclCommDestroy(child), ncclSuccess);  // an abort might hit the other's hand-over
    ASSERT_EQ(ncclCommSplit(comm, NCCL_SPLIT_NOCOLOR, rank, &child, nullptr), ncclSuccess);
    EXPECT_EQ(child, nullptr);
    EXPECT_EQ(ncclCommRevoke(comm, NCCL_REVOKE_DEFAULT), ncclSuccess);
    float value = 1;
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr),
              ncclInvalidUsage);
  });
  EXPECT_EQ(Alive(), 0);
}

TEST_F(FallbackTest, AllOfAProcessAreHandedOverTogether) {
  ncclComm_t comms[3];
  ASSERT_EQ(ncclCommInitAll(comms, 3, nullptr), ncclSuccess) << LastError();
  EXPECT_EQ(Alive(), 3);
  for (const ncclComm_t comm : comms) EXPECT_EQ(Reduced(comm), kMark);
  std::vector<std::thread> threads;
  for (const ncclComm_t comm : comms) threads.emplace_back([comm] { ncclCommDestroy(comm); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Alive(), 0);
}

TEST_F(FallbackTest, OneRankThatFailsKeepsAll) {
  for (const char* const rank : {"0", "1"}) {
    const Variables fails{{{"OTHER_NCCL_FAILS", rank}}};
    OnRanks([](int, ncclComm_t comm) { EXPECT_EQ(Reduced(comm), kRanks); });
    EXPECT_EQ(Alive(), 0);
  }
}

TEST_F(FallbackTest, WhatAPolicyCompressesStays) {
  const Variables policy{{{"THINWIRE_POLICY", "q8"}}};
  OnRanks([](int, ncclComm_t comm) { EXPECT_EQ(Reduced(comm), kRanks); });
}

TEST_F(FallbackTest, RanksThatStandFarApartStay) {
  const Variables far{{{"THINWIRE_LINK", "rate=1gbit,delay=5ms"}}};
  OnRanks([](int, ncclComm_t comm) { EXPECT_EQ(Reduced(comm), kRanks); });
}

TEST_F(FallbackTest, WhatIsMadeWithoutWaitingOrInAGroupStays) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  OnRanks([](int, ncclComm_t comm) { EXPECT_EQ(Reduced(comm), kRanks); }, &config);
  ncclUniqueId id;
  ncclComm_t comm = nullptr;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ASSERT_EQ(ncclGroupStart(), ncclSuccess);
  ASSERT_EQ(ncclCommInitRank(&comm, 1, id, 0), ncclSuccess);
  ASSERT_EQ(ncclGroupEnd(), ncclSuccess) << LastError();
  EXPECT_EQ(Reduced(comm), 1);
  EXPECT_EQ(ncclCommDestroy(comm), ncclSuccess);
}

// With THINWIRE_FALLBACK of the caller's: NVIDIA's library, where there is no device.
TEST_F(FallbackTest, DISABLED_StaysWhatNoDeviceTakes) {
  OnRanks([](int, ncclComm_t comm) { EXPECT_EQ(Reduced(comm), kRanks); });
}

}  // namespace
