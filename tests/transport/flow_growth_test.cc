// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/flow_growth.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace thinwire {
namespace {

// A path whose flows carry `per_flow` bytes a second each, together at most `rate`.
struct Path {
  double per_flow = 0;
  double rate = 0;
  double loss = 0;          // that packets have of themselves
  double loss_of_flow = 0;  // that each flow adds, as where a policer drops the surplus
  bool queue = true;        // a full path shows in the round trip
  double round_trip_seconds = 0.1;
};

// Lets data wait on the path for `seconds`; how many flows there are at the end.
int FlowsAfter(const Path& path, double seconds, FlowGrowth* growth, int flows = 1) {
  constexpr double kStep = 0.1;
  PathSample sample;
  sample.waiting = true;
  double sent = 0;
  double again = 0;
  for (double time = 0; time < seconds; time += kStep) {
    const double rate = std::min(path.rate, flows * path.per_flow);
    const bool full = flows * path.per_flow >= path.rate;
    sample.time += FromSeconds(kStep);
    sample.flows = flows;
    sample.shortest_round_trip_seconds = path.round_trip_seconds;
    sample.round_trip_seconds = path.round_trip_seconds * (full && path.queue ? 1.6 : 1.02);
    sample.acknowledged_bytes += static_cast<uint64_t>(rate * kStep);
    sent += rate * kStep / 1448;
    again += rate * kStep / 1448 * (path.loss + path.loss_of_flow * flows * flows);
    sample.sent_packets = static_cast<uint64_t>(sent);
    sample.sent_again_packets = static_cast<uint64_t>(again);
    flows = std::min(growth->Advise(sample), 64);
  }
  return flows;
}

TEST(FlowGrowthTest, FlowsAreAddedUntilThePathIsFull) {
  FlowGrowth growth;
  const Path lossy = {.per_flow = 1.5e6, .rate = 60e6, .loss = 1e-3};
  const int flows = FlowsAfter(lossy, 10, &growth);
  EXPECT_EQ(flows, 64);  // the first power of two at which 40 flows' worth is there
  EXPECT_NEAR(growth.best_rate(), 60e6, 1e6);
}

TEST(FlowGrowthTest, AFullPathGetsNoMore) {
  FlowGrowth growth;
  EXPECT_EQ(FlowsAfter({.per_flow = 1.5e6, .rate = 6e6, .loss = 1e-3}, 20, &growth), 4);
}

TEST(FlowGrowthTest, APathWithoutLossKeepsItsFlows) {
  FlowGrowth growth;
  EXPECT_EQ(FlowsAfter({.per_flow = 1e6, .rate = 60e6}, 20, &growth), 1);
}

TEST(FlowGrowthTest, CongestionIsNotAnsweredWithFlows) {
  FlowGrowth growth;
  EXPECT_EQ(FlowsAfter({.per_flow = 1e9, .rate = 60e6, .loss = 0.01}, 20, &growth), 1);
}

TEST(FlowGrowthTest, LossThatRisesWithTheFlowsEndsTheGrowth) {
  FlowGrowth growth;
  const Path policed = {.per_flow = 20e6, .rate = 60e6, .loss_of_flow = 1e-3, .queue = false};
  EXPECT_LE(FlowsAfter(policed, 5, &growth), 2);
}

TEST(FlowGrowthTest, AnIdlePathKeepsItsFlows) {
  FlowGrowth growth;
  PathSample sample;
  sample.flows = 2;
  for (int i = 0; i < 100; ++i) {
    sample.time += FromSeconds(0.1);
    sample.sent_packets += 10;
    sample.sent_again_packets += 1;
    sample.waiting = i % 2 == 0;  // never for long
    EXPECT_EQ(growth.Advise(sample), 2);
  }
  EXPECT_EQ(growth.best_rate(), 0);
}

}  // namespace
}  // namespace thinwire
