// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "wire/hex_block.h"

namespace thinwire {
namespace {

using testing::StartsWith;
using Bytes = std::vector<std::byte>;

Bytes Seal(FrameHeader header, std::string_view payload) {
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  Bytes frame(kFrameHeaderBytes + payload.size());
  const auto bytes = std::as_bytes(std::span(payload));
  std::copy(bytes.begin(), bytes.end(), frame.begin() + kFrameHeaderBytes);
  SealFrame(header, frame.data());
  return frame;
}

// Parses a copy that ends exactly where the allocation does, so that a sanitizer sees any read
// beyond it.
ParseState StateOfExactly(std::span<const std::byte> bytes) {
  const auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  return ParseFrame({copy.get(), bytes.size()}).state;
}

TEST(FrameTest, ParsingGivesBackRandomHeaders) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const FrameHeader header = {.kind = FrameKind::kData,
                                .codec = static_cast<uint8_t>(random()),
                                .flags = static_cast<uint8_t>(random() % 2),
                                .communicator = random(),
                                .epoch = static_cast<uint32_t>(random()),
                                .source = static_cast<uint16_t>(random()),
                                .destination = static_cast<uint16_t>(random()),
                                .sequence = random(),
                                .count = random(),
                                .operation = static_cast<uint8_t>(random()),
                                .dtype = static_cast<uint8_t>(random()),
                                .reduction = static_cast<uint8_t>(random()),
                                .algorithm = static_cast<uint8_t>(random()),
                                .root = static_cast<uint16_t>(random()),
                                .message = static_cast<uint16_t>(random()),
                                .segment = static_cast<uint32_t>(random()),
                                .payload_bytes = static_cast<uint32_t>(random() % 3000)};
    const std::string payload(header.payload_bytes, static_cast<char>(i));
    const Bytes frame = Seal(header, payload);
    const ParsedFrame parsed = ParseFrame(frame);
    ASSERT_EQ(parsed.state, ParseState::kFrame) << parsed.error.message();
    EXPECT_EQ(parsed.header, header);
    EXPECT_EQ(parsed.bytes, frame.size());
    EXPECT_EQ(parsed.payload.data(), frame.data() + kFrameHeaderBytes);
    EXPECT_EQ(parsed.payload.size(), payload.size());
  }
}

TEST(FrameTest, EveryTruncationNeedsMore) {
  const Bytes frame = Seal({}, "payload");
  for (size_t size = 0; size < frame.size(); ++size) {
    const auto part = std::span(frame).first(size);
    const ParsedFrame parsed = ParseFrame(part);
    ASSERT_EQ(parsed.state, ParseState::kNeedMore) << size;
    EXPECT_EQ(parsed.bytes, size < kFrameHeaderBytes ? kFrameHeaderBytes : frame.size());
    EXPECT_EQ(StateOfExactly(part), ParseState::kNeedMore);
  }
}

TEST(FrameTest, EveryFlippedBitIsNoticed) {
  const Bytes frame = Seal({.communicator = 7, .sequence = 3, .count = 100}, "some payload");
  for (size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    Bytes changed = frame;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(StateOfExactly(changed), ParseState::kFrame) << "byte " << bit / 8;
  }
}

TEST(FrameTest, WrongMagicIsBadFromTheFirstByteOn) {
  for (size_t size = 1; size <= 70; ++size) {
    const ParsedFrame parsed = ParseFrame(Bytes(size, std::byte{'X'}));
    ASSERT_EQ(parsed.state, ParseState::kBad);
    EXPECT_THAT(parsed.error.message(), StartsWith("magic"));
  }
}

TEST(FrameTest, LargestPayloadPasses) {
  const Bytes frame = Seal({}, std::string(kMaxPayloadBytes, 'x'));
  EXPECT_EQ(ParseFrame(frame).state, ParseState::kFrame);
}

TEST(FrameTest, FramesThatFollowEachOtherComeOneByOne) {
  Bytes stream = Seal({.sequence = 1}, "one");
  const Bytes second = Seal({.sequence = 2}, "second");
  stream.insert(stream.end(), second.begin(), second.end());
  const ParsedFrame first = ParseFrame(stream);
  ASSERT_EQ(first.state, ParseState::kFrame);
  EXPECT_EQ(first.header.sequence, 1u);
  const ParsedFrame next = ParseFrame(std::span(stream).subspan(first.bytes));
  ASSERT_EQ(next.state, ParseState::kFrame);
  EXPECT_EQ(next.header.sequence, 2u);
}

TEST(FrameTest, ExampleOfTheDocumentIsWhatTheLibraryWrites) {
  const Bytes example = HexBlock("frame");
  ASSERT_FALSE(example.empty());
  const ParsedFrame parsed = ParseFrame(example);
  ASSERT_EQ(parsed.state, ParseState::kFrame) << parsed.error.message();
  EXPECT_EQ(parsed.header, (FrameHeader{.kind = FrameKind::kData,
                                        .codec = 2,
                                        .flags = 0,
                                        .communicator = 0x83a369dbd39c1851,
                                        .epoch = 1,
                                        .source = 2,
                                        .destination = 0,
                                        .sequence = 41,
                                        .count = 1000000,
                                        .operation = 1,
                                        .dtype = 7,
                                        .reduction = 0,
                                        .algorithm = 3,
                                        .root = 0,
                                        .message = 1,
                                        .segment = 5,
                                        .payload_bytes = 8}));
  Bytes again = example;
  SealFrame(parsed.header, again.data());
  EXPECT_EQ(again, example);
}

}  // namespace
}  // namespace thinwire
