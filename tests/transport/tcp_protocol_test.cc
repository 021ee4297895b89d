// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/tcp_protocol.h"

#include <gtest/gtest.h>

namespace thinwire {
namespace {

TcpAddress Sample() {
  TcpAddress address = {.token = MakeToken(), .port = 40001, .addresses = {}};
  address.addresses.push_back({.ipv6 = false, .bytes = {std::byte{10}, {}, {}, std::byte{7}}});
  address.addresses.push_back({.ipv6 = true, .bytes = {std::byte{0xfd}, std::byte{1}}});
  return address;
}

TEST(TcpProtocolTest, AddressesComeBackAsTheyWere) {
  const TcpAddress address = Sample();
  const std::optional<TcpAddress> parsed = ParseTcpAddress(PackTcpAddress(address));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->token, address.token);
  EXPECT_EQ(parsed->port, address.port);
  EXPECT_EQ(parsed->addresses, address.addresses);
}

TEST(TcpProtocolTest, AddressesOfAnyOtherLengthAreRefused) {
  const std::string packed = PackTcpAddress(Sample());
  for (size_t size = 0; size < packed.size(); ++size) {
    const bool whole = size == 18 || size == 35;  // no address, one
    EXPECT_EQ(ParseTcpAddress(packed.substr(0, size)).has_value(), whole) << size;
  }
  EXPECT_FALSE(ParseTcpAddress(packed + std::string(17 * kMaxTcpAddresses, '\0')).has_value());
}

TEST(TcpProtocolTest, AGreetingIsToldFromEverythingElse) {
  const auto bytes = PackFlowGreeting({.rank = 3, .token = MakeToken()});
  ASSERT_TRUE(ParseFlowGreeting(bytes).has_value());
  EXPECT_EQ(ParseFlowGreeting(bytes)->rank, 3);
  EXPECT_FALSE(ParseFlowGreeting(PackFlowAnswer({.token = MakeToken()})).has_value());
  EXPECT_FALSE(ParseFlowAnswer(bytes).has_value());
  for (size_t i = 0; i < 8; ++i) {  // magic and version
    auto damaged = bytes;
    damaged[i] ^= std::byte{1};
    EXPECT_FALSE(ParseFlowGreeting(damaged).has_value()) << i;
  }
}

TEST(TcpProtocolTest, TokensDifferAndAreComparedWhole) {
  const Token token = MakeToken();
  EXPECT_TRUE(SameToken(token, token));
  EXPECT_FALSE(SameToken(token, MakeToken()));
  for (size_t i = 0; i < token.size(); ++i) {
    Token other = token;
    other[i] ^= std::byte{0x80};
    EXPECT_FALSE(SameToken(token, other)) << i;
  }
}

TEST(TcpProtocolTest, HeadsThatMakeNoSenseAreRefused) {
  using Kind = MessageHead::Kind;
  const auto comes_back = [](const MessageHead& head) {
    const auto bytes = PackMessageHead(head);
    const std::optional<MessageHead> parsed = ParseMessageHead(bytes);
    return parsed.has_value() && PackMessageHead(*parsed) == bytes;
  };
  constexpr auto kMost = static_cast<uint32_t>(kMaxMessageBytes);
  EXPECT_TRUE(comes_back({.kind = Kind::kData, .number = 7}));
  EXPECT_TRUE(comes_back({.kind = Kind::kData, .length = kMost, .total = kMost, .number = 1}));
  EXPECT_TRUE(comes_back({.kind = Kind::kData, .length = 3, .total = 10, .offset = 7}));
  EXPECT_TRUE(comes_back({.kind = Kind::kFarewell, .number = ~uint64_t{0}}));
  EXPECT_FALSE(comes_back({.kind = Kind::kData, .length = kMost + 1, .total = kMost + 1}));
  EXPECT_FALSE(comes_back({.kind = Kind::kData, .length = 4, .total = 10, .offset = 7}));
  EXPECT_FALSE(comes_back({.kind = Kind::kData, .length = 1, .total = 1, .offset = 0xffffffff}));
  EXPECT_FALSE(comes_back({.kind = Kind::kData, .total = 10}));  // would never end
  EXPECT_FALSE(comes_back({.kind = Kind::kFarewell, .length = 1, .total = 1}));
  EXPECT_FALSE(comes_back({.kind = static_cast<Kind>(0)}));
  EXPECT_TRUE(comes_back({.kind = Kind::kTailProbe}));
  EXPECT_FALSE(comes_back({.kind = static_cast<Kind>(6)}));
  auto damaged = PackMessageHead({.kind = Kind::kData, .number = 1});
  damaged[2] ^= std::byte{1};
  EXPECT_FALSE(ParseMessageHead(damaged).has_value());
}

}  // namespace
}  // namespace thinwire
