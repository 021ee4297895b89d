// SPDX-License-Identifier: Apache-2.0
//
// What holds for every codec, for each in turn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "codec/codec.h"
#include "codec/float_formats.h"
#include "codec/inputs.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;

class CodecSuite : public testing::TestWithParam<std::string_view> {
 protected:
  const Codec& codec_ = *FindCodec(std::string(GetParam())).value();

  Bytes Encode(const void* source, DataType dtype, size_t count, const Noise& noise = {}) const {
    Bytes encoded(codec_.EncodedBytes(count, dtype), std::byte{0xa5});
    codec_.Encode(source, dtype, count, encoded.data(), noise);
    const size_t used = codec_.UsedBytes(encoded.data(), count, dtype);
    EXPECT_LE(used, encoded.size());
    if (codec_.fixed_size()) {
      EXPECT_EQ(used, encoded.size());
    }
    encoded.resize(used);
    return encoded;
  }
  std::vector<float> RoundTrip(const std::vector<float>& x) const {
    std::vector<float> y(x.size());
    EXPECT_TRUE(codec_.Decode(Encode(x.data(), kFloat, x.size()), kFloat, x.size(), y.data()).ok());
    return y;
  }
  // The most that element i of x may be off, other elements of its block and chunk being finite or
  // not.
  double Bound(const std::vector<float>& x, size_t i) {
    const Codec::ErrorBound bound = codec_.bound();
    return bound.relative * std::fabs(x[i]) + bound.of_block * Largest(x, i, codec_.block()) +
           bound.of_chunk * Largest(x, i, codec_.granule()) + bound.absolute;
  }

  // The largest finite magnitude of the group of elements that i is in, which is looked at once.
  double Largest(const std::vector<float>& x, size_t i, size_t group) {
    const size_t from = i / group * group;
    const auto [entry, fresh] = largest_.try_emplace(std::tuple(x.data(), from, group), 0.0);
    for (size_t j = from; fresh && j < std::min(x.size(), from + group); ++j) {
      const double magnitude = std::fabs(static_cast<double>(x[j]));
      if (std::isfinite(magnitude)) entry->second = std::max(entry->second, magnitude);
    }
    return entry->second;
  }
  std::map<std::tuple<const float*, size_t, size_t>, double> largest_;
};

TEST_P(CodecSuite, NoElementsTakeNoBytes) {
  for (int i = 0; i < kDataTypes; ++i) {
    const auto dtype = static_cast<DataType>(i);
    EXPECT_EQ(codec_.EncodedBytes(0, dtype), 0u);
    if (!codec_.Supports(dtype)) continue;
    codec_.Encode(nullptr, dtype, 0, nullptr);
    EXPECT_TRUE(codec_.Decode({}, dtype, 0, nullptr).ok());
  }
}

TEST_P(CodecSuite, AnyRunFromAGranuleOnIsEncodedAlone) {
  if (!codec_.fixed_size()) GTEST_SKIP() << "a run begins with a table";
  const auto input = test::FiniteInputs(3 * 4096 + 100)[4].second;
  const Bytes all = Encode(input.data(), kFloat, input.size());
  for (size_t from = 0; from < input.size(); from += 4096) {
    const Bytes rest =
        Encode(input.data() + from, kFloat, input.size() - from, {.key = 0, .first = from});
    const size_t offset = codec_.EncodedBytes(from, kFloat);
    ASSERT_EQ(offset + rest.size(), all.size());
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.begin() + static_cast<long>(offset)));
  }
}

TEST_P(CodecSuite, PiecesWrittenAndReadOneByOneAreTheRun) {
  for (const size_t count : {1, 4096, 3 * 4096 + 100}) {
    const auto x = test::AllInputs(count)[9].second;
    const Bytes want = Encode(x.data(), kFloat, count);
    Bytes run(codec_.EncodedBytes(count, kFloat), std::byte{0x5a});
    for (size_t piece = 0; piece * 4096 < count; ++piece) {
      codec_.WritePiece(x.data() + piece * 4096, kFloat, count, piece, run.data());
    }
    run.resize(codec_.UsedBytes(run.data(), count, kFloat));
    EXPECT_TRUE(run == want);
    std::vector<float> all(count), parts(count);
    ASSERT_TRUE(codec_.Decode(want, kFloat, count, all.data()).ok());
    for (size_t piece = (count - 1) / 4096 + 1; piece-- > 0;) {
      ASSERT_TRUE(codec_.ReadPiece(want, kFloat, count, piece, &parts[piece * 4096]).ok());
    }
    EXPECT_EQ(std::memcmp(all.data(), parts.data(), count * sizeof(float)), 0);
    const auto less = std::span(want).first(want.size() - 1);
    EXPECT_EQ(codec_.ReadPiece(less, kFloat, count, (count - 1) / 4096, parts.data()).code(),
              Code::kRemote);
  }
}

TEST_P(CodecSuite, ErrorStaysWithinTheBound) {
  for (const size_t count : {1, 33, 1000, 4096, 9000}) {
    for (const auto& [name, x] : test::FiniteInputs(count)) {
      largest_.clear();
      const std::vector<float> y = RoundTrip(x);
      for (size_t i = 0; i < count; ++i) {
        if (std::fabs(x[i]) >= codec_.bound().overflow) {
          ASSERT_EQ(y[i], std::copysign(INFINITY, x[i])) << name << " element " << i;
          continue;
        }
        const double error = std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
        ASSERT_LE(error, Bound(x, i))
            << name << " element " << i << ": " << x[i] << " became " << y[i];
      }
    }
  }
}

TEST_P(CodecSuite, SpecialValuesSurviveWhereTheyStand) {
  std::vector<float> x = test::FiniteInputs(5000)[2].second;
  const float specials[] = {INFINITY, -INFINITY, NAN, -NAN, std::bit_cast<float>(0x7f800001u)};
  for (size_t i = 0; i < 5; ++i) x[40 + i] = specials[i];
  x[4999] = INFINITY;
  const std::vector<float> y = RoundTrip(x);
  const size_t block = codec_.block();
  const bool spreads = codec_.spreads_specials();
  size_t finite = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool beside =
        i / block == 40 / block || i / block == 44 / block || i / block == 4999 / block;
    const bool special = !std::isfinite(x[i]);
    if (special && (spreads || std::isnan(x[i]) || !codec_.keeps_infinity())) {
      ASSERT_TRUE(std::isnan(y[i])) << i;
    } else if (special) {
      ASSERT_EQ(y[i], x[i]) << i;
    } else if (codec_.kept(x.size()) < x.size()) {
      // Special values stand for others, which become zero.
      ASSERT_LE(std::fabs(x[i] - y[i]), codec_.bound().relative * std::fabs(x[i])) << i;
      ++finite;
    } else if (!spreads || !beside || !std::isnan(y[i])) {
      ASSERT_LE(std::fabs(y[i] - x[i]), Bound(x, i)) << i;
      ++finite;
    }
  }
  // At most one scale a special value.
  EXPECT_GE(finite, x.size() / 2);
}

// The whole reason why error feedback settles.
TEST_P(CodecSuite, ContractiveCodecsLeaveLessThanTheyWereGiven) {
  if (!codec_.contractive()) GTEST_SKIP() << "not contractive";
  for (const auto& [name, x] : test::FiniteInputs(9000)) {
    const std::vector<float> y = RoundTrip(x);
    double error = 0, energy = 0, largest = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::fabs(x[i]) >= codec_.bound().overflow) continue;
      largest = std::fmax(largest, std::fabs(x[i]));
      error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
      energy += std::pow(static_cast<double>(x[i]), 2);
    }
    if (largest > codec_.bound().absolute) {
      EXPECT_LT(error, energy) << name;
    }
  }
}

TEST_P(CodecSuite, ExactCodecsKeepEveryBitOfEveryType) {
  if (!codec_.exact()) GTEST_SKIP() << "lossy";
  std::mt19937 random(5);
  for (int i = 0; i < kDataTypes; ++i) {
    const auto dtype = static_cast<DataType>(i);
    if (!codec_.Supports(dtype)) {
      EXPECT_NE(codec_.id(), CodecId::kRaw);
      const Bytes bytes(codec_.EncodedBytes(1, dtype));
      uint64_t element;
      EXPECT_EQ(codec_.Decode(bytes, dtype, 1, &element).code(), Code::kInvalidArgument);
      continue;
    }
    Bytes x(5003 * SizeOf(dtype));
    for (std::byte& byte : x) byte = static_cast<std::byte>(random());
    Bytes y(x.size());
    ASSERT_TRUE(codec_.Decode(Encode(x.data(), dtype, 5003), dtype, 5003, y.data()).ok());
    EXPECT_TRUE(x == y) << NameOf(dtype);
  }
}

// Narrow types are coded by their values: encoding them is encoding what they widen to.
TEST_P(CodecSuite, LossyCodecsTakeAllFloatingTypesThroughBinary32) {
  if (codec_.exact()) GTEST_SKIP() << "exact";
  const auto x = test::FiniteInputs(4500)[2].second;
  std::vector<uint16_t> half(x.size());
  std::vector<float> wide(x.size());
  std::vector<double> doubles(x.begin(), x.end());
  for (size_t i = 0; i < x.size(); ++i) {
    half[i] = Narrow<Half>(x[i]);
    wide[i] = Widen<Half>(half[i]);
  }
  const Bytes encoded = Encode(half.data(), DataType::kFloat16, half.size());
  EXPECT_TRUE(encoded == Encode(wide.data(), kFloat, wide.size()));
  EXPECT_TRUE(Encode(doubles.data(), DataType::kFloat64, x.size()) ==
              Encode(x.data(), kFloat, x.size()));
  const std::vector<float> y = RoundTrip(wide);
  std::vector<uint16_t> decoded(x.size());
  ASSERT_TRUE(codec_.Decode(encoded, DataType::kFloat16, x.size(), decoded.data()).ok());
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(decoded[i], Narrow<Half>(y[i]));
  EXPECT_FALSE(codec_.Supports(DataType::kInt32));
  int32_t integer;
  EXPECT_FALSE(
      codec_.Decode(Bytes(codec_.EncodedBytes(1, DataType::kInt32)), DataType::kInt32, 1, &integer)
          .ok());
}

TEST_P(CodecSuite, MisalignedMemoryGivesTheSameBytes) {
  const auto x = test::AllInputs(4500)[2].second;
  const Bytes want = Encode(x.data(), kFloat, x.size());
  Bytes source(x.size() * sizeof(float) + 1);
  std::memcpy(source.data() + 1, x.data(), source.size() - 1);
  Bytes encoded(codec_.EncodedBytes(x.size(), kFloat) + 1);
  codec_.Encode(source.data() + 1, kFloat, x.size(), encoded.data() + 1);
  encoded.resize(want.size() + 1);
  EXPECT_TRUE(std::equal(want.begin(), want.end(), encoded.begin() + 1));
  Bytes target(source.size());
  ASSERT_TRUE(
      codec_.Decode(std::span(encoded).subspan(1), kFloat, x.size(), target.data() + 1).ok());
  const std::vector<float> y = RoundTrip(x);
  EXPECT_EQ(std::memcmp(target.data() + 1, y.data(), y.size() * sizeof(float)), 0);
}

TEST_P(CodecSuite, WrongSizesAreErrorsOfThePeer) {
  std::vector<float> x(100), y(100);
  Bytes encoded = Encode(x.data(), kFloat, 100);
  for (const size_t size : {size_t{0}, encoded.size() - 1, encoded.size() + 1}) {
    const Bytes wrong(size);
    EXPECT_EQ(codec_.Decode(wrong, kFloat, 100, y.data()).code(), Code::kRemote);
    EXPECT_EQ(codec_.DecodeAdd(wrong, kFloat, 100, y.data()).code(), Code::kRemote);
  }
}

TEST_P(CodecSuite, DecodeAddIsDecodeThenAdd) {
  for (const auto& [name, x] : test::FiniteInputs(5000)) {
    const std::vector<float> y = RoundTrip(x);
    std::vector<float> sums(x.size(), 0.7f);
    ASSERT_TRUE(
        codec_.DecodeAdd(Encode(x.data(), kFloat, x.size()), kFloat, x.size(), sums.data()).ok());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(sums[i], 0.7f + y[i]) << name;
  }
}

TEST_P(CodecSuite, ArbitraryBytesGiveElementsOrAnError) {
  std::mt19937 random(6);
  std::vector<float> y(4200);
  for (int round = 0; round < 300; ++round) {
    const size_t count = 1 + random() % y.size();
    Bytes bytes(codec_.EncodedBytes(count, kFloat));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    // Half the rounds keep valid heads, so that the rest of the decoder is reached.
    if (round % 2 == 0) {
      for (size_t at = 0; at + 16 <= bytes.size(); at += 4240) {
        std::memset(bytes.data() + at + 2, 0, 14);
        bytes[at + 1] = static_cast<std::byte>(random() % 7);
        bytes[at + 2] = static_cast<std::byte>(random() % 2);
      }
    }
    (void)codec_.Decode(bytes, kFloat, count, y.data());
    (void)codec_.DecodeAdd(bytes, kFloat, count, y.data());
  }
}

#if defined(__SSE2__)
TEST_P(CodecSuite, FlushToZeroOfTheCallerChangesNothingAndIsKept) {
  const auto x = test::FiniteInputs(4100)[6].second;
  const Bytes want = Encode(x.data(), kFloat, x.size());
  const unsigned before = _mm_getcsr();
  const unsigned flushing = before | 0xe040;  // flush to zero, subnormals are zero, round to zero
  _mm_setcsr(flushing);
  const Bytes got = Encode(x.data(), kFloat, x.size());
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_TRUE(got == want);
  EXPECT_EQ(after & 0xe040, flushing & 0xe040);
}
#endif

INSTANTIATE_TEST_SUITE_P(Codecs, CodecSuite,
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return test::TestName(tested.param); });

}  // namespace
}  // namespace thinwire
