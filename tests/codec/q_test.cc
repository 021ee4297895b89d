// SPDX-License-Identifier: Apache-2.0
//
// What is special to the codecs q8 and q4: scales, layouts, guarded chunks, sums of many chunks and
// stochastic rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "codec/codec.h"
#include "codec/float_codec.h"
#include "codec/float_environment.h"
#include "codec/inputs.h"
#include "codec/passes.h"
#include "codec/philox.h"
#include "codec/q_math.h"
#include "codec/simd.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;

const Codec& Find(const std::string& spec) { return *FindCodec(spec).value(); }
Bytes Encode(const Codec& codec, std::span<const float> x, const Noise& noise = {}) {
  Bytes bytes(codec.EncodedBytes(x.size(), kFloat), std::byte{0xa5});
  codec.Encode(x.data(), kFloat, x.size(), bytes.data(), noise);
  return bytes;
}
std::vector<float> Decode(const Codec& codec, const Bytes& bytes, size_t count) {
  std::vector<float> y(count);
  EXPECT_TRUE(codec.Decode(bytes, kFloat, count, y.data()).ok());
  return y;
}

template <typename F>
class QTest : public testing::Test {
 public:
  static const Codec& Q() { return Find(F::kBits == 8 ? "q8" : "q4"); }
  static const Codec& Noisy() { return Find(F::kBits == 8 ? "q8+sr" : "q4+sr"); }
  static constexpr size_t kWhole = q::ChunkBytes<F>(q::kChunk);
};
using Formats = testing::Types<q::Q8, q::Q4>;
TYPED_TEST_SUITE(QTest, Formats);

TEST(QLayoutTest, SizesAreThoseOfTheDocument) {
  const auto bytes = [](const char* spec, size_t count) {
    return Find(spec).EncodedBytes(count, kFloat);
  };
  EXPECT_EQ(bytes("q8", 1), 48u);
  EXPECT_EQ(bytes("q8", 16), 48u);
  EXPECT_EQ(bytes("q8", 17), 64u);
  EXPECT_EQ(bytes("q8", 512), 16u + 16 + 512);
  EXPECT_EQ(bytes("q8", 513), 16u + 32 + 528);
  EXPECT_EQ(bytes("q8", 4096), 4240u);
  EXPECT_EQ(bytes("q8", 4097), 4288u);
  EXPECT_EQ(bytes("q4", 1), 48u);
  EXPECT_EQ(bytes("q4", 32), 48u);
  EXPECT_EQ(bytes("q4", 33), 64u);
  EXPECT_EQ(bytes("q4", 513), 16u + 32 + 272);
  EXPECT_EQ(bytes("q4", 4096), 2192u);
  EXPECT_EQ(bytes("q4", 4097), 2240u);
  EXPECT_EQ(bytes("q8+sr", 5000), bytes("q8", 5000));
  EXPECT_EQ(bytes("q4+sr", 5000), bytes("q4", 5000));
}

TEST(QLayoutTest, Q4HoldsElementsJAndJPlus16InByteJ) {
  std::vector<float> x(40);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 15) - 7;
  x[33] = 7;  // the second block's largest
  const Bytes bytes = Encode(Find("q4"), x);
  for (size_t j = 0; j < 16; ++j) {
    EXPECT_EQ(std::to_integer<int>(bytes[32 + j]),
              (static_cast<int>(x[j]) & 15) | (static_cast<int>(x[j + 16]) & 15) << 4);
  }
  for (size_t j = 0; j < 8; ++j) {  // the short block: no element in the high half
    EXPECT_EQ(std::to_integer<int>(bytes[48 + j]), static_cast<int>(x[32 + j]) & 15);
  }
}

TYPED_TEST(QTest, EveryScaleHasANormalStepAndItsRoundedInverse) {
  for (uint32_t scale = q::kMinScale; scale <= q::MaxScale<TypeParam>(true); ++scale) {
    const float step = q::Step(scale);
    ASSERT_TRUE(std::isnormal(step));
    ASSERT_TRUE(std::isnormal(q::InverseStep(scale)));
    const float constant = 8.0f / static_cast<float>(8 + scale % 8);
    ASSERT_EQ(q::InverseStep(scale), std::ldexp(constant, 127 - static_cast<int>(scale / 8)));
  }
}

// Around the largest magnitude of every scale: the scale chosen is the smallest that fits, and no
// noise takes a code out of range.
TYPED_TEST(QTest, NoCodeClipsAndNoScaleIsLargerThanNeeded) {
  for (const bool guarded : {false, true}) {
    const int levels = guarded ? TypeParam::kGuardedLevels : TypeParam::kLevels;
    for (uint32_t scale = q::kMinScale + 1; scale < q::MaxScale<TypeParam>(guarded); ++scale) {
      const float edge = static_cast<float>(levels) * q::Step(scale);
      for (const float x : {std::nextafter(edge, 0.0f), edge, std::nextafter(edge, INFINITY)}) {
        const uint32_t got = q::ScaleOf<TypeParam>(q::MagnitudeBits(x), guarded);
        ASSERT_GE(got, scale) << x;
        ASSERT_LE(got, scale + (guarded || x > edge)) << x;
        const float inverse = q::InverseStep(got);
        ASSERT_EQ(q::Code(x, inverse), std::nearbyint(x * inverse));
        ASSERT_LE(q::Code(x, inverse), levels);
        ASSERT_LE(q::NoisyCode(x, inverse, 255), levels);
        ASSERT_GE(q::NoisyCode(-x, inverse, 0), -levels);
      }
    }
  }
}

TYPED_TEST(QTest, ScaleBytesAreTotal) {
  for (uint32_t top = q::kMinScale; top <= q::MaxScale<TypeParam>(true); ++top) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t scale = q::ScaleFromByte(byte, top);
      ASSERT_GE(scale, q::kMinScale);
      ASSERT_LE(scale, top);
    }
    ASSERT_EQ(q::ScaleFromByte(q::ScaleByte(top, top), top), top);
  }
}

TYPED_TEST(QTest, ZerosDecodeToZerosAndPadsAreZero) {
  for (const Codec* codec : {&this->Q(), &this->Noisy()}) {
    const Bytes bytes = Encode(*codec, std::vector<float>(33, -0.0f), {.key = 99});
    for (const float y : Decode(*codec, bytes, 33)) EXPECT_EQ(std::bit_cast<uint32_t>(y), 0u);
    for (size_t i = 3; i < 16; ++i) EXPECT_EQ(bytes[i], std::byte{0});
    for (size_t i = 16 + 2; i < 32; ++i) EXPECT_EQ(bytes[i], std::byte{0});  // two blocks
    for (size_t i = 32 + 33; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], std::byte{0});
  }
}

TYPED_TEST(QTest, MultiplesOfAStepAreExactAndNoNoiseMovesThem) {
  const int levels = TypeParam::kLevels;
  std::vector<float> x(static_cast<size_t>(2 * levels + 1) * 3);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(static_cast<int>(i) % (2 * levels + 1) - levels) * 0.375f;
  }
  for (size_t from = 0; from < x.size(); from += 31) x[from] = static_cast<float>(levels) * 0.375f;
  EXPECT_EQ(Decode(this->Q(), Encode(this->Q(), x), x.size()), x);
  for (uint64_t key = 0; key < 20; ++key) {
    const Bytes bytes = Encode(this->Noisy(), x, {.key = key});
    EXPECT_EQ(Decode(this->Noisy(), bytes, x.size()), x);
  }
}

TYPED_TEST(QTest, QuietBlocksKeepTheirOwnStepTo31OctavesBelowTheLoudest) {
  std::vector<float> x(64, std::ldexp(1.0f, -20));
  x[0] = std::ldexp(1.0f, 8);
  const double most = this->Q().bound().of_block;
  EXPECT_NEAR(Decode(this->Q(), Encode(this->Q(), x), x.size())[40], x[40], x[40] * most);
  x[0] = std::ldexp(1.0f, 20);
  EXPECT_EQ(Decode(this->Q(), Encode(this->Q(), x), x.size())[40], 0.0f);  // under half a step
  // Further below, several codes of the smallest step are left.
  x[0] = std::ldexp(1.0f, 10);
  const std::vector<float> y = Decode(this->Q(), Encode(this->Q(), x), x.size());
  EXPECT_NEAR(y[40], x[40], this->Q().bound().of_chunk * x[0] + most * x[40]);
  EXPECT_EQ(std::count(y.begin() + 32, y.end(), y[40]), 32);
}

TYPED_TEST(QTest, TheLargestNumbersStayFinite) {
  const float largest = std::numeric_limits<float>::max();
  const std::vector<float> x = {largest, -largest, largest / 2, 1e38f};
  for (const Codec* codec : {&this->Q(), &this->Noisy()}) {
    for (uint64_t key = 0; key < 20; ++key) {
      const std::vector<float> y = Decode(*codec, Encode(*codec, x, {.key = key}), x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_TRUE(std::isfinite(y[i]));
        EXPECT_NEAR(y[i] / largest, x[i] / largest, codec->bound().of_block);
      }
    }
  }
}

TYPED_TEST(QTest, SpecialValuesLeaveOtherChunksAlone) {
  std::vector<float> x = test::FiniteInputs(3 * 4096)[2].second;
  const Bytes before = Encode(this->Q(), x);
  x[5000] = NAN;
  const Bytes after = Encode(this->Q(), x);
  const auto whole = static_cast<long>(this->kWhole);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + whole, after.begin()));
  EXPECT_FALSE(
      std::equal(before.begin() + whole, before.begin() + 2 * whole, after.begin() + whole));
  EXPECT_TRUE(std::equal(before.begin() + 2 * whole, before.end(), after.begin() + 2 * whole));
}

TYPED_TEST(QTest, UnknownBitsInTheHeadAreErrors) {
  const Codec& codec = this->Q();
  const Bytes good = Encode(codec, std::vector<float>{1.0f, 2.0f});
  std::vector<float> y(2);
  for (size_t i = 2; i < 16; ++i) {
    Bytes bad = good;
    bad[i] = std::byte{2};
    EXPECT_EQ(codec.Decode(bad, kFloat, 2, y.data()).code(), Code::kRemote) << i;
  }
  for (const bool guarded : {false, true}) {
    const auto most = static_cast<uint16_t>(q::MaxScale<TypeParam>(guarded));
    for (const uint16_t top : {uint16_t{0}, uint16_t{7}, uint16_t{8}, most,
                               static_cast<uint16_t>(most + 1), uint16_t{65535}}) {
      Bytes bytes = good;
      std::memcpy(bytes.data(), &top, 2);
      bytes[2] = static_cast<std::byte>(guarded);
      EXPECT_EQ(codec.Decode(bytes, kFloat, 2, y.data()).ok(), top >= 8 && top <= most) << top;
    }
  }
}

// Whatever bytes an unguarded chunk holds, products are finite: fused or not, sums are the same.
TYPED_TEST(QTest, NoCodeOfAnUnguardedChunkOverflows) {
  const float step = q::Step(q::MaxScale<TypeParam>(false));
  EXPECT_TRUE(std::isfinite(q::Value(static_cast<float>(TypeParam::kNanCode), step)));
}

TYPED_TEST(QTest, SumsOfManyChunksAreThoseOfOneAfterAnother) {
  const FloatEnvironment environment;
  for (const size_t count : {1, 31, 33, 100, 4095, 4096}) {
    std::vector<Bytes> encoded;
    std::vector<const std::byte*> sources;
    for (const auto& [name, x] : test::AllInputs(count)) encoded.push_back(Encode(this->Q(), x));
    for (const size_t i : {2u, 4u, 8u, 2u, 4u, 1u, 3u}) encoded.push_back(encoded[i]);
    for (const Bytes& bytes : encoded) sources.push_back(bytes.data());
    for (const SimdLoops* loops : SimdAvailable()) {
      ForceSimd(loops);
      for (size_t n = 1; n <= sources.size(); ++n) {
        const std::span<const std::byte* const> some(sources.data() + sources.size() - n, n);
        std::vector<float> sums(count), added(count, -0.0f), want(count), y(count);
        const FloatCodec& codec = *this->Q().AsFloatCodec();
        ASSERT_TRUE(codec.SumPieces(some, count, sums.data()).ok());
        ASSERT_TRUE(codec.DecodeAddPieces(some, count, added.data()).ok());
        for (size_t s = 0; s < n; ++s) {
          ASSERT_TRUE(codec.DecodePiece(some[s], count, false, y.data()).ok());
          for (size_t i = 0; i < count; ++i) want[i] = s == 0 ? y[i] : want[i] + y[i];
        }
        for (size_t i = 0; i < count; ++i) {
          if (std::isnan(want[i])) {
            ASSERT_TRUE(std::isnan(sums[i]) && std::isnan(added[i]));
          } else {
            ASSERT_EQ(std::bit_cast<uint32_t>(sums[i]), std::bit_cast<uint32_t>(want[i]))
                << loops->name << " " << n << " chunks of " << count << ", element " << i;
            ASSERT_EQ(std::bit_cast<uint32_t>(added[i]), std::bit_cast<uint32_t>(want[i]));
          }
        }
      }
    }
    ForceSimd(nullptr);
  }
}

// ---- Stochastic rounding ----

// The known answers of 7 rounds that come with the authors' generators.
TEST(PhiloxTest, GivesTheKnownAnswers) {
  struct {
    uint64_t counter[4];
    uint64_t key;
    uint32_t want[4];
  } const cases[] = {
      {{0, 0, 0, 0}, 0, {0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}},
      {{~0u, ~0u, ~0u, ~0u}, ~uint64_t{0}, {0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       0x299f31d0a4093822,
       {0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}},
  };
  for (const auto& known : cases) {
    uint64_t words[4];
    std::copy_n(known.counter, 4, words);
    philox::Run(known.key, words);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(static_cast<uint32_t>(words[i]), known.want[i]);
  }
}

// The byte of element number n, straight from the definition.
uint32_t NoiseOf(uint64_t key, uint64_t n) {
  const philox::Block block = philox::BlockAt(key, n / 16);
  return static_cast<uint32_t>(block.pairs[n % 16 / 8] >> n % 8 * 8) & 255;
}

TYPED_TEST(QTest, NoiseIsAFunctionOfKeyAndElementNumber) {
  const size_t count = 4096 + 77;
  const std::vector<float> x = test::FiniteInputs(count)[2].second;
  const std::vector<float> y = Decode(this->Q(), Encode(this->Q(), x), count);
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    for (const uint64_t first : {uint64_t{0}, uint64_t{16}, uint64_t{7}, uint64_t{4095},
                                 (uint64_t{1} << 36) - 48, uint64_t{1} << 63}) {
      const Noise noise = {.key = 0x123456789abcdef, .first = first};
      const Bytes bytes = Encode(this->Noisy(), x, noise);
      for (size_t i = 0; i < count; ++i) {
        const size_t chunk = i / q::kChunk;
        const size_t size = std::min(q::kChunk, count - chunk * q::kChunk);
        const auto* head = reinterpret_cast<const uint8_t*>(bytes.data()) + chunk * this->kWhole;
        const uint32_t top = head[0] + 256u * head[1];
        const size_t in_chunk = i % q::kChunk;
        const uint32_t scale = q::ScaleFromByte(head[16 + in_chunk / q::kBlock], top);
        const int code = q::CodeAt<TypeParam>(head + 16 + q::ScaleBytes(size), in_chunk);
        const double fine =
            std::nearbyint(256.0 * static_cast<double>(x[i] * q::InverseStep(scale)));
        const double want = std::floor((fine + NoiseOf(noise.key, first + i)) / 256);
        ASSERT_EQ(code, want) << loops->name << " first " << first << " element " << i;
      }
    }
  }
  ForceSimd(nullptr);
}

TYPED_TEST(QTest, ARunSplitAtChunksHasTheSameBytes) {
  const size_t count = 3 * 4096 + 500;
  const std::vector<float> x = test::AllInputs(count)[10].second;
  const Noise noise = {.key = 42, .first = 4096 * 5 + 3};
  const Bytes all = Encode(this->Noisy(), x, noise);
  for (size_t from = 4096; from < count; from += 4096) {
    const Bytes rest = Encode(this->Noisy(), std::span(x).subspan(from),
                              {.key = noise.key, .first = noise.first + from});
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.end() - static_cast<long>(rest.size())));
  }
  EXPECT_FALSE(Encode(this->Noisy(), x, {.key = 43, .first = noise.first}) == all);
  EXPECT_FALSE(Encode(this->Noisy(), x, {.key = 42, .first = noise.first + 1}) == all);
}

TYPED_TEST(QTest, TheMeanOverManyKeysIsTheElement) {
  constexpr size_t kKeys = 4096;
  const std::vector<float> x = test::FiniteInputs(256)[2].second;
  std::vector<double> mean(x.size());
  for (uint64_t key = 0; key < kKeys; ++key) {
    const Bytes bytes = Encode(this->Noisy(), x, {.key = key * 0x9e3779b97f4a7c15});
    const std::vector<float> y = Decode(this->Noisy(), bytes, x.size());
    for (size_t i = 0; i < x.size(); ++i) mean[i] += static_cast<double>(y[i]) / kKeys;
  }
  double worst = 0, total = 0;
  for (size_t from = 0; from < x.size(); from += q::kBlock) {
    float largest = 0;
    for (size_t i = 0; i < q::kBlock; ++i) largest = std::max(largest, std::fabs(x[from + i]));
    const double step = q::Step(q::ScaleOf<TypeParam>(q::MagnitudeBits(largest), false));
    for (size_t i = from; i < from + q::kBlock; ++i) {
      const double error = (mean[i] - static_cast<double>(x[i])) / step;
      worst = std::max(worst, std::fabs(error));
      total += error;
    }
  }
  // A deviation is at most half a step; expectations are those of x to the nearest 256th of a step.
  const double deviation = 0.5 / std::sqrt(static_cast<double>(kKeys));
  EXPECT_LT(worst, 4.5 * deviation + 1.0 / 512);
  const double elements = static_cast<double>(x.size());
  EXPECT_LT(std::fabs(total / elements), 4.5 * deviation / std::sqrt(elements) + 1.0 / 4096);
}

TEST(QErrorTest, OnGaussianDataIsThatOfTheDocument) {
  const std::vector<float> x = test::FiniteInputs(1 << 18)[2].second;
  const std::pair<const char*, double> wants[] = {
      {"q8", 3.25e-5}, {"q8+sr", 6.5e-5}, {"q4", 1.07e-2}, {"q4+sr", 2.14e-2}};
  for (const auto& [spec, want] : wants) {
    const Bytes bytes = Encode(Find(spec), x, {.key = 3});
    auto measured = MeasureError(Find(spec), x.data(), kFloat, x.size(), bytes);
    ASSERT_TRUE(measured.ok());
    EXPECT_NEAR(measured->error / measured->energy, want, 0.02 * want) << spec;
  }
}

TEST(QContractionTest, RoundingToNearestContractsAndRandomRoundingNeedNot) {
  for (const char* spec : {"q8", "q4"}) {
    const Codec& codec = Find(spec);
    EXPECT_TRUE(codec.contractive());
    for (const auto& [name, x] : test::FiniteInputs(5000)) {
      const std::vector<float> y = Decode(codec, Encode(codec, x), x.size());
      for (size_t i = 0; i < x.size(); ++i) ASSERT_LE(std::fabs(x[i] - y[i]), std::fabs(x[i]));
    }
  }
  for (const char* spec : {"q8+sr", "q4+sr"}) {
    const Codec& codec = Find(spec);
    EXPECT_FALSE(codec.contractive());
    EXPECT_FALSE(FindCodec(std::string(spec) + "+ef").ok());
    EXPECT_FALSE(FindCodec("delta(" + std::string(spec) + ")").ok());
    // The reason: a chunk that lies under the smallest step there is.
    const std::vector<float> x(64, 0x1p-129f);
    const std::vector<float> y = Decode(codec, Encode(codec, x, {.key = 1}), x.size());
    EXPECT_GT(*std::max_element(y.begin(), y.end()), 2 * x[0]);
  }
}

}  // namespace
}  // namespace thinwire
