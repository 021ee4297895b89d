// SPDX-License-Identifier: Apache-2.0
//
// Ranks as processes, over the default transport: deaths and departures that threads can't play.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/rank_process.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

using Ranks = std::vector<std::unique_ptr<RankProcess>>;
Ranks StartRanks(const std::vector<const char*>& what) {
  const int port = PortForRanks();
  Ranks ranks;
  for (size_t rank = 0; rank < what.size(); ++rank) {
    ranks.push_back(
        std::make_unique<RankProcess>(RankProcess::Command{THINWIRE_RANK_PROGRAM, {what[rank]}},
                                      static_cast<int>(rank), static_cast<int>(what.size()), port));
  }
  return ranks;
}

TEST(ProcessTest, AKilledRankIsNamedToTheSurvivors) {
  Ranks ranks = StartRanks({"loop", "loop", "loop"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  ranks[2]->Kill();
  for (const size_t survivor : {size_t{0}, size_t{1}}) {
    EXPECT_THAT(ranks[survivor]->Line(), HasSubstr("rank 2"));
    EXPECT_EQ(ranks[survivor]->Wait(), 3);
  }
}

TEST(ProcessTest, TheRootsDeathIsNamedToo) {
  Ranks ranks = StartRanks({"loop", "loop", "loop"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  ranks[0]->Kill();
  for (const size_t survivor : {size_t{1}, size_t{2}}) {
    EXPECT_THAT(ranks[survivor]->Line(), HasSubstr("rank 0"));
    EXPECT_EQ(ranks[survivor]->Wait(), 3);
  }
}

TEST(ProcessTest, ExitWithoutDestroyIsCleanAndHurtsNobody) {
  Ranks ranks = StartRanks({"linger", "exit", "exit"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  EXPECT_EQ(ranks[1]->Wait(), 0);
  EXPECT_EQ(ranks[2]->Wait(), 0);
  EXPECT_EQ(ranks[0]->Line(), "");
  EXPECT_EQ(ranks[0]->Wait(), 0);
}

TEST(ProcessTest, ExitWithoutDestroyIsNamedToThoseWhoWait) {
  Ranks ranks = StartRanks({"loop", "exit"});
  for (auto& rank : ranks) EXPECT_EQ(rank->Line(), "ready");
  EXPECT_EQ(ranks[1]->Wait(), 0);
  EXPECT_THAT(ranks[0]->Line(), HasSubstr("rank 1"));
  EXPECT_EQ(ranks[0]->Wait(), 3);
}

}  // namespace
}  // namespace thinwire
