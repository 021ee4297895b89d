// SPDX-License-Identifier: Apache-2.0
#include "traffic_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "collective/planner.h"
#include "collective/site_matrix.h"
#include "fleet.h"

namespace thinwire {
namespace {

// Divisible by every number of ranks and rows below, so that all chunks are equal.
constexpr size_t kCount = 2 * 720'720;

using Flow = std::tuple<int, int, int>;  // hop, from, to
using Flows = std::map<Flow, size_t>;    // -> payload bytes

// How many messages must have come before a slot can be read, of every slot of every rank; from the
// steps alone, whatever numbers plans give to hops.
class Depths {
 public:
  explicit Depths(const std::vector<Plan>& plans) : plans_(plans), depths_(plans.size()) {
    for (size_t rank = 0; rank < plans.size(); ++rank) {
      depths_[rank].assign(plans[rank].slots.size(), -1);
    }
  }
  int Of(size_t rank, SlotId slot) {
    int& known = depths_[rank][slot];
    if (known >= 0) return known;
    int depth = 0;
    for (const Step& step : plans_[rank].steps) {
      if (step.slot != slot) continue;
      if (step.verb == Verb::kReceive) depth = Sent(rank, step) + 1;
      if (step.verb != Verb::kReduce) continue;
      for (const SlotId term : step.terms) {
        if (term != kOwnInput) depth = std::max(depth, Of(rank, term));
      }
    }
    return depths_[rank][slot] = depth;
  }

 private:
  int Sent(size_t rank, const Step& receive) {
    const auto from = static_cast<size_t>(receive.peer);
    for (const Step& step : plans_[from].steps) {
      if (step.verb == Verb::kSend && step.peer == static_cast<int>(rank) &&
          step.message == receive.message) {
        return Of(from, step.slot);
      }
    }
    ADD_FAILURE() << "nobody sends message " << receive.message;
    return 0;
  }

  const std::vector<Plan>& plans_;
  std::vector<std::vector<int>> depths_;
};

Flows FlowsOfPlans(const std::vector<Plan>& plans) {
  Flows flows;
  Depths depths(plans);
  for (size_t rank = 0; rank < plans.size(); ++rank) {
    for (const Step& step : plans[rank].steps) {
      if (step.verb != Verb::kSend) continue;
      flows[{depths.Of(rank, step.slot), static_cast<int>(rank), step.peer}] +=
          plans[rank].PayloadBytes(step.slot, step.count);
    }
  }
  return flows;
}

Flows FlowsOfPattern(const TrafficPattern& pattern) {
  Flows flows;
  std::vector<Traffic> sends;
  for (int hop = 0; hop < pattern.hops(); ++hop) {
    for (int rank = 0; rank < pattern.ranks(); ++rank) {
      pattern.Sends(hop, rank, &sends);
      for (const Traffic& traffic : sends) flows[{hop, rank, traffic.to}] += 4 * traffic.elements;
    }
  }
  return flows;
}

std::string Described(const Flows& flows, const Flows& others) {
  std::string text;
  for (const auto& [flow, bytes] : flows) {
    const auto other = others.find(flow);
    if (other != others.end() && other->second == bytes) continue;
    const auto& [hop, from, to] = flow;
    text += fmt::format("hop {}: {} -> {}: {} bytes\n", hop, from, to, bytes);
  }
  return text;
}

std::vector<Plan> PlansOf(const LinkModel& links, Algorithm algorithm) {
  PlanRequest request;
  request.count = kCount;
  request.ranks = links.ranks();
  Planner planner(links, CostModel{}, size_t{128} << 10);
  std::vector<Plan> plans;
  for (int rank = 0; rank < links.ranks(); ++rank) {
    const auto plan = planner.PlanFor(request, algorithm, rank);
    EXPECT_TRUE(plan.ok()) << plan.status().message();
    if (plan.ok()) plans.push_back(*plan.value());
  }
  return plans;
}

void ExpectPatternIsPlans(const SiteMatrix& sites, int ranks, Algorithm algorithm) {
  SCOPED_TRACE(fmt::format("{}, {} ranks", NameOf(algorithm), ranks));
  const auto pattern = MakePattern(NameOf(algorithm), ranks, kCount, FirstRanks(sites, ranks));
  ASSERT_TRUE(pattern.ok()) << pattern.status().message();
  const Flows of_pattern = FlowsOfPattern(*pattern.value());
  const Flows of_plans = FlowsOfPlans(PlansOf(sites.Links(ranks), algorithm));
  EXPECT_EQ(Described(of_pattern, of_plans), "") << "in the pattern only";
  EXPECT_EQ(Described(of_plans, of_pattern), "") << "in the plans only";
}

TEST(TrafficPatternTest, IsThatOfThePlansOnEqualLinks) {
  const SiteMatrix anywhere(Link{125e6, 0.02, 0});
  for (const Algorithm algorithm : Planner::Candidates(Operation::kAllReduce)) {
    // Its shares follow the links; where those are equal it is SRA.
    if (NameOf(algorithm) == "uneven-sra") continue;
    for (int ranks = 2; ranks <= 16; ++ranks) ExpectPatternIsPlans(anywhere, ranks, algorithm);
  }
}

TEST(TrafficPatternTest, IsThatOfThePlansBetweenSites) {
  const SiteMatrix sites = SiteMatrix::Parse("inside 1gbit 1ms\na b 1gbit 50ms\n").value();
  const auto candidates = Planner::Candidates(Operation::kAllReduce);
  for (const Algorithm algorithm : candidates) {
    // A ring goes round in an order of its own between sites, and shares follow the links.
    if (NameOf(algorithm) == "uneven-sra" || NameOf(algorithm) == "ring") continue;
    for (const int ranks : {4, 6, 8, 11, 16}) ExpectPatternIsPlans(sites, ranks, algorithm);
  }
}

class EveryPatternTest : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Patterns, EveryPatternTest,
                         testing::ValuesIn(PatternNames().begin(), PatternNames().end()),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '-');
                           return name;
                         });

// What each rank knows at the start of a hop is in which ranks' elements: everyone ends with all.
TEST_P(EveryPatternTest, TellsEveryRankOfEveryOther) {
  for (int ranks = 2; ranks <= 33; ++ranks) {
    const std::vector<int> halves = {0, (ranks + 1) / 2};
    const auto pattern = MakePattern(GetParam(), ranks, kCount, halves).value();
    const auto n = static_cast<size_t>(ranks);
    std::vector<std::vector<bool>> heard(n, std::vector<bool>(n));
    for (size_t rank = 0; rank < n; ++rank) heard[rank][rank] = true;
    std::vector<Traffic> sends;
    for (int hop = 0; hop < pattern->hops(); ++hop) {
      const auto before = heard;
      for (size_t rank = 0; rank < n; ++rank) {
        pattern->Sends(hop, static_cast<int>(rank), &sends);
        for (const Traffic& traffic : sends) {
          ASSERT_NE(traffic.to, static_cast<int>(rank));
          auto& theirs = heard[static_cast<size_t>(traffic.to)];
          for (size_t i = 0; i < n; ++i) theirs[i] = theirs[i] || before[rank][i];
        }
      }
    }
    for (const auto& of_rank : heard) {
      EXPECT_EQ(std::count(of_rank.begin(), of_rank.end(), false), 0) << ranks << " ranks";
    }
  }
}

TEST(TrafficPatternTest, UnknownNamesAreRefusedWithThoseThereAre) {
  const auto pattern = MakePattern("star", 4, 100, {0});
  ASSERT_FALSE(pattern.ok());
  EXPECT_NE(pattern.status().message().find("halving-doubling"), std::string::npos);
}

}  // namespace
}  // namespace thinwire
