// SPDX-License-Identifier: Apache-2.0
#include "wire/state_head.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace thinwire {
namespace {

using Bytes = std::array<std::byte, kStateHeadBytes>;

const StateHead kHead = {.content = StateContent::kReference,
                         .codec_hash = 0x04030201,
                         .key = 0x0807060504030201,
                         .version = 0x1817161514131211,
                         .reference_hash = 0x2827262524232221};

// The byte table of docs/wire-format.md.
TEST(StateHeadTest, StandsAsTheDocumentSays) {
  Bytes bytes;
  bytes.fill(std::byte{0xa5});
  PackStateHead(kHead, bytes.data());
  const unsigned char want[kStateHeadBytes] = {2,    0,    0,    0,    1,    2,    3,    4,
                                               1,    2,    3,    4,    5,    6,    7,    8,
                                               0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
                                               0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28};
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(std::to_integer<int>(bytes[i]), want[i]) << i;
  }
}

TEST(StateHeadTest, ReadsBackWhatWasWritten) {
  Bytes bytes;
  PackStateHead(kHead, bytes.data());
  const StateHead head = ParseStateHead(bytes).value();
  EXPECT_EQ(head.content, kHead.content);
  EXPECT_EQ(head.codec_hash, kHead.codec_hash);
  EXPECT_EQ(head.key, kHead.key);
  EXPECT_EQ(head.version, kHead.version);
  EXPECT_EQ(head.reference_hash, kHead.reference_hash);
}

TEST(StateHeadTest, ShortPayloadsAndUnknownContentAreErrorsOfThePeer) {
  Bytes bytes;
  PackStateHead(kHead, bytes.data());
  for (size_t size = 0; size < kStateHeadBytes; ++size) {
    EXPECT_EQ(ParseStateHead(std::span(bytes).first(size)).status().code(), Code::kRemote);
  }
  for (const size_t at : {0, 1, 3}) {
    Bytes wrong = bytes;
    wrong[at] = std::byte{3};
    EXPECT_EQ(ParseStateHead(wrong).status().code(), Code::kRemote) << at;
  }
}

TEST(StateHeadTest, SpecsThatDifferHaveOtherHashes) {
  EXPECT_EQ(CodecHash("q8+ef"), CodecHash("q8+ef"));
  EXPECT_NE(CodecHash("q8+ef"), CodecHash("q8+ef(bf16)"));
}

}  // namespace
}  // namespace thinwire
