// SPDX-License-Identifier: Apache-2.0
//
// All-reduce where ranks stand in sites: exact inside, by a library with NCCL's interface, and by a
// codec across. Here that library is this project's own, on the emulated runtime.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "comm/hierarchy.h"
#include "cuda/cuda_member.h"

namespace thinwire::cuda::test {
namespace {

class SitesTest : public testing::Test {
 protected:
  SitesTest() { setenv("THINWIRE_NCCL", THINWIRE_NCCL_LIBRARY, 1); }
  ~SitesTest() override { unsetenv("THINWIRE_NCCL"); }

  static void OnSites(int ranks, const char* sites,
                      const std::function<void(CudaMember&, thinwireComm_t)>& body) {
    Settings settings = Over("loopback");
    settings.device = "cuda";
    settings.sites = sites;
    Comms comms(ranks, settings);
    ASSERT_NE(comms[0], nullptr);
    comms.OnRanks([&](int, thinwireComm_t comm) {
      CudaMember member(comm);
      body(member, comm);
    });
  }
  static float InputOf(int rank, size_t i) {
    return static_cast<float>(static_cast<int>(i * 7 % 64) - 32 + rank);
  }
};

TEST_F(SitesTest, AllReduceIsExactForEveryReductionAndCount) {
  for (const char* sites : {"2", "0,2;1,3", "4", "1"}) {
    OnSites(4, sites, [&](CudaMember& member, thinwireComm_t) {
      for (const size_t count : {size_t{1}, size_t{3}, size_t{4096}, size_t{10'003}}) {
        for (const Reduction reduction : {Reduction::kSum, Reduction::kMax, Reduction::kAvg}) {
          std::vector<float> send(count), recv(count, -7);
          for (size_t i = 0; i < count; ++i) send[i] = InputOf(member.rank(), i);
          const Op op = {
              .operation = Operation::kAllReduce, .count = count, .reduction = reduction};
          for (const bool in_place : {false, true}) {
            float* const target = in_place ? send.data() : recv.data();
            const Status status = member.Run(op, send.data(), target);
            ASSERT_TRUE(status.ok()) << status.message();
            for (size_t i = 0; i < count; ++i) {
              const float sum = 4 * InputOf(0, i) + 6;
              const float want = reduction == Reduction::kSum   ? sum
                                 : reduction == Reduction::kMax ? InputOf(3, i)
                                                                : sum / 4;
              ASSERT_EQ(target[i], want) << sites << " " << count << " element " << i;
            }
          }
        }
      }
    });
  }
}

TEST_F(SitesTest, OnlySharesCrossSitesAndTheyAreCompressed) {
  const size_t count = 64 << 10;
  std::vector<std::vector<float>> results(4);
  OnSites(4, "2", [&](CudaMember& member, thinwireComm_t comm) {
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
      values[i] = std::sin(static_cast<float>(i) + static_cast<float>(member.rank()));
    }
    thinwireCommResetStatistics(comm);
    const Op op = {.operation = Operation::kAllReduce, .count = count, .codec = "q8"};
    ASSERT_TRUE(member.Run(op, values.data(), values.data()).ok());
    results[static_cast<size_t>(member.rank())] = values;
    thinwireStatistics_t statistics = {};
    statistics.size = sizeof(statistics);
    ASSERT_EQ(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &statistics), thinwireSuccess);
    EXPECT_STREQ(statistics.codec, "q8");
    // Of 2 ranks across, each sends about one share: half of the elements, in 8.3 bits.
    const double share = static_cast<double>(count) / 2;
    EXPECT_NEAR(static_cast<double>(statistics.wireBytes), share * 8.3 / 8, share * 0.05);
  });
  double error = 0;
  for (size_t i = 0; i < count; ++i) {
    double want = 0;
    for (int rank = 0; rank < 4; ++rank) {
      want += std::sin(static_cast<float>(i) + static_cast<float>(rank));
    }
    error = std::max(error, std::fabs(results[0][i] - want));
  }
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.05);
  for (int rank = 1; rank < 4; ++rank)
    EXPECT_TRUE(results[0] == results[static_cast<size_t>(rank)]);
}

TEST_F(SitesTest, OtherCallsGoAmongAllRanks) {
  OnSites(4, "2", [&](CudaMember& member, thinwireComm_t) {
    std::vector<float> values(1000, static_cast<float>(member.rank()));
    const Op op = {.operation = Operation::kBroadcast, .count = values.size(), .root = 3};
    ASSERT_TRUE(member.Run(op, values.data(), values.data()).ok());
    EXPECT_EQ(values[999], 3);
  });
}

TEST(SitesTextTest, SaysWhoStandsTogether) {
  const Sites pairs = Sites::Parse("2", 6).value();
  EXPECT_EQ(pairs.ranks, (std::vector<std::vector<int>>{{0, 1}, {2, 3}, {4, 5}}));
  const Sites named = Sites::Parse("0-1,5;2-4", 6).value();
  EXPECT_EQ(named.ranks, (std::vector<std::vector<int>>{{0, 1, 5}, {2, 3, 4}}));
  for (const char* wrong : {"", "0", "4", "0-2", "0-3;4", "0-2;2-4", "0-2;3-6", "a", "2-1;0"}) {
    EXPECT_EQ(Sites::Parse(wrong, 6).status().code(), Code::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
