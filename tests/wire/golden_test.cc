// SPDX-License-Identifier: Apache-2.0
//
// Frames that other writers made (tools/make_golden_frames) and what parsing each has to give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "wire/frame.h"

namespace thinwire {
namespace {

namespace fs = std::filesystem;
using Fields = std::map<std::string, std::string>;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Fields ReadFields(const fs::path& path) {
  Fields fields;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return fields;
}

Fields FieldsOf(const FrameHeader& h) {
  const auto text = [](auto value) { return std::to_string(value); };
  return {{"kind", text(static_cast<int>(h.kind))},
          {"codec", text(h.codec)},
          {"flags", text(h.flags)},
          {"communicator", text(h.communicator)},
          {"epoch", text(h.epoch)},
          {"source", text(h.source)},
          {"destination", text(h.destination)},
          {"sequence", text(h.sequence)},
          {"count", text(h.count)},
          {"operation", text(h.operation)},
          {"dtype", text(h.dtype)},
          {"reduction", text(h.reduction)},
          {"algorithm", text(h.algorithm)},
          {"root", text(h.root)},
          {"message", text(h.message)},
          {"segment", text(h.segment)},
          {"payload_bytes", text(h.payload_bytes)}};
}

std::vector<fs::path> Frames(const std::string& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(THINWIRE_SOURCE_DIR "/tests/golden/" + folder)) {
    if (entry.path().extension() == ".bin") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class GoldenFrameTest : public testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    bytes_ = ReadFile(GetParam());
    expected_ = ReadFields(fs::path(GetParam()).replace_extension(".txt"));
    ASSERT_FALSE(expected_.empty());
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)); }

  std::string bytes_;
  Fields expected_;
};

std::string TestName(const testing::TestParamInfo<fs::path>& info) {
  std::string name = info.param.stem();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class GoodFrameTest : public GoldenFrameTest {};
class BadFrameTest : public GoldenFrameTest {};
INSTANTIATE_TEST_SUITE_P(Golden, GoodFrameTest, testing::ValuesIn(Frames("frames")), TestName);
INSTANTIATE_TEST_SUITE_P(Golden, BadFrameTest, testing::ValuesIn(Frames("frames-bad")), TestName);

TEST_P(GoodFrameTest, ParsesToItsFields) {
  const ParsedFrame parsed = ParseFrame(bytes());
  ASSERT_EQ(parsed.state, ParseState::kFrame) << parsed.error.message();
  EXPECT_EQ(FieldsOf(parsed.header), expected_);
}

TEST_P(GoodFrameTest, IsWrittenWithTheSameBytes) {
  const ParsedFrame parsed = ParseFrame(bytes());
  ASSERT_EQ(parsed.state, ParseState::kFrame) << parsed.error.message();
  std::string again = bytes_.substr(0, parsed.bytes);
  again.replace(0, kFrameHeaderBytes, kFrameHeaderBytes, '\0');
  SealFrame(parsed.header, reinterpret_cast<std::byte*>(again.data()));
  EXPECT_EQ(again, bytes_.substr(0, parsed.bytes));
}

TEST_P(BadFrameTest, GivesItsError) {
  const ParsedFrame parsed = ParseFrame(bytes());
  if (expected_.contains("bad")) {
    EXPECT_EQ(parsed.state, ParseState::kBad);
    EXPECT_THAT(parsed.error.message(), testing::StartsWith(expected_["bad"] + ":"));
  } else {
    EXPECT_EQ(parsed.state, ParseState::kNeedMore);
    EXPECT_EQ(std::to_string(parsed.bytes), expected_["need_more"]);
  }
}

}  // namespace
}  // namespace thinwire
