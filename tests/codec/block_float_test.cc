// SPDX-License-Identifier: Apache-2.0
//
// Codecs of narrow floats under a shared scale, and the cast to half.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "codec/block_float_math.h"
#include "codec/codec.h"
#include "codec/inputs.h"
#include "codec/simd.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;
const Codec& Find(const std::string& spec) { return *FindCodec(spec).value(); }

Bytes Encode(const Codec& codec, const std::vector<float>& x) {
  Bytes bytes(codec.EncodedBytes(x.size(), kFloat), std::byte{0xa5});
  codec.Encode(x.data(), kFloat, x.size(), bytes.data());
  return bytes;
}
std::vector<float> Decode(const Codec& codec, const Bytes& bytes, size_t count) {
  std::vector<float> y(count);
  EXPECT_TRUE(codec.Decode(bytes, kFloat, count, y.data()).ok());
  return y;
}
std::vector<float> RoundTrip(const Codec& codec, const std::vector<float>& x) {
  return Decode(codec, Encode(codec, x), x.size());
}
uint32_t ByteAt(const Bytes& bytes, size_t i) { return static_cast<uint32_t>(bytes[i]); }
float FloatAt(const Bytes& bytes, size_t i) {
  float value;
  std::memcpy(&value, bytes.data() + i, sizeof(value));
  return value;
}

TEST(BlockFloatTest, SizesAreThoseOfTheLayouts) {
  const struct {
    const char* spec;
    size_t chunk, one, short_chunk;  // 4096, 1 and 33 elements
  } cases[] = {
      {"fp8", 128 + 4096, 32, 16 + 48},
      {"fp8(e5m2)", 128 + 4096, 32, 16 + 48},
      {"mxfp8", 128 + 4096, 32, 16 + 48},
      {"mxfp8(e5m2)", 128 + 4096, 32, 16 + 48},
      {"mxfp6", 128 + 3072, 32, 16 + 32},
      {"mxfp6(e3m2)", 128 + 3072, 32, 16 + 32},
      {"mxfp4", 128 + 2048, 32, 16 + 32},
      {"nvfp4", 16 + 256 + 2048, 48, 16 + 16 + 32},
      {"fp16", 8192, 2, 66},
  };
  for (const auto& [spec, chunk, one, short_chunk] : cases) {
    const Codec& codec = Find(spec);
    EXPECT_EQ(codec.EncodedBytes(4096, kFloat), chunk) << spec;
    EXPECT_EQ(codec.EncodedBytes(1, kFloat), one) << spec;
    EXPECT_EQ(codec.EncodedBytes(33, kFloat), short_chunk) << spec;
    EXPECT_EQ(codec.EncodedBytes(3 * 4096 + 33, kFloat), 3 * chunk + short_chunk) << spec;
  }
}

TEST(BlockFloatTest, CodesStandInTheOrderOfTheElementsFromTheLowestBit) {
  // Under scale 1 (127), elements 0.5, 1, 1.5, ... are codes 1, 2, 3, ...
  std::vector<float> x(32, 0.0f);
  const float numbers[] = {0.5f, 1, 1.5f, 2, 3, 4, 6, -6};
  std::copy(std::begin(numbers), std::end(numbers), x.begin());
  const Bytes fp4 = Encode(Find("mxfp4"), x);
  EXPECT_EQ(ByteAt(fp4, 0), 127u);
  const uint32_t nibbles[] = {0x21, 0x43, 0x65, 0xf7};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(ByteAt(fp4, 16 + i), nibbles[i]) << i;

  // e2m3: 4 is code 24, 7.5 is 31, 0.125 is 1, -0.25 is 34.
  x = {4, 7.5f, 0.125f, -0.25f};
  const Bytes fp6 = Encode(Find("mxfp6"), x);
  EXPECT_EQ(ByteAt(fp6, 0), 127u);
  const uint32_t word = 24u | 31u << 6 | 1u << 12 | 34u << 18;
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ByteAt(fp6, 16 + i), word >> (8 * i) & 255) << i;
  for (size_t i = 19; i < 32; ++i) EXPECT_EQ(ByteAt(fp6, i), 0u) << i;
}

TEST(BlockFloatTest, PackingSixBitsIsItsOwnInverse) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 10000; ++round) {
    const uint64_t codes = random() & 0x3f3f3f3f3f3f3f3fu;
    uint64_t packed = 0;
    for (int i = 0; i < 8; ++i) packed |= (codes >> (8 * i) & 63) << (6 * i);
    ASSERT_EQ(block_float::Pack6(codes), packed);
    ASSERT_EQ(block_float::Unpack6(packed), codes);
    ASSERT_EQ(block_float::Unpack6(packed | random() << 48), codes);
  }
}

// Scale = 2^(floor(log2 max) - emax), for every exponent and at both ends of its binade.
TEST(BlockFloatTest, MxScalesAreThoseOfTheSpecification) {
  const struct {
    const char* spec;
    int emax;
  } cases[] = {{"mxfp8", 8}, {"mxfp8(e5m2)", 15}, {"mxfp6", 2}, {"mxfp6(e3m2)", 4}, {"mxfp4", 2}};
  for (const auto& [spec, emax] : cases) {
    for (int exponent = -149; exponent <= 127; ++exponent) {
      const float low = std::ldexp(1.0f, exponent);
      const float high = std::nextafter(2 * low, 0.0f);
      for (const float x : {low, -std::fmax(low, high)}) {
        const uint32_t want = static_cast<uint32_t>(std::max(std::ilogb(x) - emax + 127, 0));
        ASSERT_EQ(ByteAt(Encode(Find(spec), {x / 4, x, x / 2}), 0), want) << spec << " " << x;
      }
    }
  }
}

TEST(BlockFloatTest, ZerosKeepTheirSignAndPadsAreZero) {
  for (const char* spec : {"fp8", "fp8(e5m2)", "mxfp8", "mxfp8(e5m2)", "mxfp6", "mxfp6(e3m2)",
                           "mxfp4", "nvfp4", "fp16"}) {
    std::vector<float> x(37, -0.0f);
    x[3] = 0.0f;
    EXPECT_EQ(test::Bits(RoundTrip(Find(spec), x)), test::Bits(x)) << spec;
    x[7] = 1.0f;
    EXPECT_EQ(std::signbit(RoundTrip(Find(spec), x)[8]), true) << spec;
  }
  const Bytes mx = Encode(Find("mxfp8"), std::vector<float>(33, 1.0f));
  for (size_t i = 2; i < 16; ++i) EXPECT_EQ(ByteAt(mx, i), 0u) << i;
  for (size_t i = 16 + 33; i < mx.size(); ++i) EXPECT_EQ(ByteAt(mx, i), 0u) << i;
  const Bytes nv = Encode(Find("nvfp4"), std::vector<float>(17, 1.0f));
  for (size_t i = 4; i < 16; ++i) EXPECT_EQ(ByteAt(nv, i), 0u) << i;
  for (size_t i = 18; i < 32; ++i) EXPECT_EQ(ByteAt(nv, i), 0u) << i;
  for (size_t i = 32 + 9; i < nv.size(); ++i) EXPECT_EQ(ByteAt(nv, i), 0u) << i;
}

// Numbers a format has, at scales that need no rounding, come back as they were.
TEST(BlockFloatTest, NumbersOfTheFormatAreExact) {
  const auto expect = [](const char* spec, size_t block, auto format) {
    using Format = decltype(format);
    for (const int power : {-100, -3, 0, 90}) {
      std::vector<float> x;
      for (uint32_t bits = 0; bits < (2u << Format::kSignShift); ++bits) {
        const bool finite = (bits & Format::kMagnitude) <= Format::kLargest;
        // The largest in every block sets its scale.
        if (x.size() % block == 0) x.push_back(std::ldexp(Widen<Format>(Format::kLargest), power));
        if (finite) x.push_back(std::ldexp(Widen<Format>(bits), power));
      }
      EXPECT_EQ(test::Bits(RoundTrip(Find(spec), x)), test::Bits(x)) << spec << " " << power;
    }
  };
  expect("fp8", 128, Float8e4m3());
  expect("fp8(e5m2)", 128, Float8e5m2());
  expect("mxfp8", 32, Float8e4m3());
  expect("mxfp8(e5m2)", 32, Float8e5m2());
  expect("mxfp6", 32, Float6e2m3());
  expect("mxfp6(e3m2)", 32, Float6e3m2());
  expect("mxfp4", 32, Float4e2m1());
  expect("nvfp4", 16, Float4e2m1());
}

TEST(BlockFloatTest, TheLargestNumbersStayFinite) {
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> x = {largest, -largest, std::nextafter(largest, 0.0f), largest / 3};
  for (const char* spec : {"fp8", "fp8(e5m2)", "nvfp4"}) {
    const std::vector<float> y = RoundTrip(Find(spec), x);
    EXPECT_EQ(y[0], largest) << spec;
    EXPECT_EQ(y[1], -largest) << spec;
    EXPECT_TRUE(std::isfinite(y[2])) << spec;
  }
  for (const char* spec : {"mxfp8", "mxfp8(e5m2)", "mxfp6", "mxfp6(e3m2)", "mxfp4"}) {
    for (const float y : RoundTrip(Find(spec), x)) EXPECT_TRUE(std::isfinite(y)) << spec;
  }
}

TEST(BlockFloatTest, SpecialValuesStayWhereElementsCanHoldThem) {
  std::vector<float> x = test::FiniteInputs(300)[2].second;
  const float negative_nan = std::bit_cast<float>(0xffc00000u);
  for (const char* spec : {"fp8", "fp8(e5m2)", "mxfp8", "mxfp8(e5m2)"}) {
    const Codec& codec = Find(spec);
    EXPECT_FALSE(codec.spreads_specials());
    const std::vector<float> before = RoundTrip(codec, x);
    std::vector<float> with = x;
    // Not the largest of any block, so that scales stay.
    const auto small = [&](float value) { return std::fabs(value) < 0.5f; };
    std::vector<size_t> places;
    for (size_t i = 0; i < x.size(); ++i) {
      if (small(x[i]) && places.size() < 40) places.push_back(i);
    }
    const float specials[] = {INFINITY, -INFINITY, NAN, negative_nan};
    for (size_t i = 0; i < places.size(); ++i) with[places[i]] = specials[i % 4];
    const std::vector<float> y = RoundTrip(codec, with);
    for (size_t i = 0; i < x.size(); ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(y[i]);
      if (std::isfinite(with[i])) {
        ASSERT_EQ(bits, std::bit_cast<uint32_t>(before[i])) << spec << " " << i;
      } else if (std::isinf(with[i]) && codec.keeps_infinity()) {
        ASSERT_EQ(y[i], with[i]) << spec << " " << i;
      } else {
        ASSERT_EQ(bits, 0x7fc00000u) << spec << " " << i;
      }
    }
  }
}

TEST(BlockFloatTest, SpecialValuesSpreadOverTheBlockWhereNoElementHoldsThem) {
  const std::vector<float> x = test::FiniteInputs(300)[2].second;
  for (const char* spec : {"mxfp6", "mxfp6(e3m2)", "mxfp4", "nvfp4"}) {
    const Codec& codec = Find(spec);
    EXPECT_TRUE(codec.spreads_specials());
    for (const float special : {INFINITY, -INFINITY, NAN}) {
      std::vector<float> with = x;
      with[70] = special;
      with[299] = special;
      const Bytes bytes = Encode(codec, with);
      const size_t head = codec.block() == 16 ? 16 : 0;
      EXPECT_EQ(ByteAt(bytes, head + 70 / codec.block()), head == 0 ? 255u : 127u);
      const std::vector<float> y = Decode(codec, bytes, x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t b = i / codec.block();
        const bool hit = b == 70 / codec.block() || b == 299 / codec.block();
        ASSERT_EQ(std::bit_cast<uint32_t>(y[i]) == 0x7fc00000u, hit) << spec << " " << i;
      }
    }
  }
}

TEST(BlockFloatTest, Nvfp4ScalesAreRelativeToTheChunk) {
  std::vector<float> x(4096, 1.0f);
  x[100] = 2688.0f;
  const Bytes bytes = Encode(Find("nvfp4"), x);
  EXPECT_EQ(FloatAt(bytes, 0), 1.0f);
  EXPECT_EQ(ByteAt(bytes, 16 + 6), 0x7eu);  // 448
  EXPECT_EQ(ByteAt(bytes, 16), Narrow<Float8e4m3>(1.0f / 6));
  // Blocks 2^-10 of the smallest scale or less below the loudest become zeros.
  x.assign(4096, 0x1p-9f);
  x[100] = 2688.0f;
  EXPECT_EQ(RoundTrip(Find("nvfp4"), x)[0], 0.0f);
}

TEST(BlockFloatTest, ScalesNoEncoderWritesAreErrorsOrDefined) {
  std::vector<float> y(64);
  for (const char* spec : {"fp8", "fp8(e5m2)", "nvfp4"}) {
    const Codec& codec = Find(spec);
    const Bytes good = Encode(codec, std::vector<float>(64, 1.0f));
    for (const uint32_t bits :
         {0u, 1u, 0x007fffffu, 0x80000000u, 0xbf800000u, 0x7f000000u, 0x7f800000u, 0x7fc00000u}) {
      Bytes bad = good;
      std::memcpy(bad.data(), &bits, sizeof(bits));
      EXPECT_EQ(codec.Decode(bad, kFloat, 64, y.data()).code(), Code::kRemote) << spec << bits;
      EXPECT_EQ(codec.DecodeAdd(bad, kFloat, 64, y.data()).code(), Code::kRemote) << spec << bits;
    }
  }
  Bytes head = Encode(Find("nvfp4"), std::vector<float>(64, 1.0f));
  for (size_t i = 4; i < 16; ++i) {
    Bytes bad = head;
    bad[i] = std::byte{1};
    EXPECT_EQ(Find("nvfp4").Decode(bad, kFloat, 64, y.data()).code(), Code::kRemote) << i;
  }
  Bytes loud = Encode(Find("mxfp8"), std::vector<float>(64, 1.0f));
  loud[0] = std::byte{254};  // times 448 is past the largest number
  loud[16] = std::byte{0x7e};
  loud[17] = std::byte{0xff};
  const std::vector<float> decoded = Decode(Find("mxfp8"), loud, 64);
  EXPECT_EQ(decoded[0], INFINITY);
  EXPECT_EQ(std::bit_cast<uint32_t>(decoded[1]), 0x7fc00000u);
}

// Any codes under any scales: the same elements, and the same sums, on every instruction set.
TEST(BlockFloatTest, ArbitraryCodesDecodeTheSameOnEveryInstructionSet) {
  std::mt19937 random(9);
  for (const char* spec :
       {"fp8", "fp8(e5m2)", "mxfp8", "mxfp8(e5m2)", "mxfp6", "mxfp6(e3m2)", "mxfp4", "nvfp4"}) {
    const Codec& codec = Find(spec);
    for (const size_t count : {4096, 77, 1}) {
      Bytes bytes = Encode(codec, test::FiniteInputs(count)[5].second);
      const bool binary32 = codec.id() == CodecId::kFp8;
      const size_t scales = binary32 ? (count + 127) / 128 * 4 : 0;
      const size_t from = codec.id() == CodecId::kNvfp4 ? 16 : scales;
      for (size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(random());
      std::vector<uint32_t> plain, plain_sums;
      for (const SimdLoops* loops : SimdAvailable()) {
        ForceSimd(loops);
        const std::vector<float> y = Decode(codec, bytes, count);
        std::vector<float> sums(count, 1.0f);
        EXPECT_TRUE(codec.DecodeAdd(bytes, kFloat, count, sums.data()).ok());
        ForceSimd(nullptr);
        if (plain.empty()) plain = test::Bits(y), plain_sums = test::Bits(sums);
        EXPECT_EQ(test::Bits(y), plain) << spec << " " << loops->name;
        EXPECT_EQ(test::Bits(sums), plain_sums) << spec << " " << loops->name;
      }
    }
  }
}

// Squared error over energy of Gaussian data: docs/codecs.md, "Error on Gaussian data".
TEST(BlockFloatTest, ErrorOnGaussianDataIsTheDocumentedOne) {
  const struct {
    const char* spec;
    double want;
  } cases[] = {
      {"fp8", 6.6e-4},         {"fp8(e5m2)", 2.6e-3}, {"mxfp8", 8.6e-4},
      {"mxfp8(e5m2)", 2.9e-3}, {"mxfp6", 8.1e-4},     {"mxfp6(e3m2)", 2.9e-3},
      {"mxfp4", 1.32e-2},      {"nvfp4", 9.0e-3},     {"fp16", 4.3e-8},
  };
  const std::vector<float> x = test::FiniteInputs(size_t{1} << 17)[2].second;
  for (const auto& [spec, want] : cases) {
    const std::vector<float> y = RoundTrip(Find(spec), x);
    double error = 0, energy = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
      energy += std::pow(static_cast<double>(x[i]), 2);
    }
    EXPECT_NEAR(error / energy / want, 1, 0.03) << spec;
  }
}

TEST(Fp16Test, EveryHalfComesBackOnEveryInstructionSet) {
  const Codec& codec = Find("fp16");
  std::vector<float> x(65536);
  for (uint32_t i = 0; i < 65536; ++i) x[i] = Widen<Half>(i);
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    const Bytes bytes = Encode(codec, x);
    const std::vector<float> y = Decode(codec, bytes, x.size());
    ForceSimd(nullptr);
    for (uint32_t i = 0; i < 65536; ++i) {
      const uint32_t quiet = std::isnan(x[i]) ? 0x00400000u : 0;
      ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(x[i]) | quiet) << i;
      ASSERT_EQ(ByteAt(bytes, 2 * i) | ByteAt(bytes, 2 * i + 1) << 8,
                i | (std::isnan(x[i]) ? 0x200u : 0u));
    }
  }
}

TEST(Fp16Test, OverflowIsInfinityFromHalfAStepPastTheLargest) {
  const std::vector<float> y =
      RoundTrip(Find("fp16"), {65504.0f, std::nextafter(65520.0f, 0.0f), 65520.0f, -1e30f});
  EXPECT_EQ(y[0], 65504.0f);
  EXPECT_EQ(y[1], 65504.0f);
  EXPECT_EQ(y[2], INFINITY);
  EXPECT_EQ(y[3], -INFINITY);
}

}  // namespace
}  // namespace thinwire
