// SPDX-License-Identifier: Apache-2.0
#include "placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "placement_files.h"
#include "placement_search.h"

namespace thinwire::plan {
namespace {

using testing::HasSubstr;

constexpr double kMegabyte = 1e6;

PlacementModel ModelOf(const LinkModel& links, const TrainingJob& job, Sends sends) {
  Result<PlacementModel> model = PlacementModel::Make(links, job, sends);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return std::move(model).value();
}

Hosts Worldwide(int count) {
  Result<Hosts> hosts = HostsOf("profile=worldwide-8", count, "");
  EXPECT_TRUE(hosts.ok()) << hosts.status().message();
  return std::move(hosts).value();
}

LinkModel RandomLinks(int hosts, unsigned seed) {
  std::mt19937 engine(seed);
  const auto up_to_100 = [&] { return static_cast<double>(1 + engine() % 100); };
  LinkModel links(hosts);
  for (int from = 0; from < hosts; ++from) {
    for (int to = 0; to < hosts; ++to) {
      links.at(from, to) = {.rate = kMegabyte * up_to_100(), .delay = 1e-3 * up_to_100()};
    }
  }
  return links;
}

void ExpectEveryHostOnce(Placement placement, int hosts) {
  std::sort(placement.begin(), placement.end());
  Placement all(static_cast<size_t>(hosts));
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(placement, all);
}

TEST(PlacementTest, SerialSendsAddUpOverPeers) {
  const TrainingJob job = {.stages = 2,
                           .replicas = 4,
                           .gradient_bytes = 8 * kMegabyte,
                           .activation_bytes = kMegabyte,
                           .micro_batches = 5};
  const LinkModel links(8, {.rate = kMegabyte, .delay = 0.5});
  const PlacementCost cost = ModelOf(links, job, Sends::kSerial).CostOf({0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_DOUBLE_EQ(cost.gradient_seconds, 2 * 3 * (0.5 + 2));
  EXPECT_DOUBLE_EQ(cost.activation_seconds, 2 * (0.5 + 5));
}

TEST(PlacementTest, ParallelSendsShareTheirHostsLink) {
  const TrainingJob job = {.stages = 2,
                           .replicas = 4,
                           .gradient_bytes = 8 * kMegabyte,
                           .activation_bytes = kMegabyte,
                           .micro_batches = 5};
  LinkModel links(8, {.rate = kMegabyte, .delay = 0.5});
  const Placement placement = {0, 1, 2, 3, 4, 5, 6, 7};
  // 3 shares of 2 MB leave over 1 MB/s; a micro-batch passes every second.
  EXPECT_DOUBLE_EQ(ModelOf(links, job, Sends::kParallel).CostOf(placement).gradient_seconds,
                   2 * (0.5 + 6));
  EXPECT_DOUBLE_EQ(ModelOf(links, job, Sends::kParallel).CostOf(placement).activation_seconds,
                   2 * (0.5 + 5));
  // A wider card leaves only the pairs in the way.
  for (int host = 0; host < 8; ++host) links.set_nic(host, 10 * kMegabyte);
  EXPECT_DOUBLE_EQ(ModelOf(links, job, Sends::kParallel).CostOf(placement).gradient_seconds,
                   2 * (0.5 + 2));
}

TEST(PlacementTest, MicroBatchesStreamThroughStages) {
  const TrainingJob job = {.stages = 3,
                           .replicas = 1,
                           .gradient_bytes = 0,
                           .activation_bytes = kMegabyte,
                           .micro_batches = 10};
  LinkModel links(3, {.rate = 1, .delay = 0});  // no way from 0 to 2 worth taking
  links.at(0, 1) = links.at(1, 0) = {.rate = kMegabyte, .delay = 1};
  links.at(1, 2) = links.at(2, 1) = {.rate = 4 * kMegabyte, .delay = 1};
  // The first of ten goes both ways, the other nine wait for the slower.
  EXPECT_DOUBLE_EQ(ModelOf(links, job, Sends::kParallel).CostOf({0, 2, 1}).activation_seconds,
                   2 * ((1 + 1) + (1 + 0.25) + 9 * 1));
}

TEST(PlacementTest, WiringChangesNoCostAndAlignsReplicas) {
  const TrainingJob job = {.stages = 4,
                           .replicas = 3,
                           .gradient_bytes = 1e7,
                           .activation_bytes = 1e6,
                           .micro_batches = 1};
  for (unsigned seed = 0; seed < 10; ++seed) {
    const LinkModel links = RandomLinks(12, seed);
    const PlacementModel model = ModelOf(links, job, Sends::kParallel);
    const Placement wired = model.Wired(RandomPlacement(model, seed));
    ExpectEveryHostOnce(wired, 12);
    const PlacementCost cost = model.CostOf(RandomPlacement(model, seed));
    EXPECT_DOUBLE_EQ(model.CostOf(wired).total(), cost.total());
    // As it stands, replica to same replica in this order, it takes what the cost says.
    double path = 0;
    for (size_t stage = 0; stage + 1 < 4; ++stage) {
      double slowest = 0;
      for (size_t replica = 0; replica < 3; ++replica) {
        slowest = std::max(slowest, model.MessageSeconds(wired[stage * 3 + replica],
                                                         wired[stage * 3 + 3 + replica]));
      }
      path += slowest;
    }
    EXPECT_NEAR(2 * path, cost.activation_seconds, 1e-9);
  }
}

// All placements of six hosts on three stages of two.
TEST(PlacementTest, SearchFindsTheBestOfAFewHosts) {
  const TrainingJob job = {.stages = 3,
                           .replicas = 2,
                           .gradient_bytes = 5e7,
                           .activation_bytes = 1e7,
                           .micro_batches = 3};
  for (unsigned seed = 0; seed < 20; ++seed) {
    const LinkModel links = RandomLinks(6, seed);
    const PlacementModel model = ModelOf(links, job, Sends::kParallel);
    Placement hosts = {0, 1, 2, 3, 4, 5};
    double best = model.CostOf(hosts).total();
    do {
      best = std::min(best, model.CostOf(hosts).total());
    } while (std::next_permutation(hosts.begin(), hosts.end()));
    const Placement found = SearchPlacement(model, {}, [](int, double) {});
    ExpectEveryHostOnce(found, 6);
    EXPECT_NEAR(model.CostOf(found).total(), best, 1e-9 * best) << seed;
  }
}

TEST(PlacementTest, EqualSeedsFindEqualPlacements) {
  const TrainingJob job = {.stages = 4,
                           .replicas = 4,
                           .gradient_bytes = 5e7,
                           .activation_bytes = 1e7,
                           .micro_batches = 3};
  const PlacementModel model = ModelOf(RandomLinks(16, 3), job, Sends::kParallel);
  const SearchEffort effort = {.offspring = 20, .seed = 7};
  const auto search = [&] { return SearchPlacement(model, effort, [](int, double) {}); };
  EXPECT_EQ(search(), search());
}

TEST(PlacementTest, SearchIsNeverWorseThanNearGroupsAndPipelines) {
  const TrainingJob job = {.stages = 4,
                           .replicas = 4,
                           .gradient_bytes = 5e7,
                           .activation_bytes = 1e7,
                           .micro_batches = 3};
  for (unsigned seed = 0; seed < 5; ++seed) {
    const PlacementModel model = ModelOf(RandomLinks(16, seed), job, Sends::kParallel);
    const Placement found = SearchPlacement(model, {.offspring = 50}, [](int, double) {});
    EXPECT_LE(model.CostOf(found).total(), model.CostOf(NearGroups(model)).total());
    EXPECT_LE(model.CostOf(found).total(), model.CostOf(NearPipelines(model)).total());
  }
}

TEST(PlacementTest, JobsThatDontFitAreRefused) {
  const LinkModel links(8, {.rate = 1, .delay = 0});
  const auto error = [&](const TrainingJob& job, const LinkModel& of) {
    const auto model = PlacementModel::Make(of, job, Sends::kParallel);
    EXPECT_FALSE(model.ok());
    return model.status().message();
  };
  EXPECT_THAT(error({.stages = 2, .replicas = 3}, links), HasSubstr("6 hosts"));
  EXPECT_THAT(error({.stages = 17, .replicas = 1}, links), HasSubstr("17 stages"));
  EXPECT_THAT(error({.stages = 2, .replicas = 4}, LinkModel(8)), HasSubstr("not known"));
}

TEST(PlacementTest, FilesNameHostsAndLinksInTheOrderOfRanks) {
  const TrainingJob job = {.stages = 4, .replicas = 4};
  const Hosts hosts = Worldwide(16);
  Placement placement(16);
  std::iota(placement.rbegin(), placement.rend(), 0);
  EXPECT_THAT(HostFile(hosts, job, placement), HasSubstr("-1  # rank 0: stage 0, replica 0\n"));
  const Result<LinkModel> read = LinkModel::Parse("lines=" + LinkFile(hosts, placement), 16);
  ASSERT_TRUE(read.ok()) << read.status().message();
  for (int from = 0; from < 16; ++from) {
    EXPECT_DOUBLE_EQ(read.value().nic(from), 250e6);
    for (int to = 0; to < 16; ++to) {
      if (from == to) continue;
      const Link& link = hosts.links.at(15 - from, 15 - to);
      EXPECT_NEAR(read.value().at(from, to).rate, link.rate, 1);
      EXPECT_NEAR(read.value().at(from, to).delay, link.delay, 1e-9);
    }
  }
}

}  // namespace
}  // namespace thinwire::plan
