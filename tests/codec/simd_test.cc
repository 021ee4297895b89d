// SPDX-License-Identifier: Apache-2.0
#include "codec/simd.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include "codec/codec.h"
#include "codec/inputs.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;

// Runs `work` with every instruction set and expects the bytes of the first, the plain one.
void ExpectSameBytes(const std::string& what, const std::function<Bytes()>& work) {
  Bytes plain;
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    Bytes bytes = work();
    ForceSimd(nullptr);
    if (loops == SimdAvailable().front()) plain = bytes;
    EXPECT_TRUE(bytes == plain) << what << " differs on " << loops->name;
  }
}

TEST(SimdTest, EveryInstructionSetGivesTheSameBytes) {
  for (const std::string_view name : CodecSpecs()) {
    const Codec& codec = *FindCodec(std::string(name)).value();
    for (const size_t count : {1, 15, 31, 32, 100, 4096, 3 * 4096 + 77}) {
      for (const auto& [input_name, input] : test::AllInputs(count)) {
        const std::string what = codec.spec() + " of " + input_name + " " + std::to_string(count);
        Bytes encoded;
        ExpectSameBytes("encode " + what, [&] {
          encoded.assign(codec.EncodedBytes(count, DataType::kFloat32), std::byte{0});
          codec.Encode(input.data(), DataType::kFloat32, count, encoded.data());
          encoded.resize(codec.UsedBytes(encoded.data(), count, DataType::kFloat32));
          return encoded;
        });
        ExpectSameBytes("decode " + what, [&] {
          Bytes decoded(count * sizeof(float));
          EXPECT_TRUE(codec.Decode(encoded, DataType::kFloat32, count, decoded.data()).ok());
          return decoded;
        });
        ExpectSameBytes("decode and add " + what, [&] {
          std::vector<float> sums(count, 1.5f);
          EXPECT_TRUE(codec.DecodeAdd(encoded, DataType::kFloat32, count, sums.data()).ok());
          Bytes bytes(count * sizeof(float));
          std::memcpy(bytes.data(), sums.data(), bytes.size());
          return bytes;
        });
      }
    }
  }
}

// What runs larger than the caches give begins with what a small one gives, wherever they stand.
void ExpectLargeRunsMatchSmallOnes(const Codec& codec, const std::vector<float>& input) {
  const size_t count = input.size();
  const size_t head = 4096 * 11;
  Bytes small(codec.EncodedBytes(head, DataType::kFloat32));
  codec.Encode(input.data(), DataType::kFloat32, head, small.data());
  std::vector<float> part(head);
  ASSERT_TRUE(codec.Decode(small, DataType::kFloat32, head, part.data()).ok());
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    for (const size_t offset : {0, 4, 9}) {
      SCOPED_TRACE(codec.spec() + " " + loops->name + " " + std::to_string(offset));
      Bytes encoded(codec.EncodedBytes(count, DataType::kFloat32) + 4 * offset);
      codec.Encode(input.data(), DataType::kFloat32, count, encoded.data() + 4 * offset);
      const auto got = std::span(encoded).subspan(4 * offset);
      EXPECT_TRUE(std::equal(small.begin(), small.end(), got.begin()));
      std::vector<float> all(count + offset);
      ASSERT_TRUE(codec.Decode(got, DataType::kFloat32, count, all.data() + offset).ok());
      EXPECT_EQ(std::memcmp(all.data() + offset, part.data(), head * sizeof(float)), 0);
    }
  }
  ForceSimd(nullptr);
}

TEST(SimdTest, RunsLargerThanTheCachesGiveTheSameBytes) {
  const size_t count = (size_t{9} << 20) + 45;
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  const auto input = test::Generate(count, [&] { return normal(random); });
  // One spec a layout that stores past the caches.
  for (const char* spec : {"q8", "q8+sr", "q4", "rq4", "fp8", "mxfp8", "mxfp6", "mxfp4", "nvfp4"}) {
    ExpectLargeRunsMatchSmallOnes(*FindCodec(spec).value(), input);
  }
}

TEST(SimdTest, ExhaustiveBfloat16ValuesGiveTheSameBytes) {
  std::vector<float> input(65536);
  for (uint32_t i = 0; i < 65536; ++i) input[i] = std::bit_cast<float>(i << 16);
  for (const std::string_view spec : CodecSpecs()) {
    const std::string name(spec);
    const Codec& codec = *FindCodec(name).value();
    ExpectSameBytes(name, [&] {
      Bytes encoded(codec.EncodedBytes(input.size(), DataType::kFloat32));
      codec.Encode(input.data(), DataType::kFloat32, input.size(), encoded.data());
      return encoded;
    });
  }
}

TEST(SimdTest, ConversionsAreTheSameForEveryPattern) {
  std::vector<uint16_t> patterns(65536);
  for (uint32_t i = 0; i < 65536; ++i) patterns[i] = static_cast<uint16_t>(i);
  for (const DataType dtype :
       {DataType::kFloat16, DataType::kBfloat16, DataType::kFloat8e4m3, DataType::kFloat8e5m2}) {
    ExpectSameBytes(std::string(NameOf(dtype)), [&] {
      Bytes bytes(65536 * sizeof(float) + 65536 * SizeOf(dtype));
      std::vector<float> wide(65536);
      Simd().widen(dtype, patterns.data(), wide.size(), wide.data());
      std::memcpy(bytes.data(), wide.data(), wide.size() * sizeof(float));
      const auto input = test::AllInputs(65536)[9].second;
      std::vector<uint16_t> narrow(65536);
      Simd().narrow(dtype, input.data(), input.size(), narrow.data());
      std::memcpy(bytes.data() + 65536 * sizeof(float), narrow.data(), 65536 * SizeOf(dtype));
      return bytes;
    });
  }
}

}  // namespace
}  // namespace thinwire
