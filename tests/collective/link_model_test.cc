// SPDX-License-Identifier: Apache-2.0
#include "collective/link_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

LinkModel Parsed(const std::string& text, int ranks) {
  const Result<LinkModel> model = LinkModel::Parse(text, ranks);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? model.value() : LinkModel(ranks);
}

std::string ErrorOf(const std::string& text, int ranks = 3) {
  const Result<LinkModel> model = LinkModel::Parse(text, ranks);
  EXPECT_FALSE(model.ok()) << text;
  return model.status().message();
}

TEST(LinkModelTest, NothingIsKnownOfAnEmptyText) {
  const LinkModel model = Parsed("", 3);
  EXPECT_EQ(model.ranks(), 3);
  EXPECT_FALSE(model.known());
  EXPECT_EQ(model.uplink(0), 0);
}

TEST(LinkModelTest, UniformTextHoldsForAllPairs) {
  const LinkModel model = Parsed("rate=500mbit,delay=20ms,loss=0.1%", 3);
  EXPECT_TRUE(model.known());
  for (const auto& [from, to] : {std::pair(0, 1), std::pair(2, 0)}) {
    EXPECT_DOUBLE_EQ(model.at(from, to).rate, 62.5e6);
    EXPECT_DOUBLE_EQ(model.at(from, to).delay, 0.02);
    EXPECT_DOUBLE_EQ(model.at(from, to).loss, 0.001);
  }
}

TEST(LinkModelTest, PartsMayBeLeftOut) {
  EXPECT_TRUE(Parsed("delay=5ms", 2).known());
  EXPECT_EQ(Parsed("delay=5ms", 2).uplink(0), 0);
  EXPECT_EQ(Parsed("rate=1gbit", 2).at(0, 1).delay, 0);
}

TEST(LinkModelTest, ErrorsQuoteThePartThatMakesNoSense) {
  EXPECT_THAT(ErrorOf("speed=5"), HasSubstr("speed=5"));
  EXPECT_THAT(ErrorOf("fast"), HasSubstr("fast"));
  EXPECT_THAT(ErrorOf("rate=much"), HasSubstr("much"));
  EXPECT_THAT(ErrorOf("rate=1gbit,delay=-3ms"), HasSubstr("-3ms"));
  EXPECT_THAT(ErrorOf("rate=1gbit,loss=lots"), HasSubstr("lots"));
}

TEST(LinkModelTest, LinesNamePairsAndWildcardsAndLaterOnesWin) {
  const LinkModel model = Parsed(
      "lines=# three sites\n"
      "* * 1gbit 10ms\n"
      "\n"
      "0 *   100mbit 50ms 1%  # a thin uplink\r\n"
      "*\t2  200mbit 1ms\n"
      "1 2   300mbit 2ms",
      3);
  EXPECT_DOUBLE_EQ(model.at(1, 0).rate, 125e6);
  EXPECT_DOUBLE_EQ(model.at(0, 1).rate, 12.5e6);
  EXPECT_DOUBLE_EQ(model.at(0, 1).loss, 0.01);
  EXPECT_DOUBLE_EQ(model.at(0, 2).rate, 25e6);
  EXPECT_DOUBLE_EQ(model.at(0, 2).loss, 0);
  EXPECT_DOUBLE_EQ(model.at(1, 2).rate, 37.5e6);
  EXPECT_EQ(model.at(1, 1).rate, 0);
  EXPECT_DOUBLE_EQ(model.uplink(0), 25e6);  // the best of its pairs
  EXPECT_DOUBLE_EQ(model.downlink(0), 125e6);
}

TEST(LinkModelTest, ErrorsNameTheLine) {
  EXPECT_THAT(ErrorOf("lines=* * 1gbit 10ms\n0 1 1gbit"), HasSubstr("line 2"));
  EXPECT_THAT(ErrorOf("lines=\n\n0 3 1gbit 1ms"), AllOf(HasSubstr("line 3"), HasSubstr("rank 3")));
  EXPECT_THAT(ErrorOf("lines=0 0 1gbit 1ms"), AllOf(HasSubstr("line 1"), HasSubstr("itself")));
  EXPECT_THAT(ErrorOf("lines=0 x 1gbit 1ms"), AllOf(HasSubstr("line 1"), HasSubstr("'x'")));
  EXPECT_THAT(ErrorOf("lines=0 -1 1gbit 1ms"), HasSubstr("'-1'"));
  EXPECT_THAT(ErrorOf("lines=* * quick 1ms"), AllOf(HasSubstr("line 1"), HasSubstr("quick")));
  EXPECT_THAT(ErrorOf("lines=* * 1gbit 1ms 1% more"), HasSubstr("6 fields"));
}

TEST(LinkModelTest, PairsWithoutALineAreNamed) {
  EXPECT_THAT(ErrorOf("lines=0 * 1gbit 1ms\n1 0 1gbit 1ms\n2 * 1gbit 1ms"), HasSubstr("1 2"));
}

TEST(LinkModelTest, NicsCarryWhatTheyAreSaidToAndNotTheBestOfTheirPairs) {
  const LinkModel model = Parsed("lines=* * 100mbit 1ms\nnic 1 800mbit\n", 3);
  EXPECT_DOUBLE_EQ(model.uplink(0), 12.5e6);
  EXPECT_DOUBLE_EQ(model.uplink(1), 100e6);
  EXPECT_DOUBLE_EQ(model.downlink(1), 100e6);
  EXPECT_DOUBLE_EQ(Parsed("lines=* * 1mbit 0\nnic * 8mbit\n", 2).uplink(1), 1e6);
  EXPECT_THAT(ErrorOf("lines=* * 1mbit 0\nnic 5 8mbit\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("5")));
  EXPECT_THAT(ErrorOf("lines=* * 1mbit 0\nnic 1\n"), HasSubstr("nic rank rate"));
}

TEST(LinkModelTest, FilesAreReadAndTravelAsLines) {
  const std::string path = testing::TempDir() + "/links.txt";
  std::ofstream(path) << "* * 1gbit 10ms\n";
  EXPECT_DOUBLE_EQ(Parsed("file=" + path, 2).at(0, 1).rate, 125e6);
  EXPECT_EQ(LinkModel::Inline("file=" + path).value(), "lines=* * 1gbit 10ms\n");
  EXPECT_EQ(LinkModel::Inline("rate=1gbit").value(), "rate=1gbit");
  std::ofstream(path) << "* * 1gbit\n";
  EXPECT_THAT(ErrorOf("file=" + path), AllOf(HasSubstr(path), HasSubstr("line 1")));
}

TEST(LinkModelTest, AMissingFileIsNamed) {
  EXPECT_THAT(ErrorOf("file=/nowhere/links"), HasSubstr("/nowhere/links"));
}

}  // namespace
}  // namespace thinwire
