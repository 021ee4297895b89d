// SPDX-License-Identifier: Apache-2.0
#include "comm/spill_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "comm/temporary_folder.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Bytes = std::vector<std::byte>;
using Extent = SpillFile::Extent;

constexpr uint64_t kPage = 4096;

Extent Reserve(SpillFile& file, uint64_t bytes) {
  Result<Extent> extent = file.Reserve(bytes);
  EXPECT_TRUE(extent.ok()) << extent.status().message();
  return extent.ok() ? std::move(extent).value() : Extent();
}

Bytes ReadAll(const Extent& extent, size_t size) {
  Bytes bytes(size);
  const Status status = extent.Read(0, bytes);
  EXPECT_TRUE(status.ok()) << status.message();
  return bytes;
}

TEST(SpillFileTest, NoFileIsMadeBeforeItIsNeededAndNoNameIsLeft) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  EXPECT_TRUE(folder.empty());
  Extent extent = Reserve(file, 100);
  EXPECT_TRUE(extent.Write(0, Bytes(100)).ok());
  EXPECT_TRUE(folder.empty());
}

TEST(SpillFileTest, ExtentsHoldWhatWasWritten) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  std::vector<Extent> extents;
  const std::vector<size_t> sizes = {1, 4095, 4096, 4097, 100000};
  for (size_t i = 0; i < sizes.size(); ++i) {
    extents.push_back(Reserve(file, sizes[i]));
    ASSERT_TRUE(extents[i].Write(0, Bytes(sizes[i], std::byte(i + 1))).ok());
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(ReadAll(extents[i], sizes[i]), Bytes(sizes[i], std::byte(i + 1)));
  }
}

TEST(SpillFileTest, ExtentsAreWrittenAndReadInPieces) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  Extent extent = Reserve(file, 6);
  const Bytes abc = {std::byte{1}, std::byte{2}, std::byte{3}};
  ASSERT_TRUE(extent.Write(3, abc).ok());
  ASSERT_TRUE(extent.Write(0, abc).ok());
  EXPECT_EQ(ReadAll(extent, 6), (Bytes{abc[0], abc[1], abc[2], abc[0], abc[1], abc[2]}));
  Bytes two(2);
  ASSERT_TRUE(extent.Read(2, two).ok());
  EXPECT_EQ(two, (Bytes{abc[2], abc[0]}));
}

TEST(SpillFileTest, SpaceIsUsedAgain) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  Extent first = Reserve(file, 2 * kPage);
  const Extent second = Reserve(file, kPage);
  EXPECT_EQ(file.end(), 3 * kPage);
  first = Extent();
  const Extent third = Reserve(file, 1);
  const Extent fourth = Reserve(file, kPage);
  EXPECT_EQ(file.end(), 3 * kPage);
  const Extent fifth = Reserve(file, 1);
  EXPECT_EQ(file.end(), 4 * kPage);
}

TEST(SpillFileTest, NeighboursThatComeFreeMergeInAnyOrder) {
  std::vector<int> order = {0, 1, 2};
  do {
    const TemporaryFolder folder;
    SpillFile file(folder.path());
    std::vector<Extent> extents;
    for (int i = 0; i < 3; ++i) extents.push_back(Reserve(file, kPage));
    const Extent last = Reserve(file, kPage);
    for (const int i : order) extents[static_cast<size_t>(i)] = Extent();
    const Extent merged = Reserve(file, 3 * kPage);
    EXPECT_EQ(file.end(), 4 * kPage);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(SpillFileTest, TheFileShrinksWhenItsEndComesFree) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  std::optional<Extent> first = Reserve(file, kPage);
  std::optional<Extent> second = Reserve(file, kPage);
  std::optional<Extent> third = Reserve(file, kPage);
  second.reset();
  EXPECT_EQ(file.end(), 3 * kPage);
  third.reset();
  EXPECT_EQ(file.end(), kPage);
  first.reset();
  EXPECT_EQ(file.end(), 0u);
}

TEST(SpillFileTest, RandomExtentsDontDisturbEachOther) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  std::mt19937 random(1);
  struct Held {
    Extent extent;
    Bytes bytes;
  };
  std::vector<Held> held;
  uint64_t most = 0;
  uint64_t now = 0;
  const auto pages = [](const Bytes& bytes) { return (bytes.size() + kPage - 1) / kPage * kPage; };
  for (int i = 0; i < 2000; ++i) {
    if (held.size() < 20 && random() % 2 == 0) {
      const Bytes bytes(1 + random() % 20000, static_cast<std::byte>(i));
      Extent extent = Reserve(file, bytes.size());
      ASSERT_TRUE(extent.Write(0, bytes).ok());
      now += pages(bytes);
      most = std::max(most, now);
      held.push_back({std::move(extent), bytes});
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      ASSERT_EQ(ReadAll(held.back().extent, held.back().bytes.size()), held.back().bytes);
      now -= pages(held.back().bytes);
      held.pop_back();
    }
  }
  // Gaps are filled: over thousands of extents the file stays near the most that was ever in it.
  EXPECT_LE(file.end(), 2 * most);
  held.clear();
  EXPECT_EQ(file.end(), 0u);
}

TEST(SpillFileTest, AFolderThatIsNotThereIsNamedAndTriedAgain) {
  const TemporaryFolder folder;
  const std::string missing = folder.path() + "/missing";
  SpillFile file(missing);
  const Status status = file.Reserve(1).status();
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(missing), HasSubstr("No such file or directory")));
  std::filesystem::create_directory(missing);
  EXPECT_TRUE(file.Reserve(1).ok());
}

TEST(SpillFileTest, AFullDiskIsAnErrorThatNamesTheFile) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  Extent extent = Reserve(file, 10 * kPage);
  const Bytes bytes(10 * kPage, std::byte{5});
  Status status;
  {
    const FullDisk full(3 * kPage);  // some of it can be written
    status = extent.Write(0, bytes);
  }
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("writing"), HasSubstr(folder.path()),
                                      HasSubstr("thinwire-state-"), HasSubstr("File too large")));
  ASSERT_TRUE(extent.Write(0, bytes).ok());
  EXPECT_EQ(ReadAll(extent, bytes.size()), bytes);
}

TEST(SpillFileTest, ReadingWhatWasNeverWrittenIsAnError) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  const Extent extent = Reserve(file, kPage);
  Bytes bytes(1);
  const Status status = extent.Read(0, bytes);
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), HasSubstr("ends before"));
}

TEST(SpillFileTest, SizesBeyondAnyFileAreRefused) {
  const TemporaryFolder folder;
  SpillFile file(folder.path());
  EXPECT_FALSE(file.Reserve(UINT64_MAX).ok());
  const Extent half = Reserve(file, uint64_t{1} << 61);
  EXPECT_FALSE(file.Reserve((uint64_t{1} << 61) + 1).ok());
  const Extent rest = Reserve(file, uint64_t{1} << 61);
}

}  // namespace
}  // namespace thinwire
