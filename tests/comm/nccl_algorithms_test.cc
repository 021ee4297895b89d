// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl_algorithms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace thinwire {
namespace {

using enum Operation;
using testing::ElementsAre;
using testing::IsEmpty;

Algorithm AskedOf(std::string_view text, Operation operation, const char* codec = "raw") {
  return NcclAlgorithms(text).For(operation, *FindCodec(codec).value());
}

TEST(NcclAlgorithmsTest, RingIsForAllThatHaveIt) {
  EXPECT_EQ(AskedOf("Ring", kAllReduce), Algorithm::kRing);
  EXPECT_EQ(AskedOf("RING", kAllGather), Algorithm::kRing);
  EXPECT_EQ(AskedOf("ring", kAllToAll), Algorithm::kAuto);
  EXPECT_EQ(AskedOf("ring", kSend), Algorithm::kAuto);
  EXPECT_THAT(NcclAlgorithms("Ring").ignored(), IsEmpty());
}

TEST(NcclAlgorithmsTest, TreeIsForAllReduce) {
  EXPECT_EQ(AskedOf("Tree", kAllReduce), Algorithm::kDoubleTree);
  EXPECT_EQ(AskedOf("Tree", kBroadcast), Algorithm::kAuto);
}

TEST(NcclAlgorithmsTest, OfAListTheFirstThatCan) {
  EXPECT_EQ(AskedOf("Tree,Ring", kAllReduce), Algorithm::kDoubleTree);
  EXPECT_EQ(AskedOf("Tree,Ring", kBroadcast), Algorithm::kRing);
  EXPECT_EQ(AskedOf("NVLS,Ring", kAllReduce), Algorithm::kRing);
  EXPECT_THAT(NcclAlgorithms("NVLS,Ring,CollnetDirect").ignored(),
              ElementsAre("NVLS", "CollnetDirect"));
}

TEST(NcclAlgorithmsTest, OperationsMayHaveTheirOwn) {
  constexpr std::string_view kText = "allreduce:tree;Broadcast:Ring";
  EXPECT_EQ(AskedOf(kText, kAllReduce), Algorithm::kDoubleTree);
  EXPECT_EQ(AskedOf(kText, kBroadcast), Algorithm::kRing);
  EXPECT_EQ(AskedOf(kText, kAllGather), Algorithm::kAuto);
  EXPECT_THAT(NcclAlgorithms("sendrecv:ring").ignored(), ElementsAre("ring"));
}

TEST(NcclAlgorithmsTest, ExclusionsAreNamedAndLeaveThePlannerItsChoice) {
  EXPECT_EQ(AskedOf("^NVLS,NVLSTree", kAllReduce), Algorithm::kAuto);
  EXPECT_THAT(NcclAlgorithms("^NVLS").ignored(), ElementsAre("^NVLS"));
}

TEST(NcclAlgorithmsTest, CodecsThatCannotBeForwardedTakeNone) {
  EXPECT_EQ(AskedOf("Ring", kAllReduce, "delta(rq2)"), Algorithm::kAuto);
}

TEST(NcclAlgorithmsTest, NothingAskedForIsNothing) {
  EXPECT_EQ(AskedOf("", kAllReduce), Algorithm::kAuto);
}

}  // namespace
}  // namespace thinwire
