// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "comm/link_refresh.h"
#include "support/c_member.h"
#include "support/elements.h"

namespace thinwire {
namespace {

thinwireLink_t LinkOf(thinwireComm_t comm, int from, int to) {
  thinwireLink_t link = {};
  link.size = sizeof(link);
  EXPECT_EQ(thinwireCommGetLink(comm, from, to, &link), thinwireSuccess);
  return link;
}

TEST(LinksTest, NothingIsKnownWithinAProcess) {
  Comms comms(2, Settings());
  const thinwireLink_t link = LinkOf(comms[0], 0, 1);
  EXPECT_EQ(link.bitsPerSecond, 0);
  EXPECT_EQ(link.delaySeconds, 0);
  EXPECT_EQ(link.origin, thinwireLinkUnknown);
}

TEST(LinksTest, WhatIsGivenIsKnown) {
  Settings settings;
  settings.link = "rate=500mbit,delay=20ms,loss=1%";
  Comms comms(2, settings);
  const thinwireLink_t link = LinkOf(comms[1], 0, 1);
  EXPECT_DOUBLE_EQ(link.bitsPerSecond, 500e6);
  EXPECT_DOUBLE_EQ(link.delaySeconds, 0.02);
  EXPECT_DOUBLE_EQ(link.loss, 0.01);
  EXPECT_GE(link.ageSeconds, 0);
  EXPECT_EQ(link.origin, thinwireLinkGiven);
}

TEST(LinksTest, WhatIsMeasuredIsTheSameOnAllRanks) {
  Settings settings;
  settings.link = "measure";
  Comms comms(3, settings);
  for (int rank = 1; rank < 3; ++rank) {
    EXPECT_EQ(LinkOf(comms[0], 1, 2).bitsPerSecond, LinkOf(comms[rank], 1, 2).bitsPerSecond);
    EXPECT_EQ(LinkOf(comms[0], 1, 2).delaySeconds, LinkOf(comms[rank], 1, 2).delaySeconds);
  }
  EXPECT_GT(LinkOf(comms[0], 1, 2).delaySeconds, 0);
}

TEST(LinksTest, PairsThatAreNoneAreRefused) {
  Comms comms(2, Settings());
  thinwireLink_t link = {};
  link.size = sizeof(link);
  EXPECT_EQ(thinwireCommGetLink(nullptr, 0, 1, &link), thinwireInvalidArgument);
  EXPECT_EQ(thinwireCommGetLink(comms[0], 0, 1, nullptr), thinwireInvalidArgument);
  for (const auto& [from, to] : {std::pair(0, 0), {0, 2}, {-1, 0}}) {
    EXPECT_EQ(thinwireCommGetLink(comms[0], from, to, &link), thinwireInvalidArgument);
  }
  link.size = 1;
  EXPECT_EQ(thinwireCommGetLink(comms[0], 0, 1, &link), thinwireInvalidArgument);
}

// One rank groups its calls, another doesn't: what is learned is gathered between the same calls.
TEST(LinksTest, LearnedLinksAreGatheredBesideCallsHoweverTheyAreGrouped) {
  Settings settings;
  settings.link = "rate=10gbit,delay=1ms";
  Comms comms(3, settings);
  constexpr int kCalls = static_cast<int>(2 * LinkRefresh::kCalls + 40);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    std::vector<float> values(kCalls, static_cast<float>(rank));
    const int at_once = 1 + 3 * rank;
    for (int i = 0; i < kCalls; ++i) {
      if (at_once > 1 && i % at_once == 0) {
        ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
      }
      float* const value = &values[static_cast<size_t>(i)];
      ASSERT_EQ(thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum, comm, nullptr),
                thinwireSuccess);
      const bool last = i % at_once == at_once - 1 || i == kCalls - 1;
      if (at_once > 1 && last) {
        ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess);
      }
    }
    EXPECT_EQ(std::set<float>(values.begin(), values.end()), std::set<float>{3});
    thinwireStatistics_t statistics = {};
    statistics.size = sizeof(statistics);
    ASSERT_EQ(thinwireCommGetStatistics(comm, thinwireOpAllGather, &statistics), thinwireSuccess);
    EXPECT_EQ(statistics.calls, 0u);
  });
}

TEST(AutoCodecTest, AllRanksTakeTheSameAndTheStatisticsTellWhich) {
  Settings settings;
  settings.link = "rate=100mbit,delay=1ms";
  settings.policy = "auto(error=0.02)";
  Comms comms(3, settings);
  comms.OnRanks([&](int rank, thinwireComm_t comm) {
    const std::vector<float> input = Gradient(rank, 1 << 16);
    std::vector<float> output(input.size());
    ASSERT_EQ(thinwireAllReduce(input.data(), output.data(), input.size(), thinwireFloat32,
                                thinwireSum, comm, nullptr),
              thinwireSuccess)
        << thinwireGetLastError(comm);
    thinwireStatistics_t statistics = {};
    statistics.size = sizeof(statistics);
    ASSERT_EQ(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &statistics), thinwireSuccess);
    EXPECT_STREQ(statistics.codec, "q8");
  });
}

TEST(AutoCodecTest, IntegersStayExact) {
  Settings settings;
  settings.policy = "auto(error=0.5)";
  Comms comms(2, settings);
  comms.OnRanks([&](int, thinwireComm_t comm) {
    std::vector<int32_t> values(1 << 16, 7);
    ASSERT_EQ(thinwireAllReduce(values.data(), values.data(), values.size(), thinwireInt32,
                                thinwireSum, comm, nullptr),
              thinwireSuccess);
    EXPECT_EQ(std::set<int32_t>(values.begin(), values.end()), std::set<int32_t>{14});
  });
}

}  // namespace
}  // namespace thinwire
