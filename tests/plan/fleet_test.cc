// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "collective/planner.h"

namespace thinwire {
namespace {

constexpr double kDelay = 0.02;
constexpr double kRate = 62.5e6;

Fleet FleetOn(const SiteMatrix& sites) { return Fleet{.sites = sites, .costs = {}}; }

FleetTime TimeOf(std::string_view algorithm, int ranks, size_t count, const Fleet& fleet,
                 const std::string& codec = "raw") {
  const auto pattern = MakePattern(algorithm, ranks, count, FirstRanks(fleet.sites, ranks));
  EXPECT_TRUE(pattern.ok()) << pattern.status().message();
  return RunFleet(*pattern.value(), *FindCodec(codec).value(), DataType::kFloat32, fleet);
}

// The bounds that docs/simulation.md states. A fleet's uplink takes hops one after the other; in
// these two, the next one's segments could fill its gaps.
constexpr double kAgreement = 0.15;
double AgreementOf(std::string_view algorithm) {
  return algorithm == "double-tree" || algorithm == "recursive-doubling" ? 0.25 : kAgreement;
}

TEST(FleetTest, AgreesWithTheSimulatorOfPlansOnEqualLinks) {
  const Link link{kRate, kDelay, 0};
  const Fleet fleet = FleetOn(SiteMatrix(link));
  for (const Algorithm algorithm : Planner::Candidates(Operation::kAllReduce)) {
    for (const int ranks : {2, 3, 4, 7, 8, 16, 32}) {
      for (const size_t count : {size_t{1} << 10, size_t{1} << 18, size_t{1} << 22}) {
        const auto pattern = MakePattern(NameOf(algorithm), ranks, count, {0});
        if (!pattern.ok()) continue;
        Planner planner(LinkModel(ranks, link), CostModel{}, fleet.segment_bytes);
        PlanRequest request;
        request.ranks = ranks;
        request.count = count;
        const double plans = planner.Predict(request, algorithm).seconds;
        const double mine = TimeOf(NameOf(algorithm), ranks, count, fleet).seconds;
        EXPECT_NEAR(mine / plans, 1, AgreementOf(NameOf(algorithm)))
            << NameOf(algorithm) << ", " << ranks << " ranks, " << count << " elements: " << mine
            << " s against " << plans << " s";
      }
    }
  }
}

TEST(FleetTest, AgreesWithTheSimulatorOfPlansBetweenSites) {
  const Fleet fleet = FleetOn(SiteMatrix::Named("worldwide-8").value());
  for (const int ranks : {16, 32}) {
    for (const size_t count : {size_t{1} << 10, size_t{1} << 22}) {
      Planner planner(fleet.sites.Links(ranks), CostModel{}, fleet.segment_bytes);
      PlanRequest request;
      request.ranks = ranks;
      request.count = count;
      const double plans = planner.Predict(request, Algorithm::kSra).seconds;
      EXPECT_NEAR(TimeOf("sra", ranks, count, fleet).seconds / plans, 1, kAgreement)
          << ranks << " ranks, " << count << " elements, " << plans << " s";
    }
  }
}

TEST(FleetTest, IsDeterministic) {
  Fleet fleet = FleetOn(SiteMatrix(Link{kRate, kDelay, 0.01}));
  fleet.straggler_part = 0.1;
  fleet.straggler_factor = 4;
  const double first = TimeOf("sra", 100, 1 << 20, fleet).seconds;
  EXPECT_EQ(TimeOf("sra", 100, 1 << 20, fleet).seconds, first);
  fleet.seed = 2;
  EXPECT_NE(TimeOf("sra", 100, 1 << 20, fleet).seconds, first);
}

TEST(FleetTest, LatencyOfManyRanksFollowsTheHops) {
  const Fleet fleet = FleetOn(SiteMatrix(Link{125e6, 0.05, 0}));
  constexpr int kRanks = 1024;
  EXPECT_NEAR(TimeOf("ring", kRanks, kRanks, fleet).seconds, 2 * (kRanks - 1) * 0.05, 1);
  EXPECT_NEAR(TimeOf("halving-doubling", kRanks, kRanks, fleet).seconds, 20 * 0.05, 0.1);
  EXPECT_NEAR(TimeOf("recursive-doubling", kRanks, kRanks, fleet).seconds, 10 * 0.05, 0.1);
  EXPECT_NEAR(TimeOf("sra", kRanks, kRanks, fleet).seconds, 2 * 0.05, 0.05);
}

TEST(FleetTest, AStragglerSlowsEveryone) {
  Fleet fleet = FleetOn(SiteMatrix(Link{kRate, kDelay, 0}));
  const double even = TimeOf("sra", 64, 1 << 22, fleet).seconds;
  fleet.straggler_part = 0.1;
  fleet.straggler_factor = 8;
  const double uneven = TimeOf("sra", 64, 1 << 22, fleet).seconds;
  EXPECT_GT(uneven, 4 * even);
  EXPECT_LT(uneven, 9 * even);
}

TEST(FleetTest, LossCostsRoundTripsAndRate) {
  const auto seconds = [](double loss, Congestion congestion, size_t count) {
    Fleet fleet = FleetOn(SiteMatrix(Link{kRate, kDelay, loss}));
    fleet.costs.congestion = congestion;
    return TimeOf("sra", 16, count, fleet).seconds;
  };
  // A few packets each: some message of the 480 loses one, and that is a round trip for all.
  EXPECT_NEAR(seconds(0.02, Congestion::kBbr, 4096) - seconds(0, Congestion::kBbr, 4096),
              2 * 2 * kDelay, 2 * kDelay);
  EXPECT_LT(seconds(0.01, Congestion::kBbr, 1 << 22), 1.5 * seconds(0, Congestion::kBbr, 1 << 22));
  EXPECT_GT(seconds(0.01, Congestion::kCubic, 1 << 22),
            2 * seconds(0.01, Congestion::kBbr, 1 << 22));
}

TEST(FleetTest, ManyRanksSendWhatTheAlgorithmSays) {
  const Fleet fleet = FleetOn(SiteMatrix(Link{kRate, kDelay, 0}));
  constexpr size_t kCount = 4'000'000;
  const FleetTime sra = TimeOf("sra", 1000, kCount, fleet);
  EXPECT_EQ(sra.peers, 999);
  EXPECT_NEAR(static_cast<double>(sra.wire_bytes), 2 * 4.0 * kCount, 0.02 * 8 * kCount);
  const FleetTime grid = TimeOf("grid", 1024, kCount, fleet);  // rows of one length
  EXPECT_LT(grid.peers, 70);
  EXPECT_NEAR(static_cast<double>(grid.wire_bytes), 2 * 4.0 * kCount, 0.05 * 8 * kCount);
  EXPECT_LT(TimeOf("sra", 1000, kCount, fleet, "q4").wire_bytes, sra.wire_bytes / 5);
}

TEST(ChurnTest, RestartsFollowTheRenewalFormula) {
  EXPECT_EQ(SecondsWithChurn(10, 100, 0, 60), 10);
  // Few failures: the time, and for each failure a restart and half of the time again.
  const double expected_failures = 10 * 100 / 1e6;
  EXPECT_NEAR(SecondsWithChurn(10, 100, 1e6, 60), 10 + expected_failures * (60 + 5), 1e-3);
  EXPECT_NEAR(SecondsWithChurn(10, 100, 1000, 60), (std::exp(1.0) - 1) * (10 + 60), 1e-6);
}

}  // namespace
}  // namespace thinwire
