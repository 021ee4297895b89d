// SPDX-License-Identifier: Apache-2.0
#include "comm/survival_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace thinwire {
namespace {

using testing::HasSubstr;
using Kind = SurvivalPolicy::Kind;

SurvivalPolicy Parsed(const std::string& text, int ranks = 4) {
  const auto policy = SurvivalPolicy::Parse(text, ranks);
  EXPECT_TRUE(policy.ok()) << policy.status().message();
  return policy.ok() ? policy.value() : SurvivalPolicy{};
}

TEST(SurvivalPolicyTest, TextSaysWhichAndItsNumbers) {
  EXPECT_EQ(Parsed("").kind, Kind::kAbort);
  EXPECT_EQ(Parsed("abort").kind, Kind::kAbort);
  EXPECT_EQ(Parsed("exclude").kind, Kind::kExclude);
  EXPECT_EQ(Parsed("exclude(least=1)").least, 1);
  EXPECT_EQ(Parsed("vote").kind, Kind::kVote);
  EXPECT_EQ(Parsed("vote(least=3)").least, 3);
  const SurvivalPolicy deadline = Parsed("deadline(ranks=3,after=200ms)");
  EXPECT_EQ(deadline.kind, Kind::kDeadline);
  EXPECT_EQ(deadline.on_time, 3);
  EXPECT_DOUBLE_EQ(deadline.after_seconds, 0.2);
}

TEST(SurvivalPolicyTest, WhatMakesNoSenseIsNamed) {
  const auto refusal = [](const std::string& text) {
    return SurvivalPolicy::Parse(text, 4).status().message();
  };
  EXPECT_THAT(refusal("survive"), HasSubstr("'survive' is none of abort, exclude"));
  EXPECT_THAT(refusal("exclude(least=5)"), HasSubstr("least=5 must be from 1 to 4"));
  EXPECT_THAT(refusal("exclude(least=)"), HasSubstr("least="));
  EXPECT_THAT(refusal("exclude(most=3)"), HasSubstr("exclude takes no most"));
  EXPECT_THAT(refusal("exclude least"), HasSubstr("'exclude least'"));
  EXPECT_THAT(refusal("vote(3)"), HasSubstr("'3' must read name=value"));
  EXPECT_THAT(refusal("vote("), HasSubstr("parentheses"));
  EXPECT_THAT(refusal("deadline"), HasSubstr("deadline(ranks=NUMBER,after=TIME)"));
  EXPECT_THAT(refusal("deadline(ranks=3)"), HasSubstr("after"));
  EXPECT_THAT(refusal("deadline(ranks=3,after=soon)"), HasSubstr("soon"));
}

TEST(SurvivalPolicyTest, NeverDoTwoPartsGoOn) {
  const SurvivalPolicy policy = Parsed("exclude");
  EXPECT_TRUE(policy.MayGoOn({1, 2, 3}, 4));
  EXPECT_FALSE(policy.MayGoOn({3}, 4));
  EXPECT_TRUE(policy.MayGoOn({0, 3}, 4));
  EXPECT_FALSE(policy.MayGoOn({1, 2}, 4));
  EXPECT_TRUE(policy.MayGoOn({0}, 2));
  EXPECT_FALSE(policy.MayGoOn({1}, 2));
}

TEST(SurvivalPolicyTest, AGivenNumberIsEnough) {
  const SurvivalPolicy policy = Parsed("exclude(least=1)");
  EXPECT_TRUE(policy.MayGoOn({3}, 4));
  EXPECT_FALSE(Parsed("exclude(least=3)").MayGoOn({0, 1}, 4));
}

}  // namespace
}  // namespace thinwire
