// SPDX-License-Identifier: Apache-2.0
// Quantities as people write them.
#include "link_units.h"

#include <gtest/gtest.h>

namespace thinwire::lab {
namespace {

TEST(LinkUnits, RatesNeedAUnitInPowersOfAThousand) {
  EXPECT_EQ(ParseRate("500mbit"), 500'000'000U);
  EXPECT_EQ(ParseRate("1Gbit"), 1'000'000'000U);
  EXPECT_EQ(ParseRate("62.5kbit"), 62'500U);
  EXPECT_EQ(ParseRate("9bit"), 9U);
  for (const char* bad : {"", "500", "0mbit", "-1mbit", "mbit", "1mbps", "1 mbit", "1mbitx", "inf",
                          "nanmbit", "0", "1e300gbit", "99999999999999999999gbit"}) {
    EXPECT_FALSE(ParseRate(bad)) << bad;
  }
}

TEST(LinkUnits, DurationsNeedAUnitUnlessZero) {
  EXPECT_EQ(ParseDuration("20ms"), 20'000'000);
  EXPECT_EQ(ParseDuration("0.5ms"), 500'000);
  EXPECT_EQ(ParseDuration("1s"), 1'000'000'000);
  EXPECT_EQ(ParseDuration("7us"), 7'000);
  EXPECT_EQ(ParseDuration("0"), 0);
  for (const char* bad : {"", "20", "-1ms", "ms", "1m", "1h"})
    EXPECT_FALSE(ParseDuration(bad)) << bad;
}

TEST(LinkUnits, LossIsAPercentage) {
  EXPECT_DOUBLE_EQ(ParseLoss("0.1%").value(), 0.001);
  EXPECT_DOUBLE_EQ(ParseLoss("0%").value(), 0.0);
  EXPECT_DOUBLE_EQ(ParseLoss("0").value(), 0.0);
  for (const char* bad : {"", "0.1", "100%", "-1%", "%", "1%%"})
    EXPECT_FALSE(ParseLoss(bad)) << bad;
}

TEST(LinkUnits, BytesTakePowersOf1024) {
  EXPECT_EQ(ParseBytes("1500"), 1500U);
  EXPECT_EQ(ParseBytes("256k"), 256U * 1024);
  EXPECT_EQ(ParseBytes("2MB"), 2U * 1024 * 1024);
  EXPECT_FALSE(ParseBytes("2mbit"));
}

TEST(LinkUnits, PrintsTheLargestUnitThatIsWhole) {
  EXPECT_EQ(FormatRate(500'000'000), "500mbit");
  EXPECT_EQ(FormatRate(62'500), "62500bit");
  EXPECT_EQ(FormatRate(1'000'000'000), "1gbit");
  EXPECT_EQ(FormatDuration(20'000'000), "20ms");
  EXPECT_EQ(FormatDuration(1'500'000), "1500us");
  EXPECT_EQ(FormatDuration(0), "0ns");
  EXPECT_EQ(ParseDuration(FormatDuration(1)), 1);
}

}  // namespace
}  // namespace thinwire::lab
