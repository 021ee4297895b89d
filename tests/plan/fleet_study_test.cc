// SPDX-License-Identifier: Apache-2.0
#include "fleet_study.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace thinwire {
namespace {

FleetStudy StudyOf(size_t count, std::vector<int> ranks) {
  FleetStudy study{.fleet = {.sites = SiteMatrix(Link{125e6, 0.05, 0}), .costs = {}}};
  study.count = count;
  study.ranks = std::move(ranks);
  study.algorithms = {"one-shot", "sra", "ring"};
  study.codecs = {&RawCodec()};
  return study;
}

std::vector<FleetPoint> Points(const FleetStudy& study) {
  return RunStudy(study, [](const FleetPoint&) {});
}

TEST(FleetStudyTest, HasAPointForEverythingInOrder) {
  int told = 0;
  const auto points =
      RunStudy(StudyOf(1 << 10, {2, 8}), [&](const FleetPoint& point) { told += point.ranks; });
  ASSERT_EQ(points.size(), 6u);
  EXPECT_EQ(told, 3 * (2 + 8));
  EXPECT_EQ(points[1].algorithm, "sra");
  EXPECT_EQ(points[3].ranks, 8);
}

TEST(FleetStudyTest, RingsBreakByLatencyAndOneShotByBytes) {
  const auto points = Points(StudyOf(1 << 20, {2, 4, 16, 64}));
  const auto slower = [&](std::string_view algorithm) {
    return FirstBroken(points, algorithm, &RawCodec(), Breakage::kSlower);
  };
  EXPECT_EQ(slower("sra"), std::nullopt);
  EXPECT_EQ(slower("ring"), 4);
  EXPECT_EQ(slower("one-shot"), 16);
}

TEST(FleetStudyTest, TooManyPeersBreakWhatSendsToAll) {
  FleetStudy study = StudyOf(1 << 10, {64, 128});
  study.most_peers = 100;
  const auto points = Points(study);
  EXPECT_EQ(FirstBroken(points, "sra", &RawCodec(), Breakage::kPeers), 128);
  EXPECT_EQ(FirstBroken(points, "ring", &RawCodec(), Breakage::kPeers), std::nullopt);
}

TEST(FleetStudyTest, ChurnBreaksWhatTakesLong) {
  FleetStudy study = StudyOf(1 << 10, {256});
  study.mean_seconds_between_failures = 3600;
  study.restart_seconds = 1;
  const auto points = Points(study);
  EXPECT_EQ(FirstBroken(points, "ring", &RawCodec(), Breakage::kChurn), 256);
  EXPECT_EQ(FirstBroken(points, "sra", &RawCodec(), Breakage::kChurn), std::nullopt);
  EXPECT_TRUE(std::all_of(points.begin(), points.end(), [](const FleetPoint& point) {
    return point.churn_seconds > point.time.seconds;
  }));
}

TEST(FleetStudyTest, MessagesBreakWhatSendsTinyOnesToAll) {
  FleetStudy study = StudyOf(1 << 10, {2000});
  study.fleet.costs.item_seconds = 1e-3;
  study.most_peers = 10'000;
  EXPECT_EQ(FirstBroken(Points(study), "sra", &RawCodec(), Breakage::kMessages), 2000);
}

}  // namespace
}  // namespace thinwire
