// SPDX-License-Identifier: Apache-2.0
// Link files: what docs/link-file.md promises.
#include "link_file.h"

#include <gtest/gtest.h>

namespace thinwire::lab {
namespace {

constexpr int64_t kMs = 1'000'000;

std::string ErrorOf(std::string_view text, int ranks) {
  std::string error;
  EXPECT_FALSE(ParseLinkFile(text, "f", ranks, &error)) << text;
  return error;
}

LinkMatrix Parsed(std::string_view text, int ranks) {
  std::string error;
  const auto links = ParseLinkFile(text, "f", ranks, &error);
  EXPECT_TRUE(links) << error;
  return links.value_or(LinkMatrix(ranks, Link{}));
}

TEST(LinkFile, LaterLinesWinAndWildcardsCoverEveryPair) {
  const LinkMatrix links = Parsed(
      "# from to rate delay loss\n"
      "\n"
      "* * 500mbit 20ms 0\r\n"
      "\t0 1 1gbit  1ms 0.1% # near\n"
      "2 * 100mbit 45ms",
      3);
  EXPECT_EQ(links.at(1, 0), (Link{500'000'000, 20 * kMs, 0}));
  EXPECT_EQ(links.at(0, 1), (Link{1'000'000'000, kMs, 0.001}));
  EXPECT_EQ(links.at(2, 0), (Link{100'000'000, 45 * kMs, 0}));
  EXPECT_EQ(links.at(2, 1), (Link{100'000'000, 45 * kMs, 0}));
  EXPECT_EQ(links.at(1, 2), (Link{500'000'000, 20 * kMs, 0}));
}

TEST(LinkFile, HostRatesAreTheLargestOfTheirPairs) {
  const LinkMatrix links = Parsed("* * 10mbit 5ms\n0 1 40mbit 10ms\n2 1 20mbit 1ms\n", 3);
  EXPECT_EQ(links.UplinkRate(0), 40'000'000U);
  EXPECT_EQ(links.UplinkRate(1), 10'000'000U);
  EXPECT_EQ(links.DownlinkRate(1), 40'000'000U);
  EXPECT_EQ(links.DownlinkRate(2), 10'000'000U);
  EXPECT_EQ(links.MinDelay(), kMs);
  EXPECT_EQ(links.MaxBandwidthDelay(), 40'000'000U / 8 * 15 / 1000);
}

TEST(LinkFile, ErrorsNameFileAndLine) {
  EXPECT_EQ(ErrorOf("* * 1mbit 1ms\n\n0 1 1mbit 20 0\n", 2),
            "f:3: bad delay '20': write it like 20ms");
  EXPECT_EQ(ErrorOf("0 1 1 1ms\n", 2), "f:1: bad rate '1': write it like 500mbit");
  EXPECT_EQ(ErrorOf("0 1 1mbit 1ms 0.1\n", 2), "f:1: bad loss '0.1': write it like 0.1%, or 0");
  EXPECT_EQ(ErrorOf("0 5 1mbit 1ms\n", 4), "f:1: rank 5, but there are only 4 ranks (0 to 3)");
  EXPECT_EQ(ErrorOf("x 1 1mbit 1ms\n", 2), "f:1: bad rank 'x': a number or * is wanted");
  EXPECT_EQ(ErrorOf("-1 1 1mbit 1ms\n", 2), "f:1: bad rank '-1': a number or * is wanted");
  EXPECT_EQ(ErrorOf("1 1 1mbit 1ms\n", 2), "f:1: a rank has no link to itself");
  EXPECT_EQ(ErrorOf("0 1 1mbit\n", 2), "f:1: expected 'from to rate delay [loss]', found 3 fields");
  EXPECT_EQ(ErrorOf("0 1 1mbit 1ms 0 0\n", 2),
            "f:1: expected 'from to rate delay [loss]', found 6 fields");
}

TEST(LinkFile, EveryPairMustBeCovered) {
  EXPECT_EQ(ErrorOf("0 * 1mbit 1ms\n1 0 1mbit 1ms\n", 3), "f: no line for the pair 1 2");
  EXPECT_EQ(ErrorOf("", 2), "f: no line for the pair 0 1");
}

TEST(LinkFile, AFileThatCannotBeReadIsNamed) {
  std::string error;
  EXPECT_FALSE(ReadLinkFile("/nowhere/at.all", 2, &error));
  EXPECT_NE(error.find("/nowhere/at.all"), std::string::npos) << error;
}

}  // namespace
}  // namespace thinwire::lab
