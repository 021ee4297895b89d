// SPDX-License-Identifier: Apache-2.0
#include "comm/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kLarge = size_t{1} << 20;

Policy Parsed(const std::string& text) {
  Result<Policy> policy = Policy::Parse(text);
  EXPECT_TRUE(policy.ok()) << policy.status().message();
  return policy.ok() ? policy.value() : Policy();
}

// Codec and algorithm a policy gives, as text.
std::string ChoiceOf(const std::string& policy, Operation operation = Operation::kAllReduce,
                     DataType dtype = DataType::kFloat32, Reduction reduction = Reduction::kSum,
                     size_t bytes = kLarge) {
  const Policy::Choice choice = Parsed(policy).For(operation, dtype, reduction, bytes);
  return fmt::format("{} {}", choice.codec->spec(), NameOf(choice.algorithm));
}

std::string ErrorOf(const std::string& text) {
  const Result<Policy> policy = Policy::Parse(text);
  EXPECT_FALSE(policy.ok()) << text;
  EXPECT_EQ(policy.status().code(), Code::kInvalidArgument);
  return policy.status().message();
}

TEST(PolicyTest, EverythingIsExactWithoutRules) {
  for (const char* text : {"", " ", ";", " ; ;"}) EXPECT_EQ(ChoiceOf(text), "raw auto");
}

TEST(PolicyTest, ACodecAloneIsForReductions) {
  for (const Operation operation :
       {Operation::kAllReduce, Operation::kReduceScatter, Operation::kReduce}) {
    EXPECT_EQ(ChoiceOf("q8", operation), "q8 auto");
  }
  for (const Operation operation :
       {Operation::kAllGather, Operation::kBroadcast, Operation::kSend, Operation::kRecv}) {
    EXPECT_EQ(ChoiceOf("q8", operation), "raw auto");
  }
}

TEST(PolicyTest, AutoLeavesTheCodecOpenAndSaysWhatToGoBy) {
  const auto target = [](const std::string& text, Reduction reduction = Reduction::kSum,
                         DataType dtype = DataType::kFloat32) {
    return Parsed(text).For(Operation::kAllReduce, dtype, reduction, kLarge).target;
  };
  EXPECT_EQ(target("auto(error=1e-2)"), (CodecTarget{0.01, {}}));
  EXPECT_EQ(target("all_reduce float: auto(compute=30ms) algo=sra"), (CodecTarget{{}, 0.03}));
  EXPECT_EQ(target("auto(compute=1s,error=0.5)"), (CodecTarget{0.5, 1.0}));
  EXPECT_EQ(target("q8"), std::nullopt);
  // What a lossy codec can't do stays exact.
  EXPECT_EQ(target("auto(error=0.5)", Reduction::kMax), std::nullopt);
  EXPECT_EQ(target("auto(error=0.5)", Reduction::kSum, DataType::kInt32), std::nullopt);
  EXPECT_EQ(ChoiceOf("auto(error=0.5) algo=sra"), "raw sra");
}

TEST(PolicyTest, AutoHasTheFloorOfLossyCodecs) {
  const Policy policy = Parsed("auto(error=0.5)");
  const auto at = [&](size_t bytes) {
    return policy.For(Operation::kAllReduce, DataType::kFloat32, Reduction::kSum, bytes).target;
  };
  EXPECT_TRUE(at(kPolicyFloorBytes));
  EXPECT_FALSE(at(kPolicyFloorBytes - 4));
}

TEST(PolicyTest, AutoNeedsToBeToldWhatToGoBy) {
  for (const char* text : {"auto", "auto()", "auto(", "all_reduce: auto algo=sra"}) {
    EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("error="), HasSubstr("compute="))) << text;
  }
  EXPECT_THAT(ErrorOf("auto(error=2)"), HasSubstr("'2'"));
  EXPECT_THAT(ErrorOf("auto(error=little)"), HasSubstr("little"));
  EXPECT_THAT(ErrorOf("auto(compute=soon)"), HasSubstr("soon"));
  EXPECT_THAT(ErrorOf("auto(bits=3)"), HasSubstr("bits=3"));
  EXPECT_THAT(ErrorOf("auto(error=0.1,error=0.2)"), HasSubstr("error=0.2"));
  EXPECT_THAT(ErrorOf("q8 auto(error=0.1)"), HasSubstr("second codec"));
}

TEST(PolicyTest, DataMovementIsCompressedByNameOnly) {
  EXPECT_EQ(ChoiceOf("all_gather: bf16", Operation::kAllGather), "bf16 auto");
  EXPECT_EQ(ChoiceOf("all_gather: bf16"), "raw auto");
  EXPECT_EQ(ChoiceOf("all_gather broadcast: q8", Operation::kBroadcast), "q8 auto");
  EXPECT_EQ(ChoiceOf("*: q8", Operation::kBroadcast), "q8 auto");
  EXPECT_EQ(ChoiceOf("*: q8"), "q8 auto");
}

TEST(PolicyTest, BothEndsOfAPairChooseAlike) {
  for (const char* text : {"send: q8", "recv: q8"}) {
    EXPECT_EQ(ChoiceOf(text, Operation::kSend), "q8 auto");
    EXPECT_EQ(ChoiceOf(text, Operation::kRecv), "q8 auto");
  }
}

TEST(PolicyTest, TheFirstRuleThatMatchesDecides) {
  const char* text = "half: raw; all_reduce float >=1M: q8 algo=sra; bf16";
  EXPECT_EQ(ChoiceOf(text, Operation::kAllReduce, DataType::kFloat16), "raw auto");
  EXPECT_EQ(ChoiceOf(text), "q8 sra");
  EXPECT_EQ(ChoiceOf(text, Operation::kReduceScatter), "bf16 auto");
  EXPECT_EQ(ChoiceOf(text, Operation::kAllReduce, DataType::kFloat32, Reduction::kSum, kLarge - 1),
            "bf16 auto");
}

TEST(PolicyTest, PatternsSelectTensorsByName) {
  const Policy policy =
      Parsed("*.bias layers.?.norm: raw; all_reduce float >=64K: rq4+ef; half: q8");
  const auto codec = [&](const std::string& tensor, DataType dtype = DataType::kFloat32,
                         size_t bytes = kLarge) {
    return policy.For(Operation::kAllReduce, dtype, Reduction::kSum, bytes, tensor).codec->spec();
  };
  EXPECT_EQ(codec("layers.1.bias"), "raw");
  EXPECT_EQ(codec("layers.1.norm"), "raw");
  EXPECT_EQ(codec("layers.12.norm"), "rq4+ef");
  EXPECT_EQ(codec("layers.1.weight"), "rq4+ef");
  EXPECT_EQ(codec(""), "rq4+ef") << "a call without a name";
  EXPECT_EQ(codec("layers.1.weight", DataType::kFloat32, 65535), "raw");
  EXPECT_EQ(codec("layers.1.weight", DataType::kFloat16), "q8");
  EXPECT_EQ(ChoiceOf("*.bias: q8"), "raw auto") << "no name, no match";
  EXPECT_EQ(ChoiceOf("*.*: tk(1%,q4)+ef; delta(rq2)"), "delta(rq2) auto");
}

TEST(PolicyTest, SmallVectorsStayExactUnlessASizeIsNamed) {
  const auto choice = [](const char* text, size_t bytes) {
    return ChoiceOf(text, Operation::kAllReduce, DataType::kFloat32, Reduction::kSum, bytes);
  };
  EXPECT_EQ(choice("q8", kPolicyFloorBytes - 1), "raw auto");
  EXPECT_EQ(choice("q8", kPolicyFloorBytes), "q8 auto");
  EXPECT_EQ(choice(">=0: q8", 4), "q8 auto");
  EXPECT_EQ(choice("algo=ring", 4), "raw ring");  // an algorithm alone costs nothing
  EXPECT_EQ(choice(">=1K <64K: q8", 1024), "q8 auto");
  EXPECT_EQ(choice(">=1K <64K: q8", size_t{64} << 10), "raw auto");
}

TEST(PolicyTest, WhatCannotBeCompressedFallsBackAndSaysWhy) {
  const Policy policy = Parsed("q8 algo=ring");
  const auto integers =
      policy.For(Operation::kAllReduce, DataType::kInt32, Reduction::kSum, kLarge);
  EXPECT_EQ(integers.codec->spec(), "raw");
  EXPECT_EQ(integers.algorithm, Algorithm::kRing);
  EXPECT_THAT(integers.exact_because, AllOf(HasSubstr("q8"), HasSubstr("int32")));
  const auto max = policy.For(Operation::kAllReduce, DataType::kFloat32, Reduction::kMax, kLarge);
  EXPECT_EQ(max.codec->spec(), "raw");
  EXPECT_THAT(max.exact_because, HasSubstr("max"));
  const auto average =
      policy.For(Operation::kAllReduce, DataType::kFloat32, Reduction::kAvg, kLarge);
  EXPECT_EQ(average.codec->spec(), "q8");
  EXPECT_EQ(average.exact_because, "");
}

TEST(PolicyTest, ReductionsDoNotMatterWhereNothingIsReduced) {
  EXPECT_EQ(ChoiceOf("all_gather: q8", Operation::kAllGather, DataType::kFloat32, Reduction::kMax),
            "q8 auto");
}

TEST(PolicyTest, ErrorsQuoteTheWordAndThePolicy) {
  EXPECT_THAT(ErrorOf("q9000"), HasSubstr("q9000"));
  EXPECT_THAT(ErrorOf("allreduce: q8"), AllOf(HasSubstr("'allreduce'"), HasSubstr("all_reduce")));
  EXPECT_THAT(ErrorOf("float32x: q8"), HasSubstr("float32x"));
  EXPECT_THAT(ErrorOf(">=much: q8"), HasSubstr("much"));
  EXPECT_THAT(ErrorOf("q8 algo=star"), AllOf(HasSubstr("'star'"), HasSubstr("sra")));
  EXPECT_THAT(ErrorOf("float:"), HasSubstr("no codec"));
  EXPECT_THAT(ErrorOf("q8; float: q7"), HasSubstr("policy 'q8; float: q7'"));
  ErrorOf(">=: q8");
  ErrorOf("q8: : q8");
  ErrorOf("q8 algo=");
}

TEST(PolicyTest, ARuleNamesOneCodecAndOneAlgorithm) {
  EXPECT_THAT(ErrorOf("q8 bf16"), HasSubstr("bf16"));
  EXPECT_THAT(ErrorOf("algo=sra algo=ring"), HasSubstr("ring"));
}

}  // namespace
}  // namespace thinwire
