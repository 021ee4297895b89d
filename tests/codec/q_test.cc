// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "codec/codec.h"
#include "codec/inputs.h"
#include "codec/q8_math.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;
const Codec& Q8() { return *FindCodec("q8").value(); }

Bytes Encode(const std::vector<float>& x) {
  Bytes bytes(Q8().EncodedBytes(x.size(), kFloat), std::byte{0xa5});
  Q8().Encode(x.data(), kFloat, x.size(), bytes.data());
  return bytes;
}
std::vector<float> Decode(const Bytes& bytes, size_t count) {
  std::vector<float> y(count);
  EXPECT_TRUE(Q8().Decode(bytes, kFloat, count, y.data()).ok());
  return y;
}

TEST(Q8Test, SizesAreThoseOfTheLayout) {
  EXPECT_EQ(Q8().EncodedBytes(1, kFloat), 48u);
  EXPECT_EQ(Q8().EncodedBytes(16, kFloat), 48u);
  EXPECT_EQ(Q8().EncodedBytes(17, kFloat), 64u);
  EXPECT_EQ(Q8().EncodedBytes(512, kFloat), 16u + 16 + 512);
  EXPECT_EQ(Q8().EncodedBytes(513, kFloat), 16u + 32 + 528);
  EXPECT_EQ(Q8().EncodedBytes(4096, kFloat), 4240u);
  EXPECT_EQ(Q8().EncodedBytes(4097, kFloat), 4288u);
  const size_t count = size_t{4096} << 10;
  EXPECT_LE(8.0 * static_cast<double>(Q8().EncodedBytes(count, kFloat)) / double(count), 8.2813);
}

TEST(Q8Test, EveryScaleHasANormalStepAndItsRoundedInverse) {
  for (uint32_t scale = q8::kMinScale; scale <= q8::kMaxScale; ++scale) {
    const float step = q8::Step(scale);
    ASSERT_TRUE(std::isnormal(step));
    ASSERT_TRUE(std::isnormal(q8::InverseStep(scale)));
    const float constant = 8.0f / static_cast<float>(8 + scale % 8);
    ASSERT_EQ(q8::InverseStep(scale), std::ldexp(constant, 127 - static_cast<int>(scale / 8)));
  }
}

// Around the largest magnitude of every scale: the scale chosen is the smallest that fits.
TEST(Q8Test, NoCodeClipsAndNoScaleIsLargerThanNeeded) {
  for (uint32_t scale = q8::kMinScale + 1; scale < q8::kMaxScale; ++scale) {
    const float edge = 127.0f * q8::Step(scale);
    for (const float x : {std::nextafter(edge, 0.0f), edge, std::nextafter(edge, INFINITY)}) {
      const uint32_t got = q8::ScaleOf(q8::MagnitudeBits(x), false);
      ASSERT_GE(got, scale) << x;
      ASSERT_LE(got, scale + (x > edge)) << x;
      const float quotient = x * q8::InverseStep(got);
      ASSERT_LT(quotient, 127.5f);
      ASSERT_EQ(q8::Code(x, q8::InverseStep(got)), std::nearbyint(quotient));
    }
  }
}

TEST(Q8Test, ScaleBytesAreTotal) {
  for (uint32_t top = q8::kMinScale; top <= q8::kMaxScale; ++top) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t scale = q8::ScaleFromByte(byte, top);
      ASSERT_GE(scale, q8::kMinScale);
      ASSERT_LE(scale, top);
    }
    ASSERT_EQ(q8::ScaleFromByte(q8::ScaleByte(top, top), top), top);
  }
}

TEST(Q8Test, ZerosDecodeToZerosAndPadsAreZero) {
  const Bytes bytes = Encode(std::vector<float>(33, -0.0f));
  for (const float y : Decode(bytes, 33)) EXPECT_EQ(std::bit_cast<uint32_t>(y), 0u);
  for (size_t i = 3; i < 16; ++i) EXPECT_EQ(bytes[i], std::byte{0});
  for (size_t i = 16 + 2; i < 32; ++i) EXPECT_EQ(bytes[i], std::byte{0});  // two blocks
  for (size_t i = 32 + 33; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], std::byte{0});
}

TEST(Q8Test, MultiplesOfAStepUpTo127AreExact) {
  std::vector<float> x(255);
  for (int i = 0; i < 255; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i - 127) * 0.375f;
  for (size_t from = 0; from + 32 <= x.size(); from += 31) x[from] = 127 * 0.375f;
  EXPECT_EQ(Decode(Encode(x), x.size()), x);
}

TEST(Q8Test, QuietBlocksKeepTheirOwnStepTo31OctavesBelowTheLoudest) {
  std::vector<float> x(64, std::ldexp(1.0f, -20));
  x[0] = std::ldexp(1.0f, 8);
  EXPECT_NEAR(Decode(Encode(x), x.size())[40], x[40], x[40] * 0.0045);
  x[0] = std::ldexp(1.0f, 20);
  EXPECT_EQ(Decode(Encode(x), x.size())[40], 0.0f);  // under half the smallest step
}

TEST(Q8Test, TheLargestNumbersStayFinite) {
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> x = {largest, -largest, largest / 2, 1e38f};
  const std::vector<float> y = Decode(Encode(x), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_TRUE(std::isfinite(y[i]));
    EXPECT_NEAR(y[i] / largest, x[i] / largest, 0.0045);
  }
}

TEST(Q8Test, SpecialValuesLeaveOtherChunksAlone) {
  std::vector<float> x = test::FiniteInputs(3 * 4096)[2].second;
  const Bytes before = Encode(x);
  x[5000] = NAN;
  const Bytes after = Encode(x);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 4240, after.begin()));
  EXPECT_TRUE(std::equal(before.begin() + 2 * 4240, before.end(), after.begin() + 2 * 4240));
}

TEST(Q8Test, UnknownBitsInTheHeadAreErrors) {
  const Bytes good = Encode({1.0f, 2.0f});
  std::vector<float> y(2);
  for (size_t i = 2; i < 16; ++i) {
    Bytes bad = good;
    bad[i] = std::byte{2};
    EXPECT_EQ(Q8().Decode(bad, kFloat, 2, y.data()).code(), Code::kRemote) << i;
  }
  for (const uint16_t top : {uint16_t{0}, uint16_t{7}, uint16_t{1986}, uint16_t{65535}}) {
    Bytes bad = good;
    std::memcpy(bad.data(), &top, 2);
    EXPECT_EQ(Q8().Decode(bad, kFloat, 2, y.data()).code(), Code::kRemote) << top;
  }
}

}  // namespace
}  // namespace thinwire
