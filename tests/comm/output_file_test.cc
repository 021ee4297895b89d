// SPDX-License-Identifier: Apache-2.0
#include "comm/output_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "temporary_folder.h"

namespace thinwire {
namespace {

constexpr Writer kWriter = {.rank = 3, .ranks = 4, .communicator = 0xabc};

std::string ContentOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(OutputFileTest, PathsNameRankCommunicatorAndProcess) {
  EXPECT_EQ(OutputPath("/tmp/t_%r_%c_%p", kWriter),
            "/tmp/t_3_0000000000000abc_" + std::to_string(getpid()));
  EXPECT_EQ(OutputPath("", kWriter), "");
}

TEST(OutputFileTest, QuotesAndControlCharactersDoNotEndAText) {
  EXPECT_EQ(Quoted("a \"b\"\\\n"), R"("a \"b\"\\ ")");
}

TEST(OutputFileTest, AFileIsReplacedAndNothingIsLeftBeside) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  ASSERT_TRUE(ReplaceFile(path, "one").ok());
  ASSERT_TRUE(ReplaceFile(path, "two").ok());
  EXPECT_EQ(ContentOf(path), "two");
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    static_cast<void>(entry);
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(OutputFileTest, WhatIsNoRegularFileIsWrittenTo) {
  EXPECT_TRUE(ReplaceFile("/dev/null", "text").ok());
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
}

TEST(OutputFileTest, APlaceThatDoesNotExistIsAnErrorThatNamesIt) {
  const Status status = ReplaceFile("/nowhere/at/all", "text");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("/nowhere/at/all"), std::string::npos);
}

TEST(OutputFileTest, SectionsOfOneFileStandTogetherByPart) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/shared";
  constexpr std::array<std::string_view, 2> kHeads = {"A:", " B:"};
  Writer other = kWriter;
  other.communicator = 7;
  ASSERT_TRUE(WriteSection(path, kWriter, {"1", "2"}, kHeads).ok());
  ASSERT_TRUE(WriteSection(path, other, {"3", "4"}, kHeads).ok());
  EXPECT_EQ(ContentOf(path), "A:13 B:24");
  ASSERT_TRUE(WriteSection(path, kWriter, {"5", "6"}, kHeads).ok());
  EXPECT_EQ(ContentOf(path), "A:35 B:46");
}

}  // namespace
}  // namespace thinwire
