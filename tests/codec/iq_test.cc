// SPDX-License-Identifier: Apache-2.0
//
// What is special about `iq8` and `iq4`: on agreed steps, sums are exact in any order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "codec/inputs.h"
#include "codec/passes.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
using test::Floats;
constexpr auto kFloat = DataType::kFloat32;
constexpr size_t kCount = 9001;

class IqTest : public testing::TestWithParam<const char*> {
 protected:
  const Codec& codec_ = *FindCodec(GetParam()).value();

  static std::vector<Floats> Contributions(size_t ranks) {
    std::vector<Floats> inputs;
    for (size_t r = 0; r < ranks; ++r) {
      inputs.push_back(test::FiniteInputs(kCount)[r % 3 == 0 ? 4 : 2].second);
      for (size_t i = 0; i < kCount; ++i)
        inputs.back()[i] *= std::sin(static_cast<float>(i * r + r));
    }
    return inputs;
  }
  // The largest step of each block over all contributions.
  std::vector<uint16_t> Agreed(const std::vector<Floats>& inputs) const {
    std::vector<uint16_t> agreed((kCount + kStepElements - 1) / kStepElements), own(agreed.size());
    for (const Floats& x : inputs) {
      codec_.MeasureSteps(x.data(), kFloat, kCount, own.data());
      for (size_t b = 0; b < own.size(); ++b) agreed[b] = std::max(agreed[b], own[b]);
    }
    return agreed;
  }
  Bytes Encoded(const Floats& x, const std::vector<uint16_t>& steps) const {
    Bytes bytes(codec_.EncodedBytes(kCount, kFloat));
    EXPECT_TRUE(Encode(EncodePass{.codec = &codec_,
                                  .source = x.data(),
                                  .dtype = kFloat,
                                  .count = kCount,
                                  .target = bytes.data(),
                                  .steps = steps.data()})
                    .ok());
    return bytes;
  }
  static Floats Sum(const Codec& codec, const std::vector<Bytes>& contributions) {
    std::vector<Term> terms;
    for (const Bytes& bytes : contributions) terms.push_back({.codec = &codec, .bytes = bytes});
    Floats sum(kCount);
    ReducePass pass;
    pass.terms = terms;
    pass.count = kCount;
    pass.dense = sum.data();
    EXPECT_TRUE(Reduce(pass).ok());
    return sum;
  }
};
INSTANTIATE_TEST_SUITE_P(Widths, IqTest, testing::Values("iq8", "iq4"));

TEST_P(IqTest, SumsHaveTheSameBitsInAnyOrder) {
  const auto inputs = Contributions(17);
  const auto steps = Agreed(inputs);
  std::vector<Bytes> contributions;
  for (const Floats& x : inputs) contributions.push_back(Encoded(x, steps));
  const auto want = test::Bits(Sum(codec_, contributions));
  std::mt19937 random(1);
  for (int shuffle = 0; shuffle < 5; ++shuffle) {
    std::ranges::shuffle(contributions, random);
    EXPECT_EQ(test::Bits(Sum(codec_, contributions)), want);
  }
}

// Sums that travel on lose nothing, and take ceil(log2 n) bits more.
TEST_P(IqTest, SumsTravelExactly) {
  for (const int ranks : {2, 3, 8, 17}) {
    const auto inputs = Contributions(static_cast<size_t>(ranks));
    const auto steps = Agreed(inputs);
    const Codec& sums = codec_.ForSums(ranks);
    EXPECT_EQ(&codec_.ForSums(ranks), &sums);
    const size_t width = (sums.EncodedBytes(4096, kFloat) - 32) * 8 / 4096;
    const size_t bits = (codec_.EncodedBytes(4096, kFloat) - 32) * 8 / 4096;
    EXPECT_LE(width, bits + static_cast<size_t>(std::ceil(std::log2(ranks))));
    EXPECT_GT(width, bits);

    std::vector<Bytes> contributions;
    std::vector<Term> terms;
    for (const Floats& x : inputs) contributions.push_back(Encoded(x, steps));
    for (const Bytes& bytes : contributions) terms.push_back({.codec = &codec_, .bytes = bytes});
    Bytes encoded(sums.EncodedBytes(kCount, kFloat));
    ReducePass pass;
    pass.terms = terms;
    pass.count = kCount;
    pass.encoder = &sums;
    pass.encoded = encoded.data();
    pass.steps = steps.data();
    ASSERT_TRUE(Reduce(pass).ok());
    Floats got(kCount);
    ASSERT_TRUE(sums.Decode(encoded, kFloat, kCount, got.data()).ok());
    EXPECT_EQ(test::Bits(got), test::Bits(Sum(codec_, contributions)));
  }
}

// The most contributions at the largest codes: products of codes and steps still fit binary32.
TEST_P(IqTest, TheLargestSumsAreExact) {
  const Codec& sums = codec_.ForSums(kMaxExactRanks);
  Floats x(kCount);
  for (size_t i = 0; i < kCount; ++i) x[i] = i % 2 == 0 ? 1.9f : -1.9f;
  const auto steps = Agreed({x});
  Floats one(kCount);
  ASSERT_TRUE(codec_.Decode(Encoded(x, steps), kFloat, kCount, one.data()).ok());
  Floats total(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const double exact = static_cast<double>(one[i]) * kMaxExactRanks;
    total[i] = static_cast<float>(exact);
    ASSERT_EQ(static_cast<double>(total[i]), exact);
  }
  Bytes encoded(sums.EncodedBytes(kCount, kFloat));
  ASSERT_TRUE(Encode(EncodePass{.codec = &sums,
                                .source = total.data(),
                                .dtype = kFloat,
                                .count = kCount,
                                .target = encoded.data(),
                                .steps = steps.data()})
                  .ok());
  Floats got(kCount);
  ASSERT_TRUE(sums.Decode(encoded, kFloat, kCount, got.data()).ok());
  EXPECT_EQ(test::Bits(got), test::Bits(total));
}

TEST_P(IqTest, StepsTooSmallOrNoNumbersAreSafe) {
  const Floats x = test::FiniteInputs(kCount)[7].second;
  for (const int step : {0x0000, 0x0080, 0x3f80, 0x7f80, 0x7fc0, 0x8000, 0xffff}) {
    const std::vector<uint16_t> steps(kCount / kStepElements + 1, static_cast<uint16_t>(step));
    Floats y(kCount);
    ASSERT_TRUE(codec_.Decode(Encoded(x, steps), kFloat, kCount, y.data()).ok());
    for (const float value : y) {
      if (step == 0x3f80) {
        ASSERT_LE(std::fabs(value), 127.0f);
      }
    }
  }
}

}  // namespace
}  // namespace thinwire
