// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "wire/hex_block.h"

namespace thinwire {
namespace {

constexpr Secret kSecret = {std::byte{1}};
constexpr Nonce kNonce = {std::byte{2}};

Nonce Counting(int from) {
  Nonce nonce;
  for (std::byte& byte : nonce) byte = static_cast<std::byte>(from++);
  return nonce;
}

TEST(ProtocolTest, ExamplesOfTheDocumentAreWhatTheLibraryWrites) {
  const Secret secret = Counting(0);
  const Nonce root_nonce = Counting(0x40);
  const Nonce joiner_nonce = Counting(0x80);
  const auto greeting = PackGreeting({.nonce = root_nonce});
  EXPECT_EQ(HexBlock("greeting"), std::vector(greeting.begin(), greeting.end()));
  const auto hello = PackHello({.rank = 1, .nranks = 4, .budget_ms = 60000, .nonce = joiner_nonce},
                               secret, root_nonce);
  EXPECT_EQ(HexBlock("hello"), std::vector(hello.begin(), hello.end()));
  const Digest proof = RootProof(secret, root_nonce, joiner_nonce);
  const std::string accepted = PackMessage(
      MessageType::kAccepted, {reinterpret_cast<const char*>(proof.data()), proof.size()});
  const auto bytes = BytesOf(accepted);
  EXPECT_EQ(HexBlock("accepted"), std::vector(bytes.begin(), bytes.end()));
}

TEST(ProtocolTest, ProofHoldsForItsSecretAndNonceOnly) {
  const auto bytes = PackHello({.rank = 1, .nranks = 2}, kSecret, kNonce);
  EXPECT_TRUE(HelloProven(bytes, kSecret, kNonce));
  EXPECT_FALSE(HelloProven(bytes, Secret{}, kNonce));
  EXPECT_FALSE(HelloProven(bytes, kSecret, Nonce{}));
}

TEST(ProtocolTest, ProofCoversEveryByteOfTheHello) {
  const auto bytes = PackHello({.rank = 1, .nranks = 2, .budget_ms = 3}, kSecret, kNonce);
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(HelloProven(changed, kSecret, kNonce)) << "byte " << i;
  }
}

TEST(ProtocolTest, HelloDoesNotContainTheSecret) {
  Secret secret;
  secret.fill(std::byte{0x5a});
  const auto bytes = PackHello({}, secret, kNonce);
  EXPECT_EQ(std::search(bytes.begin(), bytes.end(), secret.begin(), secret.begin() + 8),
            bytes.end());
}

TEST(ProtocolTest, RootAndJoinerProofsDiffer) {
  const Hello hello = ParseHello(PackHello({}, kSecret, kNonce));
  EXPECT_NE(hello.proof, RootProof(kSecret, kNonce, hello.nonce)) << "a proof can't be sent back";
}

TEST(ProtocolTest, BlobsComeBackInOrder) {
  const std::vector<std::string> blobs = {"one", "", std::string("\0two", 4)};
  const std::string message = PackBlobs(blobs);
  const auto parsed = ParseBlobs(std::string_view(message).substr(MessageHeader::kBytes), 3);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value(), blobs);
}

TEST(ProtocolTest, MalformedBlobsAreErrors) {
  const std::string message = PackBlobs(std::vector<std::string>{"one", "two"});
  const std::string_view body = std::string_view(message).substr(MessageHeader::kBytes);
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(ParseBlobs(body.substr(0, size), 2).ok()) << size;
  }
  EXPECT_FALSE(ParseBlobs(body, 1).ok());
  EXPECT_FALSE(ParseBlobs(body, 3).ok());
  EXPECT_FALSE(ParseBlobs("\xff\xff\xff\xff", 1).ok());
}

TEST(ProtocolTest, FailureKeepsCodeAndText) {
  const std::string message = PackFailed(TimeoutError("rank 3 is late"));
  const Status error = ParseFailed(std::string_view(message).substr(MessageHeader::kBytes));
  EXPECT_EQ(error.code(), Code::kTimeout);
  EXPECT_EQ(error.message(), "rank 3 is late");
}

TEST(ProtocolTest, FailureWithoutReasonIsStillAnError) {
  EXPECT_FALSE(ParseFailed("").ok());
  EXPECT_FALSE(ParseFailed(std::string_view("\0text", 5)).ok());
  EXPECT_FALSE(ParseFailed("\xffzzz").ok());
}

TEST(ProtocolTest, LongFailureFitsTheLimit) {
  const std::string message = PackFailed(TimeoutError("{}", std::string(100000, 'x')));
  EXPECT_LE(message.size() - MessageHeader::kBytes, *MaxBody(MessageType::kFailed));
}

}  // namespace
}  // namespace thinwire
