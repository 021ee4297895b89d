// SPDX-License-Identifier: Apache-2.0
//
// Every bit pattern of every narrow format, against a reference in binary64.
#include "codec/float_formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace thinwire {
namespace {

template <typename Format>
class FloatFormatsTest : public testing::Test {
 public:
  static constexpr uint32_t kPatterns = 2u << Format::kSignShift;

  // Written from the definition of the format, with nothing of float_formats.h but its constants.
  static double Reference(uint32_t bits) {
    const uint32_t fields = bits & Format::kMagnitude;
    const int exponent = static_cast<int>(fields >> Format::kMantissaBits);
    const int mantissa = static_cast<int>(fields & ((1u << Format::kMantissaBits) - 1));
    const double sign = bits >> Format::kSignShift ? -1 : 1;
    const int last = (1 << Format::kExponentBits) - 1;
    if (Format::kHasInf && exponent == last) return mantissa == 0 ? sign * INFINITY : NAN;
    if (Format::kHasNan && !Format::kHasInf && fields == Format::kMagnitude) return NAN;
    const int unit = (exponent == 0 ? 1 : exponent) - Format::kBias - Format::kMantissaBits;
    return sign * std::ldexp(mantissa + (exponent == 0 ? 0 : 1 << Format::kMantissaBits), unit);
  }

  // Nearest value by comparing distances to both neighbours; ties to the even pattern.
  static uint32_t NearestReference(double x) {
    const uint32_t sign = std::signbit(x) ? 1u << Format::kSignShift : 0;
    const double magnitude = std::fabs(x);
    uint32_t low = 0;
    uint32_t high = Format::kOverflow;  // stands for one step past the largest finite value
    while (high - low > 1) {
      const uint32_t middle = (low + high) / 2;
      (Reference(middle) <= magnitude ? low : high) = middle;
    }
    const double above =
        high < Format::kOverflow ? Reference(high) : 2 * Reference(high - 1) - Reference(high - 2);
    const double down = magnitude - Reference(low);
    const double up = above - magnitude;
    const bool take_high = up < down || (up == down && high % 2 == 0);
    return sign | (take_high ? high : low);
  }

  static void ExpectNarrow(float x) {
    const uint32_t got = Narrow<Format>(x);
    if (std::isnan(x)) {
      ASSERT_TRUE(std::isnan(Reference(got))) << x;
    } else if (std::isinf(x)) {
      ASSERT_EQ(got & Format::kMagnitude, Format::kOverflow) << x;
    } else {
      ASSERT_EQ(got, NearestReference(x)) << x;
    }
  }
};
using Formats = testing::Types<Bfloat16, Half, Float8e4m3, Float8e5m2>;
TYPED_TEST_SUITE(FloatFormatsTest, Formats);

TYPED_TEST(FloatFormatsTest, WideningIsExact) {
  for (uint32_t bits = 0; bits < this->kPatterns; ++bits) {
    const float got = Widen<TypeParam>(static_cast<typename TypeParam::Bits>(bits));
    const double want = this->Reference(bits);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(got)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(got), want) << bits;
      ASSERT_EQ(std::signbit(got), std::signbit(want)) << bits;
    }
  }
}

TYPED_TEST(FloatFormatsTest, NarrowingWhatWasWidenedGivesTheSameBits) {
  for (uint32_t bits = 0; bits < this->kPatterns; ++bits) {
    const float wide = Widen<TypeParam>(static_cast<typename TypeParam::Bits>(bits));
    const uint32_t quiet = std::isnan(wide) ? TypeParam::kQuietNan : 0;
    ASSERT_EQ(Narrow<TypeParam>(wide), bits | quiet);
  }
}

TYPED_TEST(FloatFormatsTest, NarrowingRoundsToNearestTiesToEven) {
  // At, between and beside all pairs of neighbours.
  for (uint32_t bits = 0; bits + 1 < TypeParam::kOverflow; ++bits) {
    const double low = this->Reference(bits);
    const double high = this->Reference(bits + 1);
    const auto middle = static_cast<float>((low + high) / 2);
    for (const float x : {static_cast<float>(low), middle, std::nextafter(middle, 0.0f),
                          std::nextafter(middle, INFINITY)}) {
      this->ExpectNarrow(x);
      this->ExpectNarrow(-x);
    }
  }
}

TYPED_TEST(FloatFormatsTest, NarrowingTakesEveryBinary32) {
  std::mt19937 random(3);
  for (int i = 0; i < 300000; ++i) {
    this->ExpectNarrow(BitCast<float>(static_cast<uint32_t>(random())));
  }
  for (const float x :
       {0.0f, -0.0f, INFINITY, -INFINITY, std::numeric_limits<float>::max(),
        std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::quiet_NaN(),
        BitCast<float>(0x7f800001u), BitCast<float>(0xffffffffu)}) {
    this->ExpectNarrow(x);
  }
}

// ---- Saturating: the elements of block formats ----

template <typename Format>
class SaturatedFormatsTest : public FloatFormatsTest<Format> {
 public:
  // All patterns of finite numbers, compared with one another: the nearest, ties to the even one.
  static uint32_t NearestByDistance(double x) {
    const uint32_t sign = std::signbit(x) ? 1u << Format::kSignShift : 0;
    uint32_t nearest = 0;
    double least = INFINITY;
    for (uint32_t bits = 0; bits <= Format::kLargest; ++bits) {
      const double distance = std::fabs(FloatFormatsTest<Format>::Reference(bits) - std::fabs(x));
      if (distance > least || (distance == least && bits % 2 != 0)) continue;
      nearest = bits;
      least = distance;
    }
    return sign | nearest;
  }
  static void ExpectSaturated(float x) {
    // Where distances are lost to rounding of binary64 or infinite, the largest is the nearest.
    const double inside = std::fmin(std::fabs(static_cast<double>(x)), 1e6);
    ASSERT_EQ(NarrowSaturated<Format>(x), NearestByDistance(std::copysign(inside, x))) << x;
  }
};
using BlockFormats = testing::Types<Float8e4m3, Float8e5m2, Float6e2m3, Float6e3m2, Float4e2m1>;
TYPED_TEST_SUITE(SaturatedFormatsTest, BlockFormats);

TYPED_TEST(SaturatedFormatsTest, WideningIsExact) {
  for (uint32_t bits = 0; bits < this->kPatterns; ++bits) {
    const double want = this->Reference(bits);
    if (std::isnan(want)) continue;
    const float got = Widen<TypeParam>(bits);
    ASSERT_EQ(static_cast<double>(got), want) << bits;
    ASSERT_EQ(std::signbit(got), std::signbit(want)) << bits;
  }
}

TYPED_TEST(SaturatedFormatsTest, EveryBfloat16AndItsNeighboursGoToTheNearestNumber) {
  for (uint32_t upper = 0; upper < 65536; ++upper) {
    const auto x = BitCast<float>(upper << 16);
    if (std::isnan(x)) continue;
    this->ExpectSaturated(x);
    this->ExpectSaturated(BitCast<float>(upper << 16 | 1));
    if (upper % 0x8000 != 0) this->ExpectSaturated(BitCast<float>((upper << 16) - 1));
  }
}

TYPED_TEST(SaturatedFormatsTest, WhatIsNotFiniteGivesTheLargest) {
  constexpr uint32_t kSign = 1u << TypeParam::kSignShift;
  EXPECT_EQ(NarrowSaturated<TypeParam>(INFINITY), TypeParam::kLargest);
  EXPECT_EQ(NarrowSaturated<TypeParam>(-INFINITY), TypeParam::kLargest | kSign);
  EXPECT_EQ(NarrowSaturated<TypeParam>(BitCast<float>(0x7fc00000u)), TypeParam::kLargest);
  EXPECT_EQ(NarrowSaturated<TypeParam>(BitCast<float>(0xff800001u)), TypeParam::kLargest | kSign);
}

TEST(FormatsTest, LargestNumbersAreThePublishedOnes) {
  EXPECT_EQ(Widen<Float8e4m3>(Float8e4m3::kLargest), 448.0f);
  EXPECT_EQ(Widen<Float8e5m2>(Float8e5m2::kLargest), 57344.0f);
  EXPECT_EQ(Widen<Float6e2m3>(Float6e2m3::kLargest), 7.5f);
  EXPECT_EQ(Widen<Float6e3m2>(Float6e3m2::kLargest), 28.0f);
  const float e2m1[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (uint32_t bits = 0; bits < 8; ++bits) EXPECT_EQ(Widen<Float4e2m1>(bits), e2m1[bits]);
}

TEST(E8m0Test, EveryPatternIsItsPowerOfTwo) {
  for (uint32_t bits = 0; bits < 255; ++bits) {
    ASSERT_EQ(WidenE8m0(bits), std::ldexp(1.0f, static_cast<int>(bits) - 127)) << bits;
  }
  EXPECT_TRUE(std::isnan(WidenE8m0(255)));
}

TEST(Float8e4m3Test, OverflowIsNanFromHalfAStepPastTheLargest) {
  EXPECT_EQ(Narrow<Float8e4m3>(464.0f), 0x7e);
  EXPECT_EQ(Narrow<Float8e4m3>(464.1f), 0x7f);
  EXPECT_EQ(Narrow<Float8e4m3>(-1e30f), 0xff);
}

}  // namespace
}  // namespace thinwire
