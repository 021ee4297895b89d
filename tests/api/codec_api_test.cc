// SPDX-License-Identifier: Apache-2.0
//
// The codecs alone, through the C API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "thinwire/codec.h"

namespace {

using testing::HasSubstr;
using Bytes = std::vector<unsigned char>;

constexpr size_t kCount = 9000;

std::vector<float> Wave(float phase = 0) {
  std::vector<float> x(kCount);
  for (size_t i = 0; i < kCount; ++i) x[i] = std::sin(0.01f * static_cast<float>(i) + phase);
  return x;
}

thinwireCodec_t Find(const char* spec) {
  thinwireCodec_t codec = nullptr;
  EXPECT_EQ(thinwireCodecFind(spec, &codec), thinwireSuccess) << thinwireGetLastError(nullptr);
  return codec;
}
size_t EncodedBytes(thinwireCodec_t codec) {
  size_t bytes = 0;
  EXPECT_EQ(thinwireCodecEncodedBytes(codec, kCount, thinwireFloat32, &bytes), thinwireSuccess);
  return bytes;
}
Bytes NewState(thinwireCodec_t codec) {
  size_t bytes = 0;
  EXPECT_EQ(thinwireCodecStateBytes(codec, kCount, &bytes), thinwireSuccess);
  Bytes state(bytes, 0xa5);
  EXPECT_EQ(thinwireCodecStateReset(codec, kCount, state.data()), thinwireSuccess);
  return state;
}
Bytes Encode(thinwireCodec_t codec, const std::vector<float>& x, Bytes* state = nullptr) {
  Bytes encoded(EncodedBytes(codec));
  size_t bytes = 0;
  EXPECT_EQ(
      thinwireCodecEncode(codec, x.data(), kCount, thinwireFloat32, encoded.data(), encoded.size(),
                          &bytes, state == nullptr ? nullptr : state->data(), 1),
      thinwireSuccess)
      << thinwireGetLastError(nullptr);
  encoded.resize(bytes);
  return encoded;
}
std::vector<float> Decode(thinwireCodec_t codec, const Bytes& encoded, Bytes* state = nullptr) {
  std::vector<float> y(kCount);
  EXPECT_EQ(thinwireCodecDecode(codec, encoded.data(), encoded.size(), kCount, thinwireFloat32,
                                y.data(), state == nullptr ? nullptr : state->data()),
            thinwireSuccess)
      << thinwireGetLastError(nullptr);
  return y;
}
double LargestError(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0;
  for (size_t i = 0; i < kCount; ++i) error = std::max(error, std::fabs(double{x[i]} - y[i]));
  return error;
}

TEST(CodecApiTest, RoundTripStaysWithinTheBound) {
  const thinwireCodec_t codec = Find("q8");
  EXPECT_LT(LargestError(Wave(), Decode(codec, Encode(codec, Wave()))), 0.005);
}

TEST(CodecApiTest, ResidualsMakeTheMeanOfManyRight) {
  const thinwireCodec_t codec = Find("q8+ef");
  Bytes state = NewState(codec);
  std::vector<float> mean(kCount);
  for (int step = 0; step < 50; ++step) {
    const auto y = Decode(codec, Encode(codec, Wave(), &state));
    for (size_t i = 0; i < kCount; ++i) mean[i] += y[i] / 50;
  }
  EXPECT_LT(LargestError(Wave(), mean), 0.0005);
}

TEST(CodecApiTest, DeltasKeepBothEndsEqualAndCloseIn) {
  for (const char* spec : {"delta(q8)", "delta(q8,q8)", "delta(q8,raw)"}) {
    const thinwireCodec_t codec = Find(spec);
    Bytes sender = NewState(codec), receiver = NewState(codec);
    std::vector<float> got;
    for (int visit = 0; visit < 3; ++visit) {
      got = Decode(codec, Encode(codec, Wave(), &sender), &receiver);
      EXPECT_EQ(sender, receiver);
    }
    EXPECT_LT(LargestError(Wave(), got), 0.005) << spec;
  }
}

TEST(CodecApiTest, TermsAreSummedInOrderAndEncodedAgain) {
  const thinwireCodec_t q8 = Find("q8");
  const auto dense = Wave(1);
  const Bytes encoded = Encode(q8, Wave());
  const thinwireCodecTerm_t terms[] = {{q8, encoded.data(), encoded.size(), nullptr},
                                       {nullptr, dense.data(), kCount * sizeof(float), nullptr}};
  std::vector<float> sum(kCount), want = Decode(q8, encoded);
  for (size_t i = 0; i < kCount; ++i) want[i] += dense[i];
  size_t bytes = 0;
  ASSERT_EQ(thinwireCodecReduce(terms, 2, kCount, thinwireFloat32, thinwireSum, nullptr, sum.data(),
                                kCount * sizeof(float), &bytes, nullptr, 0),
            thinwireSuccess);
  EXPECT_EQ(bytes, kCount * sizeof(float));
  EXPECT_EQ(sum, want);
  Bytes again(EncodedBytes(q8));
  ASSERT_EQ(thinwireCodecReduce(terms, 2, kCount, thinwireFloat32, thinwireSum, q8, again.data(),
                                again.size(), &bytes, nullptr, 0),
            thinwireSuccess);
  EXPECT_EQ(again, Encode(q8, want));
}

TEST(CodecApiTest, WrongArgumentsAreNamed) {
  thinwireCodec_t codec = nullptr;
  EXPECT_EQ(thinwireCodecFind("q8+sr+ef", &codec), thinwireInvalidArgument);
  EXPECT_EQ(thinwireCodecFind(nullptr, &codec), thinwireInvalidArgument);
  codec = Find("q8+ef");
  const auto x = Wave();
  Bytes small(10);
  size_t bytes = 0;
  EXPECT_EQ(thinwireCodecEncode(codec, x.data(), kCount, thinwireFloat32, small.data(),
                                small.size(), &bytes, nullptr, 0),
            thinwireInvalidArgument);
  EXPECT_THAT(thinwireGetLastError(nullptr), HasSubstr("10 bytes"));
  Bytes enough(EncodedBytes(codec));
  EXPECT_EQ(thinwireCodecEncode(codec, x.data(), kCount, thinwireFloat32, enough.data(),
                                enough.size(), &bytes, nullptr, 0),
            thinwireInvalidArgument);
  EXPECT_THAT(thinwireGetLastError(nullptr), HasSubstr("q8+ef keeps state"));
  EXPECT_EQ(thinwireCodecEncode(codec, x.data(), kCount, thinwireInt32, enough.data(),
                                enough.size(), &bytes, nullptr, 0),
            thinwireInvalidArgument);
  std::vector<float> y(kCount);
  EXPECT_EQ(thinwireCodecDecode(codec, small.data(), small.size(), kCount, thinwireFloat32,
                                y.data(), nullptr),
            thinwireRemoteError);
}

}  // namespace
