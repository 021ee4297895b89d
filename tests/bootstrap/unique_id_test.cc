// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/unique_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bootstrap/rendezvous.h"
#include "wire/hex_block.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

UniqueIdFields Example() {
  UniqueIdFields fields;
  for (size_t i = 0; i < fields.secret.size(); ++i) fields.secret[i] = std::byte(i);
  fields.port = 40000;
  fields.addresses = {
      {.ipv6 = false, .bytes = {std::byte{10}, std::byte{0}, std::byte{0}, std::byte{7}}},
      {.ipv6 = true,
       .bytes = {std::byte{0x20}, std::byte{0x01}, std::byte{0x0d}, std::byte{0xb8}}}};
  return fields;
}

TEST(UniqueIdTest, ParsingGivesBackWhatWasPacked) {
  const UniqueIdFields fields = Example();
  const Result<UniqueIdFields> parsed = ParseUniqueId(PackUniqueId(fields));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed.value().secret, fields.secret);
  EXPECT_EQ(parsed.value().port, fields.port);
  ASSERT_EQ(parsed.value().addresses.size(), fields.addresses.size());
  for (size_t i = 0; i < fields.addresses.size(); ++i) {
    EXPECT_EQ(parsed.value().addresses[i].ipv6, fields.addresses[i].ipv6);
    EXPECT_EQ(parsed.value().addresses[i].bytes, fields.addresses[i].bytes);
  }
}

TEST(UniqueIdTest, ExampleOfTheDocumentIsWhatTheLibraryWrites) {
  const std::vector<std::byte> example = HexBlock("unique-id");
  ASSERT_EQ(example.size(), kUniqueIdBytes);
  UniqueIdFields fields = Example();
  fields.addresses[1].bytes[15] = std::byte{7};
  const UniqueId id = PackUniqueId(fields);
  EXPECT_TRUE(std::equal(example.begin(), example.end(), id.bytes.begin()));
}

TEST(UniqueIdTest, RandomBytesAreRefused) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    UniqueId id;
    for (std::byte& byte : id.bytes) byte = static_cast<std::byte>(random());
    const Result<UniqueIdFields> parsed = ParseUniqueId(id);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(parsed.status().message(), HasSubstr("not a Thinwire id"));
  }
}

TEST(UniqueIdTest, EveryChangedByteIsNoticed) {
  const UniqueId id = PackUniqueId(Example());
  for (size_t i = 0; i < kUniqueIdBytes; ++i) {
    UniqueId changed = id;
    changed.bytes[i] ^= std::byte{0x40};
    EXPECT_FALSE(ParseUniqueId(changed).ok()) << "byte " << i;
  }
}

TEST(UniqueIdTest, OtherVersionIsNamed) {
  UniqueId id = PackUniqueId(Example());
  id.bytes[4] = std::byte{9};
  EXPECT_THAT(ParseUniqueId(id).status().message(), HasSubstr("version 9"));
}

TEST(UniqueIdTest, HashNamesTheSecretAndNothingElse) {
  UniqueIdFields fields = Example();
  const uint64_t hash = CommunicatorHash(PackUniqueId(fields));
  fields.addresses.pop_back();
  EXPECT_EQ(CommunicatorHash(PackUniqueId(fields)), hash) << "ranks may see different addresses";
  fields.secret[31] ^= std::byte{1};
  EXPECT_NE(CommunicatorHash(PackUniqueId(fields)), hash);
}

TEST(UniqueIdTest, ServersMakeDifferentIds) {
  const Result<UniqueId> a = RendezvousServer::Start({});
  const Result<UniqueId> b = RendezvousServer::Start({});
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(CommunicatorHash(a.value()), CommunicatorHash(b.value()));
}

}  // namespace
}  // namespace thinwire
