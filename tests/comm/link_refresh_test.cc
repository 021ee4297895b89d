// SPDX-License-Identifier: Apache-2.0
#include "comm/link_refresh.h"

#include <gtest/gtest.h>

#include <cstring>

#include "collective/planner.h"

namespace thinwire {
namespace {

constexpr double kRate = 10e6;
constexpr int kRanks = 2;

LinkModel Known() { return LinkModel(kRanks, {kRate, 0.02, 0, Link::Origin::kMeasured}); }

void CountAll(LinkRefresh* refresh, uint64_t calls = LinkRefresh::kCalls) {
  for (uint64_t i = 0; i < calls; ++i) {
    ASSERT_FALSE(refresh->due()) << i;
    refresh->Count();
  }
}

Collective StartWith(LinkRefresh* refresh, std::vector<Link> learned) {
  Planner planner(Known(), CostModel{}, 1 << 17);
  auto plan = planner.PlanFor(refresh->request(), Algorithm::kAuto, 0).value();
  return refresh->Start(std::move(plan), learned);
}

// Gathers: this rank learned `own`, and the other one 0.9 of what was known; a call takes the
// quicker of them `call_seconds`.
void Gather(LinkRefresh* refresh, Link own, float call_seconds = 0.1F) {
  const Collective gathering = StartWith(refresh, {Link{}, own});
  auto* const rows = static_cast<Finding*>(gathering.output);
  std::memcpy(rows, gathering.input, kRanks * sizeof(Finding));
  EXPECT_GT(rows[0].delay, 0);
  EXPECT_LT(rows[0].delay, 0.1) << "256 calls that are counted only";
  rows[0] = {0, 1, 0};
  rows[kRanks] = {static_cast<float>(0.9 * kRate), 0.02F, 0};
  rows[kRanks + 1] = {0, call_seconds, 0};
  auto completion = std::make_shared<Completion>();
  completion->Set({}, {});
  refresh->Started(completion);
}

TEST(LinkRefreshTest, IsDueAfterSoManyCollectives) {
  LinkRefresh refresh(0, Known());
  CountAll(&refresh);
  EXPECT_TRUE(refresh.due());
  EXPECT_FALSE(refresh.Take(Known()).value());  // nothing was gathered yet
  Gather(&refresh, Known().at(0, 1));
  CountAll(&refresh);
  EXPECT_TRUE(refresh.due());
}

TEST(LinkRefreshTest, IsDueLaterWhereCallsAreIssuedFasterThanTheyEnd) {
  for (const auto& [call_seconds, calls] : {std::pair(1e-3F, uint64_t{1000}),
                                            {1e-6F, LinkRefresh::kMostCalls},
                                            {0.1F, LinkRefresh::kCalls}}) {
    LinkRefresh refresh(0, Known());
    CountAll(&refresh);
    Gather(&refresh, Known().at(0, 1), call_seconds);
    CountAll(&refresh);
    EXPECT_TRUE(refresh.due());
    EXPECT_TRUE(refresh.Take(Known()).ok());
    Gather(&refresh, Known().at(0, 1));
    CountAll(&refresh, calls - 1);
    if (!refresh.due()) refresh.Count();
    EXPECT_TRUE(refresh.due()) << call_seconds;
  }
}

TEST(LinkRefreshTest, AdoptsWhatDiffers) {
  LinkRefresh refresh(0, Known());
  CountAll(&refresh);
  Gather(&refresh, {2 * kRate, 0.03, 0.01, Link::Origin::kLearned});
  CountAll(&refresh);
  const auto fresh = refresh.Take(Known()).value();
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->at(0, 1).rate, 2 * kRate);
  EXPECT_EQ(fresh->at(0, 1).origin, Link::Origin::kLearned);
  EXPECT_NEAR(fresh->at(0, 1).delay, 0.03, 1e-6);
  EXPECT_NEAR(fresh->at(1, 0).rate, 0.9 * kRate, 10);
  EXPECT_EQ(fresh->at(1, 0).origin, Link::Origin::kMeasured);
}

TEST(LinkRefreshTest, LeavesPlansAloneForSmallChanges) {
  LinkRefresh refresh(0, Known());
  CountAll(&refresh);
  Gather(&refresh, {1.2 * kRate, 0.0201, 0, Link::Origin::kLearned});
  CountAll(&refresh);
  EXPECT_FALSE(refresh.Take(Known()).value());
}

TEST(LinkRefreshTest, WhereRatesAreUnknownNothingIsGathered) {
  LinkRefresh refresh(0, LinkModel(kRanks));
  for (uint64_t i = 0; i < 3 * LinkRefresh::kCalls; ++i) refresh.Count();
  EXPECT_FALSE(refresh.due());
}

TEST(LinkRefreshTest, AFailedGatheringIsTheCallsError) {
  LinkRefresh refresh(0, Known());
  CountAll(&refresh);
  StartWith(&refresh, {Link{}, Known().at(0, 1)});
  auto completion = std::make_shared<Completion>();
  completion->Set(RemoteError("lost rank 1"), {});
  refresh.Started(completion);
  CountAll(&refresh);
  EXPECT_FALSE(refresh.Take(Known()).ok());
}

// Gatherings lie between the caller's operations, and must not be taken for one.
TEST(LinkRefreshTest, GatheringsHaveSequencesOfTheirOwnAndNoEntryInTheLedger) {
  LinkRefresh refresh(0, Known());
  CountAll(&refresh);
  const Collective first = StartWith(&refresh, {Link{}, Link{}});
  const Collective second = StartWith(&refresh, {Link{}, Link{}});
  EXPECT_NE(first.sequence, second.sequence);
  EXPECT_NE(first.sequence & kCapturedSequence, 0u);
  EXPECT_GT(first.sequence, kCapturedSequence | uint64_t{1} << 61);
  EXPECT_FALSE(first.counted);
}

}  // namespace
}  // namespace thinwire
