// SPDX-License-Identifier: Apache-2.0
#include "base/hmac.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace thinwire {
namespace {

std::string Hex(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) text += fmt::format("{:02x}", std::to_integer<int>(byte));
  return text;
}

// Vectors of FIPS 180-4.
TEST(HmacTest, Sha256GivesPublishedDigests) {
  EXPECT_EQ(Hex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256({BytesOf("abc")})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Sha256({BytesOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")})),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Hex(Sha256({BytesOf(std::string(1000000, 'a'))})),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HmacTest, Sha256OfPartsIsThatOfTheirConcatenation) {
  const std::string text(200, 'x');
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Sha256({BytesOf(text.substr(0, cut)), BytesOf(text.substr(cut))}),
              Sha256({BytesOf(text)}))
        << cut;
  }
}

// Vectors of RFC 4231: cases 1, 2, 6 (key longer than a block) and 7.
TEST(HmacTest, HmacSha256GivesPublishedDigests) {
  EXPECT_EQ(Hex(HmacSha256(BytesOf(std::string(20, '\x0b')), {BytesOf("Hi There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(
      Hex(HmacSha256(BytesOf("Jefe"), {BytesOf("what do ya want "), BytesOf("for nothing?")})),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string long_key(131, '\xaa');
  EXPECT_EQ(Hex(HmacSha256(BytesOf(long_key),
                           {BytesOf("Test Using Larger Than Block-Size Key - Hash Key First")})),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(Hex(HmacSha256(
                BytesOf(long_key),
                {BytesOf("This is a test using a larger than block-size key and a larger than "
                         "block-size data. The key needs to be hashed before being used by the "
                         "HMAC algorithm.")})),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(HmacTest, SameDigestSeesEveryBit) {
  const Digest digest = Sha256({});
  EXPECT_TRUE(SameDigest(digest, digest));
  for (size_t bit = 0; bit < 8 * kDigestBytes; ++bit) {
    Digest other = digest;
    other[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(SameDigest(digest, other)) << bit;
  }
}

TEST(HmacTest, RandomBytesDiffer) {
  std::set<Digest> seen;
  for (int i = 0; i < 100; ++i) {
    Digest bytes{};
    ASSERT_TRUE(FillRandom(bytes).ok());
    seen.insert(bytes);
  }
  EXPECT_EQ(seen.size(), 100u);
}

}  // namespace
}  // namespace thinwire
