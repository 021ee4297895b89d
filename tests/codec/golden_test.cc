// SPDX-License-Identifier: Apache-2.0
//
// Every instruction set against bytes made by the independent reference (tools/make_golden).
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/inputs.h"
#include "codec/simd.h"

namespace thinwire {
namespace {

struct Case {
  std::string name;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  std::vector<std::byte> input;
  std::vector<std::byte> encoded;
  std::vector<std::byte> decoded;
};

// The lower bytes of each word, as many as an element has.
std::vector<std::byte> Elements(const std::vector<uint32_t>& words, DataType dtype) {
  std::vector<std::byte> bytes(words.size() * SizeOf(dtype));
  for (size_t i = 0; i < words.size(); ++i) {
    std::memcpy(&bytes[i * SizeOf(dtype)], &words[i], SizeOf(dtype));
  }
  return bytes;
}

std::vector<uint32_t> Words(const std::string& line) {
  std::istringstream stream(line);
  stream >> std::hex;
  std::vector<uint32_t> words;
  for (uint32_t word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<Case> Load(const std::string& codec) {
  std::ifstream file(THINWIRE_SOURCE_DIR "/tests/golden/codec/" + test::TestName(codec) + ".txt");
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("case ", 0) != 0) continue;
    Case golden;
    golden.name = line;
    if (line.ends_with(" bfloat16")) golden.dtype = DataType::kBfloat16;
    std::getline(file, line);
    golden.input = Elements(Words(line), golden.dtype);
    golden.count = golden.input.size() / SizeOf(golden.dtype);
    std::getline(file, line);
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      golden.encoded.push_back(static_cast<std::byte>(std::stoi(line.substr(i, 2), nullptr, 16)));
    }
    std::getline(file, line);
    golden.decoded = line == "same" ? golden.input : Elements(Words(line), golden.dtype);
    cases.push_back(std::move(golden));
  }
  return cases;
}

class GoldenTest : public testing::TestWithParam<std::string_view> {};

TEST_P(GoldenTest, BytesAndElementsAreThoseOfTheReference) {
  const Codec& codec = *FindCodec(std::string(GetParam())).value();
  const std::vector<Case> cases = Load(std::string(GetParam()));
  ASSERT_GE(cases.size(), 10u);
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    for (const Case& golden : cases) {
      SCOPED_TRACE(golden.name + " " + loops->name);
      const size_t count = golden.count;
      const DataType dtype = golden.dtype;
      std::vector<std::byte> encoded(codec.EncodedBytes(count, dtype), std::byte{0xa5});
      codec.Encode(golden.input.data(), dtype, count, encoded.data());
      encoded.resize(codec.UsedBytes(encoded.data(), count, dtype));
      EXPECT_TRUE(encoded == golden.encoded);
      std::vector<std::byte> decoded(count * SizeOf(dtype));
      ASSERT_TRUE(codec.Decode(golden.encoded, dtype, count, decoded.data()).ok());
      EXPECT_TRUE(decoded == golden.decoded);
    }
  }
  ForceSimd(nullptr);
}

INSTANTIATE_TEST_SUITE_P(Codecs, GoldenTest,
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return test::TestName(tested.param); });

}  // namespace
}  // namespace thinwire
