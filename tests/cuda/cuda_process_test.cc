// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes that share one device.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/rank_process.h"

namespace thinwire::cuda::test {
namespace {

class CudaProcessTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, CudaProcessTest, testing::Values(2, 4));

TEST_P(CudaProcessTest, AllReduceOnStreamsAndInGraphs) {
  if (!THINWIRE_HAVE_UCX) GTEST_SKIP() << "built without UCX";
  const int port = PortForRanks();
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (int rank = 0; rank < GetParam(); ++rank) {
    ranks.push_back(std::make_unique<RankProcess>(RankProcess::Command{THINWIRE_CUDA_RANK_PROGRAM},
                                                  rank, GetParam(), port));
  }
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank->Line(), "");
    EXPECT_EQ(rank->Wait(), 0);
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
