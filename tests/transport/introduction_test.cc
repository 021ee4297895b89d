// SPDX-License-Identifier: Apache-2.0
//
// Against the examples of docs/wire-format.md, which the reference decoder recomputes.
#include "transport/introduction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "transport/address.h"
#include "transport/seal.h"
#include "wire/hex_block.h"

namespace thinwire {
namespace {

std::string TextBlock(const std::string& name) {
  const auto bytes = HexBlock(name);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Digest DigestBlock(const std::string& name) {
  const auto bytes = HexBlock(name);
  Digest digest{};
  if (bytes.size() == digest.size()) std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

// That of the document's unique id: 00 01 02 ...
Digest ExampleSecret() {
  Digest secret;
  for (size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::byte>(i);
  return secret;
}

class IntroductionTest : public testing::Test {
 protected:
  const std::string address_of_0_ = TextBlock("address-of-0");
  const std::string address_of_1_ = TextBlock("address-of-1");
  const Digest transcript_ = TranscriptOf({0, address_of_0_}, {1, address_of_1_});
};

TEST_F(IntroductionTest, TheDocumentsAddressesAreReadAndWritten) {
  const std::string body(UnpackAddress("sealed(ucx)", address_of_1_, 1).value());
  const Introduction introduction = Introduction::Unpack(body, 1).value();
  EXPECT_EQ(introduction.ciphers, Only(CipherId::kChaCha20Poly1305));
  EXPECT_EQ(introduction.nonce[0], std::byte{0xc0});
  EXPECT_EQ(introduction.public_key[0], std::byte{0x79});
  EXPECT_EQ(body.substr(Introduction::kBytes), "ucx of 1");
  EXPECT_EQ(PackAddress("sealed(ucx)", introduction.Pack() + "ucx of 1"), address_of_1_);
}

TEST_F(IntroductionTest, TheTranscriptIsTheSameAtBothAndOfThesePartiesOnly) {
  EXPECT_EQ(TranscriptOf({1, address_of_1_}, {0, address_of_0_}), transcript_);
  EXPECT_NE(TranscriptOf({0, address_of_1_}, {1, address_of_0_}), transcript_);
  EXPECT_NE(TranscriptOf({0, address_of_0_}, {2, address_of_1_}), transcript_);
  EXPECT_NE(TranscriptOf({0, address_of_0_ + address_of_1_[0]}, {1, address_of_1_.substr(1)}),
            transcript_);
}

TEST_F(IntroductionTest, TheDocumentsProofIsRecomputed) {
  const auto message = HexBlock("proof");
  ASSERT_EQ(message.size(), 8 + kDigestBytes);
  const Digest proof = ProofOf(ExampleSecret(), transcript_, 0, 1);
  EXPECT_TRUE(std::equal(proof.begin(), proof.end(), message.begin() + 8));
  EXPECT_NE(ProofOf(ExampleSecret(), transcript_, 1, 0), proof);
}

TEST_F(IntroductionTest, TheDocumentsKeyIsRecomputedAndOpensItsMessage) {
  const Digest key =
      KeyOf(ExampleSecret(), transcript_, DigestBlock("shared"), CipherId::kChaCha20Poly1305, 0, 1);
  EXPECT_EQ(key, DigestBlock("message-key"));
  if (!CheckSealing().ok()) GTEST_SKIP() << "built without libsodium";
  auto message = HexBlock("sealed-message");
  Opener opener(MakeCipher(CipherId::kChaCha20Poly1305, key));
  const Result<size_t> size = opener.Open(message);
  ASSERT_TRUE(size.ok()) << size.status().message();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(message.data()), size.value()), "gradient");
}

// NIST's GCM vectors, 256-bit keys, test case 14: all zero.
TEST(CipherTest, Aes256GcmGivesPublishedBytes) {
  if (!CheckSealing().ok() || (CiphersHere() & Only(CipherId::kAes256Gcm)) == 0) {
    GTEST_SKIP() << "not in this build, or not on this processor";
  }
  std::array<std::byte, 16 + kTagBytes> sealed;
  MakeCipher(CipherId::kAes256Gcm, Digest{})->Seal(0, std::array<std::byte, 16>{}, sealed.data());
  std::string hex;
  for (const std::byte byte : sealed) hex += fmt::format("{:02x}", std::to_integer<int>(byte));
  EXPECT_EQ(hex, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

}  // namespace
}  // namespace thinwire
