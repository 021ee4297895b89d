// SPDX-License-Identifier: Apache-2.0
#include "collective/codec_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace thinwire {
namespace {

using testing::HasSubstr;

constexpr int kRanks = 4;
constexpr double kMbit = 1e6 / 8;

Planner PlannerAt(double rate, int ranks = kRanks) {
  return Planner(LinkModel(ranks, Link{rate, 0.02, 0}), CostModel{}, size_t{128} << 10);
}

PlanRequest Request(int ranks = kRanks, size_t count = size_t{4} << 20) {
  PlanRequest request;
  request.count = count;
  request.ranks = ranks;
  return request;
}

CodecChoice Choose(const CodecTarget& target, double rate, bool keyed = false,
                   Algorithm algorithm = Algorithm::kAuto) {
  return ChooseCodec(target, Request(), algorithm, keyed, 0, PlannerAt(rate));
}

CodecTarget Error(double error) { return {.error = error, .compute_seconds = {}}; }
CodecTarget Compute(double seconds) { return {.error = {}, .compute_seconds = seconds}; }

TEST(CodecChoiceTest, ALargerErrorAllowsASmallerCodec) {
  size_t before = ~size_t{0};
  for (const double error : {1e-4, 1e-2, 0.05, 0.2, 0.3, 0.6, 0.95}) {
    const CodecChoice choice = Choose(Error(error), 100 * kMbit);
    const size_t bytes = choice.codec->EncodedBytes(1 << 20, DataType::kFloat32);
    EXPECT_LE(bytes, before) << error;
    EXPECT_LE(choice.error, error);
    before = bytes;
  }
  EXPECT_LT(before, (size_t{1} << 20) / 4);  // 2 bits an element or fewer, in the end
}

TEST(CodecChoiceTest, NothingIsLostWhereNoLossIsAllowed) {
  EXPECT_EQ(Choose(Error(1e-6), 1 * kMbit).codec->spec(), "raw");
  EXPECT_EQ(Choose(Error(1e-6), 1 * kMbit).error, 0);
}

TEST(CodecChoiceTest, TheSumsSecondEncodeCounts) {
  // q8 keeps 0.0090 once and 0.0127 twice.
  EXPECT_EQ(Choose(Error(0.013), 100 * kMbit, false, Algorithm::kSra).codec->spec(), "q8");
  EXPECT_EQ(Choose(Error(0.010), 100 * kMbit, false, Algorithm::kSra).codec->spec(), "bf16");
  EXPECT_EQ(Choose(Error(0.010), 100 * kMbit, false, Algorithm::kOneShot).codec->spec(), "q8");
}

TEST(CodecChoiceTest, HidesTheMostExactCodecThatCan) {
  EXPECT_EQ(Choose(Compute(10), 100 * kMbit).codec->spec(), "raw");
  const CodecChoice tight = Choose(Compute(0.5), 100 * kMbit);
  EXPECT_FALSE(tight.codec->exact());
  EXPECT_LE(tight.seconds, 0.5);
  // A faster link hides more exact ones behind the same time.
  const CodecChoice fast = Choose(Compute(0.5), 1000 * kMbit);
  EXPECT_GE(fast.codec->EncodedBytes(4096, DataType::kFloat32),
            tight.codec->EncodedBytes(4096, DataType::kFloat32));
}

TEST(CodecChoiceTest, WhereNoneHidesTheQuickestIsTaken) {
  EXPECT_EQ(Choose(Compute(1e-3), 100 * kMbit).codec->spec(), "rq1");
}

TEST(CodecChoiceTest, AComputeTimeDoesntOverruleTheError) {
  const CodecTarget both = {.error = 0.02, .compute_seconds = 1e-3};
  EXPECT_EQ(Choose(both, 100 * kMbit).codec->spec(), "q8");
}

TEST(CodecChoiceTest, WhereTheLinkHardlyMattersTheMoreExactCodecIsTaken) {
  const Planner planner(LinkModel(kRanks, Link{1e5 * kMbit, 0.05, 0}), CostModel{}, 128 << 10);
  const CodecChoice choice =
      ChooseCodec(Error(0.9), Request(kRanks, 20000), Algorithm::kAuto, false, 0, planner);
  EXPECT_EQ(choice.codec->spec(), "raw");
}

TEST(CodecChoiceTest, SumsTakeErrorFeedbackOnlyWithAKey) {
  EXPECT_EQ(Choose(Error(0.2), 100 * kMbit).codec->feedback(), Feedback::kNone);
  EXPECT_EQ(Choose(Error(0.2), 100 * kMbit, true).codec->feedback(), Feedback::kResidual);
  PlanRequest gather = Request();
  gather.operation = Operation::kAllGather;
  const CodecChoice moved =
      ChooseCodec(Error(0.2), gather, Algorithm::kAuto, true, 0, PlannerAt(100 * kMbit));
  EXPECT_FALSE(moved.codec->exact());
  EXPECT_EQ(moved.codec->feedback(), Feedback::kNone);
}

TEST(CodecChoiceTest, BothEndsOfAPairChooseAlikeByTheLinkBetweenThem) {
  LinkModel links(3, Link{1000 * kMbit, 0.02, 0});
  links.at(0, 1).rate = 10 * kMbit;
  const Planner planner(links, CostModel{}, 128 << 10);
  const auto choose = [&](Operation operation, int rank, int peer) {
    PlanRequest request = Request(3);
    request.operation = operation;
    request.root = peer;
    return ChooseCodec(Compute(0.2), request, Algorithm::kAuto, false, rank, planner);
  };
  EXPECT_EQ(choose(Operation::kSend, 0, 1).codec, choose(Operation::kRecv, 1, 0).codec);
  EXPECT_EQ(choose(Operation::kSend, 1, 0).codec, choose(Operation::kRecv, 0, 1).codec);
  EXPECT_TRUE(choose(Operation::kSend, 1, 0).codec->exact());
  EXPECT_FALSE(choose(Operation::kSend, 0, 1).codec->exact());
}

TEST(CodecChoiceTest, SaysWhatItChoseBeforeWhat) {
  const CodecChoice choice = Choose(Error(0.02), 100 * kMbit);
  EXPECT_THAT(choice.reason, HasSubstr("q8 by"));
  EXPECT_THAT(choice.reason, HasSubstr("not raw"));
  EXPECT_EQ(FormatTarget({.error = 0.01, .compute_seconds = 0.03}),
            "auto(error=0.01,compute=30 ms)");
}

}  // namespace
}  // namespace thinwire
