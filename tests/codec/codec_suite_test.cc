// SPDX-License-Identifier: Apache-2.0
//
// What holds for every codec, for each in turn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
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

  Bytes Encode(const void* source, DataType dtype, size_t count, uint64_t first = 0) const {
    Bytes encoded(codec_.EncodedBytes(count, dtype), std::byte{0xa5});
    codec_.Encode(source, dtype, count, encoded.data(), {.first = first});
    return encoded;
  }
  std::vector<float> RoundTrip(const std::vector<float>& x) const {
    std::vector<float> y(x.size());
    EXPECT_TRUE(codec_.Decode(Encode(x.data(), kFloat, x.size()), kFloat, x.size(), y.data()).ok());
    return y;
  }
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
  const auto input = test::FiniteInputs(3 * 4096 + 100)[4].second;
  const Bytes all = Encode(input.data(), kFloat, input.size());
  for (size_t from = 0; from < input.size(); from += 4096) {
    const Bytes rest = Encode(input.data() + from, kFloat, input.size() - from, from);
    const size_t offset = codec_.EncodedBytes(from, kFloat);
    ASSERT_EQ(offset + rest.size(), all.size());
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.begin() + static_cast<long>(offset)));
  }
}

TEST_P(CodecSuite, ErrorStaysWithinTheBound) {
  const Codec::ErrorBound bound = codec_.bound();
  for (const size_t count : {1, 33, 1000, 4096, 9000}) {
    for (const auto& [name, x] : test::FiniteInputs(count)) {
      const std::vector<float> y = RoundTrip(x);
      const auto largest = [&](size_t i, size_t group) {
        const size_t from = i / group * group;
        double most = 0;
        for (size_t j = from; j < std::min(count, from + group); ++j) {
          most = std::max(most, std::fabs(static_cast<double>(x[j])));
        }
        return most;
      };
      double of_block = 0, of_chunk = 0;
      for (size_t i = 0; i < count; ++i) {
        if (i % codec_.block() == 0) of_block = largest(i, codec_.block());
        if (i % codec_.granule() == 0) of_chunk = largest(i, codec_.granule());
        // bfloat16 rounds the largest binary32 numbers to Inf.
        if (std::isinf(y[i]) && std::fabs(x[i]) > 3.39e38f && bound.relative > 0) continue;
        const double error = std::fabs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
        ASSERT_LE(error, bound.relative * std::fabs(x[i]) + bound.of_block * of_block +
                             bound.of_chunk * of_chunk + bound.absolute)
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
  EXPECT_EQ(y[40], INFINITY);
  EXPECT_EQ(y[41], -INFINITY);
  for (size_t i = 42; i < 45; ++i) EXPECT_TRUE(std::isnan(y[i]));
  EXPECT_EQ(y[4999], INFINITY);
  const Codec::ErrorBound bound = codec_.bound();
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) continue;
    double of_block = 0;
    const size_t from = i / codec_.block() * codec_.block();
    for (size_t j = from; j < std::min(x.size(), from + codec_.block()); ++j) {
      if (std::isfinite(x[j])) of_block = std::max(of_block, std::fabs(static_cast<double>(x[j])));
    }
    ASSERT_NEAR(y[i], x[i], bound.relative * std::fabs(x[i]) + bound.of_block * of_block + 1e-8)
        << i;
  }
}

TEST_P(CodecSuite, ExactCodecsKeepEveryBitOfEveryType) {
  if (!codec_.exact()) GTEST_SKIP() << "lossy";
  std::mt19937 random(5);
  for (int i = 0; i < kDataTypes; ++i) {
    const auto dtype = static_cast<DataType>(i);
    ASSERT_TRUE(codec_.Supports(dtype));
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
  Bytes encoded(want.size() + 1);
  codec_.Encode(source.data() + 1, kFloat, x.size(), encoded.data() + 1);
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
      for (size_t at = 0; at + 16 <= bytes.size(); at += codec_.EncodedBytes(4096, kFloat)) {
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
  Bytes got(want.size());
  codec_.Encode(x.data(), kFloat, x.size(), got.data());
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
