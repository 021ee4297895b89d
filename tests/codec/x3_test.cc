// SPDX-License-Identifier: Apache-2.0
//
// What is special about x3: every bit, on every instruction set; sizes; hostile runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "codec/codec.h"
#include "codec/inputs.h"
#include "codec/simd.h"
#include "codec/x3_math.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;

const Codec& X3() { return *FindCodec("x3").value(); }

Bytes Encode(const Bytes& elements, DataType dtype) {
  const size_t count = elements.size() / SizeOf(dtype);
  Bytes encoded(X3().EncodedBytes(count, dtype), std::byte{0xa5});
  X3().Encode(elements.data(), dtype, count, encoded.data());
  encoded.resize(X3().UsedBytes(encoded.data(), count, dtype));
  return encoded;
}

double BitsAnElement(const Bytes& elements, DataType dtype) {
  const size_t count = elements.size() / SizeOf(dtype);
  return 8.0 * static_cast<double>(Encode(elements, dtype).size()) / static_cast<double>(count);
}

// Elements from 32 random bits each: the upper ones.
template <typename Next>
Bytes Elements(DataType dtype, size_t count, Next next) {
  Bytes bytes(count * SizeOf(dtype));
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = next(i) >> (32 - 8 * SizeOf(dtype));
    std::memcpy(&bytes[i * SizeOf(dtype)], &bits, SizeOf(dtype));
  }
  return bytes;
}

Bytes Gaussian(DataType dtype, size_t count) {
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  return Elements(dtype, count, [&](size_t) { return std::bit_cast<uint32_t>(normal(random)); });
}

class X3Test : public testing::TestWithParam<DataType> {
 protected:
  const DataType dtype_ = GetParam();

  // On every instruction set: the same bytes, and the elements back.
  void ExpectKept(const Bytes& elements) {
    const size_t count = elements.size() / SizeOf(dtype_);
    Bytes first;
    for (const SimdLoops* loops : SimdAvailable()) {
      ForceSimd(loops);
      const Bytes encoded = Encode(elements, dtype_);
      if (first.empty()) first = encoded;
      EXPECT_TRUE(encoded == first) << loops->name;
      Bytes decoded(elements.size());
      EXPECT_TRUE(X3().Decode(encoded, dtype_, count, decoded.data()).ok()) << loops->name;
      EXPECT_TRUE(decoded == elements) << loops->name << " " << count;
    }
    ForceSimd(nullptr);
  }
};

TEST_P(X3Test, EveryUpperHalfSurvivesInOrderAndShuffled) {
  std::mt19937 random(22);
  const auto in_order = [&](size_t i) {
    return static_cast<uint32_t>(i) << 16 | (static_cast<uint32_t>(random()) & 0xffff);
  };
  Bytes elements = Elements(dtype_, 65536, in_order);
  ExpectKept(elements);
  // Neighbours of every kind: all of these blocks have escapes.
  ExpectKept(Elements(dtype_, 65536, [&](size_t i) { return in_order(i * 40503 % 65536); }));
}

// Escapes of every share, of chunks and of blocks, up to those stored raw.
TEST_P(X3Test, AnyShareOfEscapesSurvives) {
  std::mt19937 random(23);
  for (uint32_t share = 0; share <= 16; ++share) {
    for (const size_t count : {255, 256, 4096, 2 * 4096 + 700}) {
      ExpectKept(Elements(dtype_, count, [&](size_t) {
        const auto bits = static_cast<uint32_t>(random());
        const auto other = static_cast<uint32_t>(random());
        const uint32_t exponent = other % 16 < share ? other >> 24 : 100 + (other >> 8) % 7;
        return (bits & 0x807fffff) | exponent << 23;
      }));
    }
  }
}

TEST_P(X3Test, ShortRunsSurviveAndNoneIsMuchLargerThanItsElements) {
  std::mt19937 random(24);
  for (size_t count = 1; count <= 600; ++count) {
    const Bytes plain = Gaussian(dtype_, count);
    ExpectKept(plain);
    EXPECT_LE(Encode(plain, dtype_).size(), plain.size() + 16);
    ExpectKept(Elements(dtype_, count, [&](size_t) { return static_cast<uint32_t>(random()); }));
  }
}

TEST_P(X3Test, EqualElementsAndZerosTakeNoEscapes) {
  for (const uint32_t bits : {0u, 0x80000000u, 0x3f800000u, 0x7f800000u, 0xffffffffu, 1u << 16}) {
    const Bytes elements = Elements(dtype_, 4096, [&](size_t) { return bits; });
    ExpectKept(elements);
    EXPECT_EQ(Encode(elements, dtype_).size(), 16 + x3::FixedBytes(4096, SizeOf(dtype_)));
  }
}

TEST_P(X3Test, BytesPastTheUsedOnesAreLeftAlone) {
  for (const size_t count : {1, 100, 4096, 5000}) {
    const Bytes elements = Gaussian(dtype_, count);
    Bytes encoded(X3().EncodedBytes(count, dtype_), std::byte{0x77});
    X3().Encode(elements.data(), dtype_, count, encoded.data());
    const size_t used = X3().UsedBytes(encoded.data(), count, dtype_);
    ASSERT_LE(used, encoded.size());
    for (size_t i = used; i < encoded.size(); ++i) ASSERT_EQ(encoded[i], std::byte{0x77});
  }
}

// Over 4 MiB stores go past the caches.
TEST_P(X3Test, LargeRunsAreThoseOfTheirPieces) {
  const size_t count = (size_t{5} << 20) + 45;
  const Bytes elements = Gaussian(dtype_, count);
  ExpectKept(elements);
  Bytes run(X3().EncodedBytes(count, dtype_));
  for (size_t piece = 0; piece * 4096 < count; ++piece) {
    X3().WritePiece(&elements[piece * 4096 * SizeOf(dtype_)], dtype_, count, piece, run.data());
  }
  run.resize(X3().UsedBytes(run.data(), count, dtype_));
  EXPECT_TRUE(run == Encode(elements, dtype_));
}

TEST_P(X3Test, GaussianElementsTakeTheDocumentedBits) {
  const double below_mantissa = dtype_ == DataType::kFloat32 ? 16 : 0;
  const double bits = BitsAnElement(Gaussian(dtype_, size_t{1} << 20), dtype_);
  EXPECT_LE(bits, below_mantissa + 11.3);
  EXPECT_GE(bits, below_mantissa + 11.2);
}

TEST_P(X3Test, OutliersLowerTheBaseTheyWouldRaise) {
  std::mt19937 random(25);
  std::normal_distribution<float> normal;
  const auto next = [&](size_t) {
    return std::bit_cast<uint32_t>(normal(random) * (random() % 100 == 0 ? 100.0f : 1.0f));
  };
  const double lower = dtype_ == DataType::kFloat32 ? 16 : 0;
  EXPECT_LE(BitsAnElement(Elements(dtype_, size_t{1} << 18, next), dtype_), lower + 11.4);
}

TEST_P(X3Test, ArbitraryChangesOfARunGiveElementsOrAnError) {
  std::mt19937 random(26);
  for (int round = 0; round < 3000; ++round) {
    const size_t count = 1 + random() % 9000;
    const Bytes good = Encode(Gaussian(dtype_, count), dtype_);
    Bytes bad = good;
    const size_t changes = 1 + random() % 3;
    for (size_t i = 0; i < changes; ++i) {
      // Every other change hits the table or the planes' beginnings.
      const size_t at =
          random() % (random() % 2 == 0 ? std::min<size_t>(64, bad.size()) : bad.size());
      bad[at] ^= static_cast<std::byte>(1u << random() % 8);
    }
    if (random() % 4 == 0) bad.resize(random() % (bad.size() + 40));
    Bytes decoded(count * SizeOf(dtype_));
    (void)X3().Decode(bad, dtype_, count, decoded.data());
    const size_t piece = random() % ((count - 1) / 4096 + 1);
    (void)X3().ReadPiece(bad, dtype_, count, piece, decoded.data());
    std::vector<float> sums(count);
    (void)X3().DecodeAdd(bad, dtype_, count, sums.data());
  }
}

class X3HostileTest : public X3Test {
 protected:
  static constexpr size_t kCount = 4096 + 300;
  const Bytes good_ = Encode(Gaussian(dtype_, kCount), dtype_);

  void ExpectRefused(const Bytes& run) {
    Bytes decoded(kCount * SizeOf(dtype_));
    EXPECT_EQ(X3().Decode(run, dtype_, kCount, decoded.data()).code(), Code::kRemote);
  }
  static uint64_t End(const Bytes& run, size_t chunk) {
    uint64_t end;
    std::memcpy(&end, &run[8 * chunk], 8);
    return end;
  }
  static void SetEnd(uint64_t end, size_t chunk, Bytes* run) {
    std::memcpy(&(*run)[8 * chunk], &end, 8);
  }
};

TEST_P(X3HostileTest, TablesThatMakeNoSenseAreErrors) {
  Bytes decoded(kCount * SizeOf(dtype_));
  ASSERT_TRUE(X3().Decode(good_, dtype_, kCount, decoded.data()).ok());
  const uint64_t first = End(good_, 0), second = End(good_, 1);
  for (const uint64_t end : {uint64_t{0}, uint64_t{1}, first - 16, first + 1, first + 16, second,
                             second + 1, ~uint64_t{0}, uint64_t{1} << 63}) {
    Bytes bad = good_;
    SetEnd(end, 0, &bad);
    ExpectRefused(bad);
  }
  for (const uint64_t end : {uint64_t{0}, first, second - 1, second + 1, ~uint64_t{0}}) {
    Bytes bad = good_;
    SetEnd(end, 1, &bad);
    ExpectRefused(bad);
  }
  for (const size_t size : {size_t{0}, size_t{15}, size_t{16}, good_.size() - 1}) {
    ExpectRefused(Bytes(good_.begin(), good_.begin() + static_cast<long>(size)));
  }
  Bytes longer = good_;
  longer.resize(good_.size() + 16);
  ExpectRefused(longer);
  SetEnd(second + 16, 1, &longer);
  ExpectRefused(longer);
}

TEST_P(X3HostileTest, EscapesThatDoNotFitAreErrors) {
  // All codes of the first chunk are escapes, then none is.
  const size_t codes = 16 + x3::FixedBytes(4096, SizeOf(dtype_)) - 16 * 96;
  for (const std::byte value : {std::byte{0xff}, std::byte{0}}) {
    Bytes bad = good_;
    std::fill_n(bad.begin() + static_cast<long>(codes), 16 * 96, value);
    ExpectRefused(bad);
  }
}

TEST_P(X3HostileTest, PadsAreZeroOrAnError) {
  // The pad after the escapes of the first chunk: an encoder leaves one unless they end on 16.
  const auto end = static_cast<size_t>(16 + End(good_, 0));
  const Bytes elements = Elements(dtype_, 300, [](size_t) { return 0x3f800000u; });
  const Bytes equal = Encode(elements, dtype_);
  Bytes decoded(elements.size());
  Bytes bad = equal;
  // No escapes: everything past the planes is a pad, and so are the codes past the last element.
  const size_t fixed = 16 + x3::FixedBytes(300, SizeOf(dtype_));
  ASSERT_LT(fixed, equal.size());
  for (size_t i = fixed; i < equal.size(); ++i) {
    bad = equal;
    bad[i] = std::byte{1};
    EXPECT_EQ(X3().Decode(bad, dtype_, 300, decoded.data()).code(), Code::kRemote) << i;
  }
  bad = equal;
  bad[fixed - 1] = std::byte{0x80};  // upper bit of code 63 of 64; the last block has 44
  EXPECT_EQ(X3().Decode(bad, dtype_, 300, decoded.data()).code(), Code::kRemote);
  bad = equal;
  bad[15] = std::byte{1};  // a table of one end
  EXPECT_EQ(X3().Decode(bad, dtype_, 300, decoded.data()).code(), Code::kRemote);
  EXPECT_EQ(end % 16, 0u);
}

// What no encoder writes, but the format gives a meaning: any base, distances below 0.
TEST_P(X3HostileTest, ExponentsWrapAround) {
  const Bytes elements = Elements(dtype_, 256, [](size_t i) { return uint32_t(i % 7) << 23; });
  Bytes encoded = Encode(elements, dtype_);
  encoded[16] = std::byte{3};  // in place of 6
  Bytes decoded(elements.size());
  ASSERT_TRUE(X3().Decode(encoded, dtype_, 256, decoded.data()).ok());
  const Bytes want = Elements(
      dtype_, 256, [](size_t i) { return static_cast<uint32_t>((i % 7 + 253) % 256) << 23; });
  EXPECT_TRUE(decoded == want);
}

const auto kTypes = testing::Values(DataType::kBfloat16, DataType::kFloat32);
const auto type_name = [](const auto& tested) { return std::string(NameOf(tested.param)); };
INSTANTIATE_TEST_SUITE_P(Types, X3Test, kTypes, type_name);
INSTANTIATE_TEST_SUITE_P(Types, X3HostileTest, kTypes, type_name);

TEST(X3FormatTest, SizesAreTheDocumentedOnes) {
  EXPECT_EQ(x3::FixedBytes(4096, 2), 16u + 4096 + 16 * 96);
  EXPECT_EQ(x3::FixedBytes(4096, 4), 16u + 3 * 4096 + 16 * 96);
  EXPECT_EQ(x3::FixedBytes(300, 2), 2u + 300 + 96 + 24);
  EXPECT_EQ(X3().EncodedBytes(4096, DataType::kBfloat16), 16u + 8192);
  EXPECT_EQ(X3().EncodedBytes(4096 * 3 + 1, DataType::kFloat32), 32u + 4 * (4096 * 3 + 1));
  EXPECT_FALSE(X3().fixed_size());
  EXPECT_TRUE(X3().exact());
}

TEST(X3FormatTest, OtherTypesAreRefusedWithTheReason) {
  for (int i = 0; i < kDataTypes; ++i) {
    const auto dtype = static_cast<DataType>(i);
    const bool taken = dtype == DataType::kBfloat16 || dtype == DataType::kFloat32;
    EXPECT_EQ(X3().Supports(dtype), taken);
    if (taken) continue;
    uint64_t element = 0;
    const Status status = X3().Decode(Bytes(24), dtype, 1, &element);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find("use raw"), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace thinwire
