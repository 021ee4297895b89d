// SPDX-License-Identifier: Apache-2.0
//
// A program that mixes all of NCCL's functions, on four processes, of which one is killed.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "nccl.h"
#include "support/rank_process.h"

namespace thinwire {
namespace {

TEST(NcclMixedTest, AThousandIterationsAreExactAndSurviveALostRank) {
  constexpr int kRanks = 4;
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::string hex;
  for (const char byte : id.internal) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(byte));
    hex += digits;
  }
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (int rank = 0; rank < kRanks; ++rank) {
    ranks.push_back(std::make_unique<RankProcess>(
        RankProcess::Command{THINWIRE_NCCL_MIXED_PROGRAM,
                             {std::to_string(rank), std::to_string(kRanks), hex, "1000"}},
        rank, kRanks, PortForRanks()));
  }
  for (int rank = 0; rank + 1 < kRanks; ++rank) {
    const std::string said = ranks[static_cast<size_t>(rank)]->Line();
    EXPECT_EQ(said.substr(0, 5), "done ") << "rank " << rank << ": " << said;
    EXPECT_GT(std::atoi(said.c_str() + 5), 2000) << said;
    EXPECT_EQ(ranks[static_cast<size_t>(rank)]->Wait(), 0);
  }
  EXPECT_EQ(ranks.back()->Wait(), -SIGKILL);
}

}  // namespace
}  // namespace thinwire
