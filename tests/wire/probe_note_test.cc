// SPDX-License-Identifier: Apache-2.0
#include "wire/probe_note.h"

#include <gtest/gtest.h>

#include <array>

namespace thinwire {
namespace {

using Bytes = std::array<std::byte, kProbeNoteBytes>;

const ProbeNote kNote = {.what = ProbeNote::What::kGrant,
                         .number = 0x0807060504030201,
                         .bytes = 0x1817161514131211,
                         .nanoseconds = 0x2827262524232221};

// The byte table of docs/wire-format.md.
TEST(ProbeNoteTest, StandsAsTheDocumentSays) {
  Bytes bytes;
  bytes.fill(std::byte{0xa5});
  PackProbeNote(kNote, bytes.data());
  const unsigned char want[kProbeNoteBytes] = {4,    0,    0,    0,    0,    0,    0,    0,
                                               1,    2,    3,    4,    5,    6,    7,    8,
                                               0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
                                               0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28};
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(std::to_integer<int>(bytes[i]), want[i]) << i;
  }
}

TEST(ProbeNoteTest, ReadsBackWhatWasWritten) {
  Bytes bytes;
  PackProbeNote(kNote, bytes.data());
  const ProbeNote note = ParseProbeNote(bytes).value();
  EXPECT_EQ(note.what, kNote.what);
  EXPECT_EQ(note.number, kNote.number);
  EXPECT_EQ(note.bytes, kNote.bytes);
  EXPECT_EQ(note.nanoseconds, kNote.nanoseconds);
}

TEST(ProbeNoteTest, TooShortUnknownOrReservedIsRefused) {
  Bytes bytes;
  PackProbeNote(kNote, bytes.data());
  EXPECT_FALSE(ParseProbeNote(std::span(bytes).first(kProbeNoteBytes - 1)).ok());
  for (const int what : {0, 8, 255}) {
    bytes[0] = static_cast<std::byte>(what);
    EXPECT_FALSE(ParseProbeNote(bytes).ok()) << what;
  }
  PackProbeNote(kNote, bytes.data());
  bytes[7] = std::byte{1};
  EXPECT_FALSE(ParseProbeNote(bytes).ok());
}

}  // namespace
}  // namespace thinwire
