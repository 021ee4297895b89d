// SPDX-License-Identifier: Apache-2.0
//
// Every instruction set against bytes made by the independent reference (tools/make_golden).
#include <gtest/gtest.h>

#include <bit>
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
  std::vector<float> input;
  std::vector<std::byte> encoded;
  std::vector<uint32_t> decoded;
};

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
    Case golden = {.name = line, .input = {}, .encoded = {}, .decoded = {}};
    std::getline(file, line);
    for (const uint32_t word : Words(line)) golden.input.push_back(std::bit_cast<float>(word));
    std::getline(file, line);
    for (size_t i = 0; i + 1 < line.size(); i += 2) {
      golden.encoded.push_back(static_cast<std::byte>(std::stoi(line.substr(i, 2), nullptr, 16)));
    }
    std::getline(file, line);
    golden.decoded = Words(line);
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
      const size_t count = golden.input.size();
      ASSERT_EQ(codec.EncodedBytes(count, DataType::kFloat32), golden.encoded.size());
      std::vector<std::byte> encoded(golden.encoded.size(), std::byte{0xa5});
      codec.Encode(golden.input.data(), DataType::kFloat32, count, encoded.data());
      EXPECT_TRUE(encoded == golden.encoded);
      std::vector<float> decoded(count);
      ASSERT_TRUE(codec.Decode(golden.encoded, DataType::kFloat32, count, decoded.data()).ok());
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]), golden.decoded[i]) << i;
      }
    }
  }
  ForceSimd(nullptr);
}

INSTANTIATE_TEST_SUITE_P(Codecs, GoldenTest, 
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return test::TestName(tested.param); });

}  // namespace
}  // namespace thinwire
