// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <gtest/gtest.h>

namespace thinwire {
namespace {

TEST(UnitsTest, BytesArePowersOf1024WhateverTheSpelling) {
  EXPECT_EQ(ParseBytes("1500").value(), 1500U);
  EXPECT_EQ(ParseBytes("256k").value(), 256U << 10);
  EXPECT_EQ(ParseBytes("2MB").value(), 2U << 20);
  EXPECT_EQ(ParseBytes("1.5 GiB").value(), size_t{3} << 29);
}

TEST(UnitsTest, RatesAreBytesASecond) {
  EXPECT_DOUBLE_EQ(ParseRate("500mbit").value(), 62.5e6);
  EXPECT_DOUBLE_EQ(ParseRate("1Gbit").value(), 125e6);
  EXPECT_DOUBLE_EQ(ParseRate("0").value(), 0);
}

TEST(UnitsTest, TimesAreSeconds) {
  EXPECT_DOUBLE_EQ(ParseSeconds("20ms").value(), 0.02);
  EXPECT_DOUBLE_EQ(ParseSeconds("7us").value(), 7e-6);
  EXPECT_DOUBLE_EQ(ParseSeconds("2min").value(), 120);
  EXPECT_DOUBLE_EQ(ParseSeconds("0").value(), 0);
}

TEST(UnitsTest, LossIsAPercentageBelowAll) {
  EXPECT_DOUBLE_EQ(ParseLoss("0.1%").value(), 0.001);
  EXPECT_FALSE(ParseLoss("100%").ok());
  EXPECT_FALSE(ParseLoss("0.1").ok());
}

TEST(UnitsTest, WhatIsNoQuantityIsRefusedWithTheUnitsThereAre) {
  for (const char* bad : {"", "fast", "-1mbit", "1e400mbit", "20", "20 mph", "nan mbit"}) {
    const Result<double> rate = ParseRate(bad);
    ASSERT_FALSE(rate.ok()) << bad;
    EXPECT_NE(rate.status().message().find("mbit"), std::string::npos);
  }
  EXPECT_FALSE(ParseSeconds("20").ok());
  EXPECT_FALSE(ParseBytes("2mbit").ok());
  EXPECT_FALSE(ParseBytes("1e30").ok());
}

TEST(UnitsTest, QuantitiesPrintInTheUnitThatKeepsThemShort) {
  EXPECT_EQ(FormatBytes(64U << 20), "64 MiB");
  EXPECT_EQ(FormatBytes(100), "100 B");
  EXPECT_EQ(FormatRate(62.5e6), "500 Mbit/s");
  EXPECT_EQ(FormatSeconds(0.0205), "20.5 ms");
}

}  // namespace
}  // namespace thinwire
