// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes, killed at any moment: those that are left go on, with the same results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/rank_process.h"

namespace thinwire {
namespace {

constexpr int kRanks = 5;
constexpr auto* kSteps = "400";

class SurvivalTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Policies, SurvivalTest, testing::Values("exclude", "vote"));

TEST_P(SurvivalTest, ThoseLeftGoOnWithEqualResultsWhoeverIsKilledWhenever) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    // Other moments with --gtest_random_seed.
    const int other = testing::UnitTest::GetInstance()->random_seed();
    std::mt19937 random(seed + 1000 * static_cast<unsigned>(other));
    const int port = PortForRanks();
    std::vector<std::unique_ptr<RankProcess>> ranks;
    for (int rank = 0; rank < kRanks; ++rank) {
      ranks.push_back(std::make_unique<RankProcess>(
          RankProcess::Command{THINWIRE_SURVIVAL_PROGRAM, {GetParam(), kSteps}}, rank, kRanks,
          port));
    }
    for (auto& rank : ranks) ASSERT_EQ(rank->Line(), "ready");
    // Two at different times, or at once; rank 0, whose process gathered the others, among them.
    std::set<int> killed = {seed == 1 ? 0 : static_cast<int>(random() % kRanks)};
    killed.insert(static_cast<int>(random() % kRanks));
    for (const int rank : killed) {
      if (seed != 3) std::this_thread::sleep_for(std::chrono::milliseconds(random() % 100));
      ranks[static_cast<size_t>(rank)]->Kill();
    }
    std::set<std::string> said;
    for (int rank = 0; rank < kRanks; ++rank) {
      auto& process = *ranks[static_cast<size_t>(rank)];
      if (killed.contains(rank)) continue;
      said.insert(process.Line());
      EXPECT_EQ(process.Wait(), 0) << "rank " << rank << ", seed " << seed;
    }
    EXPECT_EQ(said.size(), 1u) << "seed " << seed << ": " << testing::PrintToString(said);
    EXPECT_EQ(said.begin()->size(), 16u) << *said.begin();
  }
}

}  // namespace
}  // namespace thinwire
