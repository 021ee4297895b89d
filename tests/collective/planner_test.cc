// SPDX-License-Identifier: Apache-2.0
#include "collective/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace thinwire {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr size_t kSegmentBytes = size_t{128} << 10;
constexpr double kLatency = 0.05;
constexpr double kRate = 62.5e6;  // 500 Mbit/s

PlanRequest RequestOf(int ranks, size_t count, Operation operation = Operation::kAllReduce) {
  PlanRequest request;
  request.operation = operation;
  request.ranks = ranks;
  request.count = count;
  return request;
}
PlanRequest AllReduceOf(int ranks, size_t count) { return RequestOf(ranks, count); }

Planner PlannerOf(int ranks) {
  return Planner(LinkModel(ranks, Link{kRate, kLatency, 0}), CostModel{}, kSegmentBytes);
}

Algorithm ChoiceOf(Planner* planner, const PlanRequest& request) {
  return planner->PlanFor(request, Algorithm::kAuto, 0).value()->algorithm;
}

// Two sites of three ranks, whose hosts have fast links inside and share slow ones across.
LinkModel TwoSites(double across_rate) {
  LinkModel links(6);
  for (int a = 0; a < 6; ++a) {
    for (int b = 0; b < 6; ++b) {
      const bool near = a / 3 == b / 3;
      links.at(a, b) = near ? Link{1.25e9, 2e-4, 0} : Link{across_rate, kLatency, 0};
    }
  }
  return links;
}

TEST(PlannerTest, ChoosesOneHopForShortVectorsAndSraForLongOnes) {
  Planner planner = PlannerOf(8);
  const auto choice = [&](size_t count) {
    return planner.PlanFor(AllReduceOf(8, count), Algorithm::kAuto, 0).value()->algorithm;
  };
  EXPECT_EQ(choice(16), Algorithm::kOneShot);
  EXPECT_EQ(choice(4096), Algorithm::kOneShot);
  EXPECT_EQ(choice(1 << 24), Algorithm::kSra);
}

TEST(PlannerTest, AllRanksChooseAlike) {
  for (const size_t count : {size_t{1}, size_t{50'000}, size_t{400'000}, size_t{3'000'000}}) {
    std::set<Algorithm> choices;
    for (int rank = 0; rank < 5; ++rank) {
      Planner planner = PlannerOf(5);
      choices.insert(
          planner.PlanFor(AllReduceOf(5, count), Algorithm::kAuto, rank).value()->algorithm);
    }
    EXPECT_EQ(choices.size(), 1u) << count;
  }
}

TEST(PlannerTest, UnknownLinksArePlannedForAsTypicalOnes) {
  Planner planner(LinkModel(8), CostModel{}, kSegmentBytes);
  EXPECT_EQ(planner.PlanFor(AllReduceOf(8, 16), Algorithm::kAuto, 0).value()->algorithm,
            Algorithm::kOneShot);
  EXPECT_EQ(planner.PlanFor(AllReduceOf(8, 1 << 24), Algorithm::kAuto, 0).value()->algorithm,
            Algorithm::kSra);
  EXPECT_GE(planner.Predict(AllReduceOf(8, 16), Algorithm::kOneShot).seconds,
            CostModel{}.unknown_delay);
}

TEST(PlannerTest, BroadcastsLongVectorsInPartsAndShortOnesAtOnce) {
  Planner planner = PlannerOf(8);
  EXPECT_EQ(ChoiceOf(&planner, RequestOf(8, 16, Operation::kBroadcast)), Algorithm::kDirect);
  const PlanRequest large = RequestOf(8, 1 << 22, Operation::kBroadcast);
  EXPECT_NE(ChoiceOf(&planner, large), Algorithm::kDirect);
  // The root's link carries the vector once, not seven times.
  EXPECT_LT(planner.Predict(large, Algorithm::kSra).seconds,
            planner.Predict(large, Algorithm::kDirect).seconds / 3);
  EXPECT_EQ(planner.Predict(large, Algorithm::kSra).wire_bytes[0] >> 20, 16u);
}

TEST(PlannerTest, ReducesLongVectorsInParts) {
  Planner planner = PlannerOf(8);
  const PlanRequest large = RequestOf(8, 1 << 22, Operation::kReduce);
  EXPECT_LT(planner.Predict(large, Algorithm::kSra).seconds,
            planner.Predict(large, Algorithm::kDirect).seconds / 2.5);
}

TEST(PlannerTest, NothingIsClearlyQuickerThanWhatIsChosen) {
  for (const LinkModel& links :
       {TwoSites(12.5e6), TwoSites(1.25e8), LinkModel(6, Link{kRate, kLatency, 0})}) {
    Planner planner(links, CostModel{}, kSegmentBytes);
    for (const Operation operation :
         {Operation::kAllReduce, Operation::kReduceScatter, Operation::kAllGather,
          Operation::kBroadcast, Operation::kReduce, Operation::kAllToAll}) {
      for (const size_t count : {size_t{1} << 8, size_t{1} << 14, size_t{1} << 20}) {
        const PlanRequest request = RequestOf(6, count, operation);
        const double chosen = planner.Predict(request, ChoiceOf(&planner, request)).seconds;
        for (const Algorithm algorithm : Planner::Candidates(operation)) {
          EXPECT_GT(planner.Predict(request, algorithm).seconds, 0.94 * chosen)
              << NameOf(operation) << " of " << count << ": " << NameOf(algorithm);
        }
      }
    }
  }
}

TEST(PlannerTest, UnevenRatesMoveTheWorkToThoseWhoCan) {
  LinkModel links(5, Link{kRate, kLatency, 0});
  for (int other = 0; other < 4; ++other) {
    links.at(other, 4).rate = links.at(4, other).rate = kRate / 3;
  }
  Planner planner(links, CostModel{}, kSegmentBytes);
  const PlanRequest request = AllReduceOf(5, 1 << 23);
  EXPECT_LT(planner.Predict(request, Algorithm::kUnevenSra).seconds,
            0.8 * planner.Predict(request, Algorithm::kSra).seconds);
  EXPECT_EQ(ChoiceOf(&planner, request), Algorithm::kUnevenSra);
}

TEST(PlannerTest, OffersNoAlgorithmThatABetterKnownOneIsTheSameAs) {
  Planner planner = PlannerOf(3);
  std::vector<Algorithm> offered;
  for (const Prediction& prediction : planner.Explain(AllReduceOf(3, 1000), true)->ranked) {
    offered.push_back(prediction.algorithm);
  }
  EXPECT_THAT(offered, Not(Contains(Algorithm::kHierarchical)));
  EXPECT_THAT(offered, Not(Contains(Algorithm::kUnevenSra)));
  EXPECT_THAT(offered, Contains(Algorithm::kRing));
}

TEST(PlannerTest, WhatIsLeftOutWouldNotHaveWon) {
  for (const Operation operation : {Operation::kAllReduce, Operation::kReduceScatter,
                                    Operation::kBroadcast, Operation::kReduce}) {
    for (const size_t count : {size_t{100}, size_t{30'000}, size_t{3'000'000}}) {
      for (const LinkModel& links : {LinkModel(6, Link{kRate, kLatency, 0}), TwoSites(kRate)}) {
        Planner planner(links, CostModel{}, kSegmentBytes);
        const PlanRequest request = RequestOf(6, count, operation);
        EXPECT_EQ(planner.Explain(request)->best().algorithm,
                  planner.Explain(request, /*all=*/true)->best().algorithm)
            << NameOf(operation) << " " << count;
      }
    }
  }
}

TEST(PlannerTest, ExplainsItsChoiceAndTheRunnerUp) {
  Planner planner = PlannerOf(8);
  const auto choice = planner.Explain(AllReduceOf(8, 1 << 24));
  ASSERT_GE(choice->ranked.size(), 2u);
  EXPECT_EQ(choice->best().algorithm, Algorithm::kSra);
  EXPECT_EQ(choice->best().path.hops, 2);
  EXPECT_NEAR(choice->best().path.latency_seconds, 2 * kLatency, 1e-3);
  EXPECT_TRUE(choice->best().simulated);
  EXPECT_THAT(choice->Reason(), testing::StartsWith("sra, "));
  EXPECT_THAT(choice->Reason(), HasSubstr("2 hops take 100"));
  EXPECT_THAT(choice->Reason(), HasSubstr("; next is "));
  EXPECT_EQ(planner.Explain(AllReduceOf(8, 1 << 24)), choice);
}

TEST(PlannerTest, HopsAreThoseOfTheLongestChain) {
  const Planner planner = PlannerOf(8);
  const std::map<Algorithm, int> hops = {
      {Algorithm::kOneShot, 1},         {Algorithm::kSra, 2},   {Algorithm::kGrid, 4},
      {Algorithm::kHalvingDoubling, 6}, {Algorithm::kRing, 14}, {Algorithm::kRecursiveDoubling, 3},
      {Algorithm::kDoubleTree, 6}};
  for (const auto& [algorithm, expected] : hops) {
    const CriticalPath path = planner.PredictionOf(AllReduceOf(8, 1000), algorithm).path;
    EXPECT_EQ(path.hops, expected) << NameOf(algorithm);
  }
}

TEST(PlannerTest, NoSimulationBeatsItsBound) {
  for (const LinkModel& links : {LinkModel(6, Link{kRate, kLatency, 0}), TwoSites(kRate / 4)}) {
    const Planner planner(links, CostModel{}, kSegmentBytes);
    for (const Operation operation :
         {Operation::kAllReduce, Operation::kReduceScatter, Operation::kAllGather,
          Operation::kBroadcast, Operation::kReduce, Operation::kAllToAll}) {
      for (const size_t count : {size_t{10}, size_t{1} << 20}) {
        for (const Algorithm algorithm : Planner::Candidates(operation)) {
          const Prediction prediction =
              planner.PredictionOf(RequestOf(6, count, operation), algorithm);
          EXPECT_GE(prediction.seconds, 0.999 * prediction.path.seconds())
              << NameOf(operation) << " " << NameOf(algorithm) << " " << count;
        }
      }
    }
  }
}

TEST(PlannerTest, ThousandsOfRanksAreEstimated) {
  Planner planner = PlannerOf(1000);
  const auto choice = planner.Explain(AllReduceOf(1000, 1 << 20));
  EXPECT_FALSE(choice->best().simulated);
  EXPECT_EQ(choice->best().algorithm, Algorithm::kSra);
}

TEST(CandidatesTest, ReferencesAreNeverForwarded) {
  const Codec& delta = *FindCodec("delta(q8)").value();
  EXPECT_THAT(Planner::Candidates(Operation::kAllReduce, delta),
              testing::ElementsAre(Algorithm::kSra, Algorithm::kOneShot));
  for (const Operation operation : {Operation::kReduceScatter, Operation::kAllGather,
                                    Operation::kBroadcast, Operation::kReduce}) {
    EXPECT_THAT(Planner::Candidates(operation, delta), testing::ElementsAre(Algorithm::kDirect));
  }
}

// Several ranks encode the same partial sum: they must get the same bytes.
TEST(CandidatesTest, RecursiveDoublingIsForCodecsThatEncodeAlikeEverywhere) {
  const auto doubles = [](const char* codec) {
    const auto all = Planner::Candidates(Operation::kAllReduce, *FindCodec(codec).value());
    return std::ranges::find(all, Algorithm::kRecursiveDoubling) != all.end();
  };
  for (const char* codec : {"raw", "x3", "q8", "rq4", "iq8"}) EXPECT_TRUE(doubles(codec)) << codec;
  for (const char* codec : {"q8+sr", "q8+ef", "rq1+unbiased"})
    EXPECT_FALSE(doubles(codec)) << codec;
}

TEST(AskedTest, ARuleForSeveralOperationsLeavesTheOthersToThePlanner) {
  EXPECT_EQ(Planner::Asked(Operation::kBroadcast, Algorithm::kOneShot), Algorithm::kAuto);
  EXPECT_EQ(Planner::Asked(Operation::kBroadcast, Algorithm::kRing), Algorithm::kRing);
  EXPECT_EQ(Planner::Asked(Operation::kBarrier, Algorithm::kSra), Algorithm::kAuto);
  EXPECT_EQ(Planner::Asked(Operation::kAllReduce, Algorithm::kDirect), Algorithm::kDirect);
}

}  // namespace
}  // namespace thinwire
