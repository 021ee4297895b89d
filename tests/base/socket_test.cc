// SPDX-License-Identifier: Apache-2.0
#include "base/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace thinwire {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(InterfacesTest, AreNamedListedBegunOrLeftOut) {
  EXPECT_TRUE(MeansInterface("", "eth0"));
  EXPECT_TRUE(MeansInterface("eth0", "eth0"));
  EXPECT_FALSE(MeansInterface("eth0", "eth01"));
  EXPECT_TRUE(MeansInterface("ib0,eth*", "eth01"));
  EXPECT_FALSE(MeansInterface("ib0,eth*", "docker0"));
  EXPECT_FALSE(MeansInterface("^docker*,lo", "docker0"));
  EXPECT_FALSE(MeansInterface("^docker*,lo", "lo"));
  EXPECT_TRUE(MeansInterface("^docker*,lo", "eth0"));
}

TEST(InterfacesTest, OfThisMachine) {
  const auto names = InterfaceNames("lo");
  ASSERT_TRUE(names.ok()) << names.status().message();
  EXPECT_THAT(names.value(), Contains("lo"));
  EXPECT_THAT(InterfaceNames("nowhere*").status().message(), HasSubstr("this host has:"));
  EXPECT_TRUE(LocalAddresses("lo", 4).ok());
  EXPECT_FALSE(LocalAddresses("nowhere", 4).ok());
}

TEST(InterfacesTest, AddressesMayBeOfOneFamily) {
  for (const auto family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    const auto addresses = LocalAddresses("", 8, family);
    ASSERT_TRUE(addresses.ok()) << addresses.status().message();
    ASSERT_FALSE(addresses.value().empty());
    for (const IpAddress& address : addresses.value()) {
      EXPECT_EQ(address.ipv6, family == IpFamily::kIpv6) << AddressText(address, 0);
    }
  }
  EXPECT_EQ(AddressText(LocalAddresses("", 8, IpFamily::kIpv6).value().back(), 1), "[::1]:1");
  EXPECT_EQ(AddressText(LocalAddresses("", 8).value().back(), 1), "127.0.0.1:1");
}

TEST(HostPortTest, IsSplitAtItsLastColon) {
  const auto split = [](const char* text) {
    const Result<HostPort> parsed = ParseHostPort(text);
    return parsed.ok() ? parsed.value().host + " " + std::to_string(parsed.value().port)
                       : parsed.status().message();
  };
  EXPECT_EQ(split("10.0.0.1:4000"), "10.0.0.1 4000");
  EXPECT_EQ(split("[fe80::1]:65535"), "fe80::1 65535");
  EXPECT_EQ(split("host:1"), "host 1");
  for (const char* bad : {"host", ":4000", "host:", "host:0", "host:70000", "host:1x", ""}) {
    EXPECT_THAT(split(bad), HasSubstr("is not ADDRESS:PORT")) << bad;
  }
}

}  // namespace
}  // namespace thinwire
