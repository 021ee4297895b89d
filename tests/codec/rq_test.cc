// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/inputs.h"
#include "codec/rq_math.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;
constexpr float kLargest = std::numeric_limits<float>::max();

class RqTest : public testing::TestWithParam<int> {
 protected:
  const int bits_ = GetParam();
  const Codec& codec_ = *FindCodec("rq" + std::to_string(bits_)).value();
  const Codec& unbiased_ = *FindCodec("rq" + std::to_string(bits_) + "+unbiased").value();
};

Bytes Encode(const Codec& codec, const std::vector<float>& x, const Noise& noise = {}) {
  Bytes bytes(codec.EncodedBytes(x.size(), kFloat), std::byte{0xa5});
  codec.Encode(x.data(), kFloat, x.size(), bytes.data(), noise);
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

// Sums over the elements of one block of a chunk that starts at `from`.
struct Energies {
  double error = 0, energy = 0, product = 0, largest = 0;
};
Energies OfBlock(const std::vector<float>& x, const std::vector<float>& y, size_t from,
                 size_t lane) {
  const size_t size = std::min(x.size() - from, rq::kChunk);
  Energies sums;
  for (size_t i = lane; i < size; i += rq::Lanes(size)) {
    const double a = x[from + i], b = y[from + i];
    sums.error += (a - b) * (a - b);
    sums.energy += a * a;
    sums.product += a * b;
    sums.largest = std::max(sums.largest, std::fabs(a));
  }
  return sums;
}

// The row of the 256 x 256 Walsh matrix, as the encoder sees it through the signs.
std::vector<float> FlippedWalsh(size_t index, float value) {
  std::vector<float> x(rq::kRows);
  for (size_t row = 0; row < rq::kRows; ++row) {
    const bool negative = std::popcount(row & index) % 2 != 0;
    const bool flipped = (rq::kSigns.words[row / 32] >> (row % 32) & 1) != 0;
    x[row] = negative != flipped ? -value : value;
  }
  return x;
}

TEST_P(RqTest, SizesAreThoseOfTheLayout) {
  const auto plane = static_cast<size_t>(32 * bits_);
  EXPECT_EQ(codec_.EncodedBytes(1, kFloat), 16 + plane);
  EXPECT_EQ(codec_.EncodedBytes(256, kFloat), 16 + plane);
  EXPECT_EQ(codec_.EncodedBytes(257, kFloat), 16 + 2 * plane);
  EXPECT_EQ(codec_.EncodedBytes(2049, kFloat), 32 + 9 * plane);
  EXPECT_EQ(codec_.EncodedBytes(4096, kFloat), 32 + 16 * plane);
  EXPECT_EQ(unbiased_.EncodedBytes(4096, kFloat), 48 + 16 * plane);
}

TEST(RqSignsTest, ConstantSignsAreFlatUnderTheTransform) {
  int columns[rq::kRows];
  for (size_t row = 0; row < rq::kRows; ++row) {
    columns[row] = (rq::kSigns.words[row / 32] >> (row % 32) & 1) != 0 ? -1 : 1;
  }
  for (size_t apart = 1; apart < rq::kRows; apart *= 2) {
    for (size_t i = 0; i < rq::kRows; ++i) {
      if ((i & apart) == 0) rq::Butterfly(columns[i], columns[i + apart]);
    }
  }
  for (const int column : columns) EXPECT_EQ(std::abs(column), 16);
}

TEST_P(RqTest, ConstantBlocksKeepTheirValueToHalfAUnitOfTheScale) {
  for (const float value : {1.0f, -0.3f, 1e-20f, 3e38f}) {
    for (const size_t count : {256, 4096}) {
      const std::vector<float> y = RoundTrip(codec_, std::vector<float>(count, value));
      for (const float result : y) ASSERT_NEAR(result / value, 1, 0x1p-8);
    }
  }
}

// The largest of bits - log2(energy / error) / 2, bits with scales, over inputs of two shapes.
double ExcessBits(const Codec& codec) {
  std::mt19937 random(20);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(3);
  const size_t count = 64 * 4096;
  double most = 0;
  for (const auto& x : {test::Generate(count, [&] { return normal(random); }),
                        test::Generate(count, [&] { return heavy(random); })}) {
    const std::vector<float> y = RoundTrip(codec, x);
    double error = 0, energy = 0;
    for (size_t i = 0; i < count; ++i) {
      error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
      energy += std::pow(static_cast<double>(x[i]), 2);
    }
    const double bits =
        8.0 * static_cast<double>(codec.EncodedBytes(count, kFloat)) / double(count);
    most = std::max(most, bits - 0.5 * std::log2(energy / error));
  }
  return most;
}

TEST_P(RqTest, ErrorIsCloseToTheRateDistortionBoundWhateverTheTail) {
  const double nearest[] = {0.335, 0.53, 0.635, 0.66};
  EXPECT_LE(ExcessBits(codec_), nearest[bits_ - 1]);
  const double unbiased[] = {0.70, 0.66, 0.70, 0.70};
  EXPECT_LE(ExcessBits(unbiased_), unbiased[bits_ - 1]);
}

TEST_P(RqTest, NoBlockComesBackFurtherThanItIsLong) {
  for (const size_t count : {200, 300, 4096, 9000}) {
    auto inputs = test::FiniteInputs(count);
    // A lone coefficient, with none and with many small ones beside it: the worst for an absmax.
    auto spikes = FlippedWalsh(77, 1.0f);
    inputs.emplace_back("spike", spikes);
    for (size_t i = 0; i < spikes.size(); ++i) spikes[i] += i == 3 ? 1.0f : 0.0f;
    inputs.emplace_back("spike_and_rest", spikes);
    for (const auto& [name, x] : inputs) {
      const std::vector<float> y = RoundTrip(codec_, x);
      for (size_t from = 0; from < x.size(); from += rq::kChunk) {
        for (size_t lane = 0; lane < rq::Lanes(std::min(x.size() - from, rq::kChunk)); ++lane) {
          const Energies sums = OfBlock(x, y, from, lane);
          // Under this, blocks may be zero blocks: all that they hold is lost.
          if (sums.largest < 0x1p-110) continue;
          ASSERT_LT(sums.error, sums.energy) << name << " " << count << " lane " << lane;
        }
      }
    }
  }
}

TEST_P(RqTest, SpecialValuesMakeNanOfTheirBlockAlone) {
  for (const size_t count : {600, 4096}) {
    const size_t lanes = rq::Lanes(count);
    std::vector<float> x = test::FiniteInputs(count)[2].second;
    const std::vector<float> before = RoundTrip(codec_, x);
    for (const float special : {INFINITY, -INFINITY, NAN, std::bit_cast<float>(0xff800001u)}) {
      x[101] = special;
      const std::vector<float> y = RoundTrip(codec_, x);
      for (size_t i = 0; i < count; ++i) {
        const uint32_t want =
            i % lanes == 101 % lanes ? 0x7fc00000u : std::bit_cast<uint32_t>(before[i]);
        ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), want) << i;
      }
    }
  }
}

TEST_P(RqTest, ZerosAndBlocksNearTheSmallestNumbersBecomeZero) {
  const Bytes zeros = Encode(codec_, std::vector<float>(300, 0.0f));
  for (const std::byte byte : zeros) EXPECT_EQ(byte, std::byte{0});
  EXPECT_TRUE(zeros == Encode(codec_, std::vector<float>(300, -0.0f)));
  for (const float x : {0.0f, -0.0f, 1e-45f, 0x1p-116f}) {
    for (const float y : RoundTrip(codec_, std::vector<float>(256, x))) {
      ASSERT_EQ(std::bit_cast<uint32_t>(y), 0u);
    }
  }
  // h is 2^-4 of a constant, so this is the first that is kept.
  EXPECT_NEAR(RoundTrip(codec_, std::vector<float>(256, 0x1p-115f))[9], 0x1p-115, 0x1p-123);
}

TEST_P(RqTest, TheLargestNumbersStayFinite) {
  std::vector<float> alternating(4096, kLargest);
  for (size_t i = 0; i < 4096; i += 3) alternating[i] = -kLargest;
  std::vector<float> one(256);
  one[5] = -kLargest;
  for (const auto& x : {alternating, one, FlippedWalsh(0, kLargest), FlippedWalsh(131, kLargest),
                        std::vector<float>(4096, kLargest)}) {
    const std::vector<float> y = RoundTrip(codec_, x);
    double error = 0, energy = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_TRUE(std::isfinite(y[i])) << i;
      error += std::pow(x[i] / kLargest - y[i] / kLargest, 2);
      energy += std::pow(x[i] / kLargest, 2);
    }
    EXPECT_LT(error, energy);
  }
}

TEST_P(RqTest, EveryScaleDecodesToFiniteElementsOrNan) {
  Bytes bytes = Encode(codec_, test::FiniteInputs(256)[2].second);
  for (uint32_t scale = 0; scale < 65536; ++scale) {
    bytes[0] = static_cast<std::byte>(scale);
    bytes[1] = static_cast<std::byte>(scale >> 8);
    const std::vector<float> y = Decode(codec_, bytes, 256);
    const bool special = (scale & 0x7f80) == 0x7f80;
    for (const float result : y) {
      ASSERT_EQ(std::isfinite(result), !special) << scale;
      if (special) {
        ASSERT_EQ(std::bit_cast<uint32_t>(result), 0x7fc00000u);
      }
    }
  }
}

TEST_P(RqTest, UnbiasedChunksCarryTheirSeedAndDependOnKeyAndPlace) {
  const auto x = test::FiniteInputs(2 * 4096)[2].second;
  const Bytes bytes = Encode(unbiased_, x, {.key = 5, .first = 8192});
  const size_t chunk = unbiased_.EncodedBytes(4096, kFloat);
  uint32_t seeds[2];
  for (size_t i = 0; i < 2; ++i) std::memcpy(&seeds[i], bytes.data() + i * chunk, 4);
  EXPECT_EQ(seeds[0], rq::SeedOf(5, 8192));
  EXPECT_EQ(seeds[1], rq::SeedOf(5, 12288));
  EXPECT_NE(seeds[0], seeds[1]);
  EXPECT_FALSE(bytes == Encode(unbiased_, x, {.key = 6, .first = 8192}));
  std::vector<float> y(x.size());
  for (size_t i = 4; i < 16; ++i) {
    Bytes bad = bytes;
    bad[chunk + i] = std::byte{1};
    EXPECT_EQ(unbiased_.Decode(bad, kFloat, y.size(), y.data()).code(), Code::kRemote) << i;
  }
  EXPECT_TRUE(codec_.contractive());
  EXPECT_FALSE(unbiased_.contractive());
  EXPECT_FALSE(FindCodec(unbiased_.spec() + "+ef").ok());
}

TEST_P(RqTest, UnbiasedBlocksHaveTheProjectionOfTheInputOnItself) {
  for (const size_t input : {2, 4}) {
    const auto x = test::FiniteInputs(4096)[input].second;
    const std::vector<float> y = RoundTrip(unbiased_, x);
    for (size_t lane = 0; lane < 16; ++lane) {
      const Energies sums = OfBlock(x, y, 0, lane);
      ASSERT_NEAR(sums.product / sums.energy, 1, 0x1p-7) << lane;
    }
  }
}

// The error of the mean over n keys is that of one, divided by n.
TEST_P(RqTest, UnbiasedMeansConvergeToTheInput) {
  const auto x = test::FiniteInputs(512)[2].second;
  const int keys = 2000;
  std::vector<double> mean(x.size());
  double single = 0;
  for (int key = 0; key < keys; ++key) {
    const Noise noise = {.key = static_cast<uint64_t>(key), .first = 0};
    const std::vector<float> y = Decode(unbiased_, Encode(unbiased_, x, noise), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      mean[i] += static_cast<double>(y[i]) / keys;
      single += std::pow(static_cast<double>(y[i]) - static_cast<double>(x[i]), 2) / keys;
    }
  }
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) error += std::pow(mean[i] - static_cast<double>(x[i]), 2);
  EXPECT_LT(error, 1.25 * single / keys);
  EXPECT_GT(error, 0.8 * single / keys);
}

INSTANTIATE_TEST_SUITE_P(Bits, RqTest, testing::Values(1, 2, 3, 4),
                         [](const auto& tested) { return "rq" + std::to_string(tested.param); });

}  // namespace
}  // namespace thinwire
