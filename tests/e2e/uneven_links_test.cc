// SPDX-License-Identifier: Apache-2.0
//
// Algorithms whose plans follow the links: sites, rings in another order, shares of different size.
#include <gtest/gtest.h>

#include "support/c_member.h"
#include "support/collective_suite.h"

namespace thinwire {

// Only what the suite is made of is of use here.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CollectiveSuite);

namespace {

constexpr int kRanks = 6;

// Ranks 0, 2, 4 and 1, 3 stand together; rank 5 is alone and slow.
Settings UnevenLinks() {
  Settings settings;
  settings.link =
      "lines=* * 5gbit 20ms\n"
      "0 2 20gbit 0.2ms\n 2 0 20gbit 0.2ms\n 0 4 20gbit 0.2ms\n 4 0 20gbit 0.2ms\n"
      "2 4 20gbit 0.2ms\n 4 2 20gbit 0.2ms\n 1 3 20gbit 0.2ms\n 3 1 20gbit 0.2ms\n"
      "5 * 2gbit 20ms\n * 5 2gbit 20ms\n";
  return settings;
}

const Algorithm kFollowing[] = {Algorithm::kHierarchical, Algorithm::kUnevenSra, Algorithm::kRing};

TEST(UnevenLinksTest, EveryOperationIsExact) {
  MembersOf(UnevenLinks())(kRanks, [](Member& member) {
    for (const size_t count : {size_t{1}, size_t{7}, size_t{30'011}}) {
      for (Op op : suite::OpsOf(DataType::kFloat32, Reduction::kSum, kRanks)) {
        op.count = count;
        suite::RunExact(member, op, /*in_place=*/false);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

TEST(UnevenLinksTest, AllRanksGetTheSameBitsInLossyCodecs) {
  constexpr size_t kCount = 20'011;
  std::vector<double> exact(kCount);
  for (int rank = 0; rank < kRanks; ++rank) {
    const std::vector<float> input = Gradient(rank, kCount);
    for (size_t i = 0; i < kCount; ++i) exact[i] += input[i];
  }
  const std::map<std::string, double> limits = {
      {"q8", 0.02}, {"q8+sr", 0.03}, {"rq4", 0.3}, {"iq8", 0.03}, {"tk(40%,q8,q8)", 0.7}};
  for (const auto& [codec, limit] : limits) {
    for (const Algorithm algorithm : kFollowing) {
      SCOPED_TRACE(fmt::format("{} {}", codec, NameOf(algorithm)));
      std::vector<std::vector<float>> outputs(kRanks, std::vector<float>(kCount));
      MembersOf(UnevenLinks())(kRanks, [&](Member& member) {
        Op op;
        op.count = kCount;
        op.codec = codec;
        op.algorithm = algorithm;
        const std::vector<float> input = Gradient(member.rank(), kCount);
        const Status status =
            member.Run(op, input.data(), outputs[static_cast<size_t>(member.rank())].data());
        ASSERT_TRUE(status.ok()) << status.message();
      });
      for (const auto& output : outputs) EXPECT_EQ(output, outputs[0]);
      EXPECT_LE(suite::RelativeError(outputs[0], exact), limit);
    }
  }
}

// Contributions that cancel inside their sites: coded one by one, different noise would be left.
TEST(UnevenLinksTest, SumsInsideASiteAreNotCoded) {
  constexpr size_t kCount = 8192;
  constexpr float kSigns[kRanks] = {1, 1, -1, -1, 0, 0};
  const auto rest_of = [&](Algorithm algorithm) {
    std::vector<std::vector<float>> outputs(kRanks, std::vector<float>(kCount));
    MembersOf(UnevenLinks())(kRanks, [&](Member& member) {
      const auto rank = static_cast<size_t>(member.rank());
      std::vector<float> input = Gradient(1, kCount);
      for (float& value : input) value *= kSigns[rank];
      Op op;
      op.count = kCount;
      op.codec = "q4+sr";
      op.algorithm = algorithm;
      const Status status = member.Run(op, input.data(), outputs[rank].data());
      ASSERT_TRUE(status.ok()) << status.message();
    });
    double sum = 0;
    for (const float value : outputs[0]) sum += std::abs(value);
    return sum;
  };
  EXPECT_EQ(rest_of(Algorithm::kHierarchical), 0);
  EXPECT_GT(rest_of(Algorithm::kSra), 0);
}

TEST(UnevenLinksTest, ResidualsWorkAcrossSites) {
  constexpr size_t kCount = 5000;
  Comms comms(kRanks, UnevenLinks());
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.policy = "all_reduce >=0: rq4+ef algo=hierarchical";
    options.key = 3;
    const std::vector<float> input = Gradient(rank, kCount);
    std::vector<double> want(kCount);
    for (int r = 0; r < kRanks; ++r) {
      const std::vector<float> other = Gradient(r, kCount);
      for (size_t i = 0; i < kCount; ++i) want[i] += other[i];
    }
    std::vector<float> output(kCount);
    std::vector<float> mean(kCount);
    double first = 0;
    constexpr int kSteps = 20;
    for (int step = 0; step < kSteps; ++step) {
      const auto result = thinwireAllReduce(input.data(), output.data(), kCount, thinwireFloat32,
                                            thinwireSum, comm, &options);
      ASSERT_EQ(result, thinwireSuccess) << thinwireGetLastError(comm);
      if (step == 0) first = suite::RelativeError(output, want);
      for (size_t i = 0; i < kCount; ++i) mean[i] += output[i] / kSteps;
    }
    EXPECT_LT(suite::RelativeError(mean, want), first / 5);
  });
}

}  // namespace
}  // namespace thinwire
