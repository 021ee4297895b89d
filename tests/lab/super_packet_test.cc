// SPDX-License-Identifier: Apache-2.0
// Frames with a virtio-net header: what is read from them, and runs of segments copied out.
#include "super_packet.h"

#include <gtest/gtest.h>

#include <vector>

namespace thinwire::lab {
namespace {

constexpr int kIp = 20;
constexpr int kTcp = 32;
constexpr int kSegment = 100;
constexpr size_t kIpAt = kVnetHeaderBytes;
constexpr size_t kTcpAt = kIpAt + kIp;
constexpr size_t kPayloadAt = kTcpAt + kTcp;
constexpr uint32_t kSequence = 0xfffffff0U;  // wraps within the packet

void Put16(std::vector<uint8_t>* frame, size_t at, uint32_t value) {
  (*frame)[at] = static_cast<uint8_t>(value >> 8);
  (*frame)[at + 1] = static_cast<uint8_t>(value);
}
uint32_t Get16(const std::vector<uint8_t>& frame, size_t at) {
  return static_cast<uint32_t>(frame[at] << 8 | frame[at + 1]);
}
uint32_t Get32(const std::vector<uint8_t>& frame, size_t at) {
  return Get16(frame, at) << 16 | Get16(frame, at + 2);
}

// TCP from 10.77.0.1 to 10.77.0.2 with all flags, byte i of the payload being i; a super-packet of
// 100-byte segments unless `segment` is 0.
std::vector<uint8_t> TcpFrame(int payload, uint8_t segment = kSegment) {
  std::vector<uint8_t> frame(kPayloadAt + static_cast<size_t>(payload));
  frame[0] = 1;  // checksum wanted
  frame[1] = segment != 0 ? 1 : 0;
  frame[4] = segment;  // machine order: little-endian here
  frame[kIpAt] = 0x45;
  Put16(&frame, kIpAt + 2, static_cast<uint32_t>(kIp + kTcp + payload));
  Put16(&frame, kIpAt + 4, 500);
  frame[kIpAt + 9] = 6;
  const uint8_t addresses[] = {10, 77, 0, 1, 10, 77, 0, 2};
  std::copy(std::begin(addresses), std::end(addresses), frame.begin() + kIpAt + 12);
  Put16(&frame, kTcpAt + 4, kSequence >> 16);
  Put16(&frame, kTcpAt + 6, kSequence & 0xffff);
  frame[kTcpAt + 12] = kTcp / 4 << 4;
  frame[kTcpAt + 13] = 0x80 | 0x10 | 0x08 | 0x01;  // CWR ACK PSH FIN
  for (int i = 0; i < payload; ++i) {
    frame[kPayloadAt + static_cast<size_t>(i)] = static_cast<uint8_t>(i);
  }
  return frame;
}

uint32_t OnesSum(const std::vector<uint8_t>& frame, size_t at, size_t bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; i += 2) sum += Get16(frame, at + i);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

std::vector<uint8_t> Segments(const std::vector<uint8_t>& frame, int first, int count) {
  const PacketShape shape = ParseFrame(frame).value();
  std::vector<uint8_t> out(frame.size());
  out.resize(CopySegments(frame, shape, first, count, out));
  return out;
}

TEST(SuperPacket, StandsForItsSegmentsWithHeaders) {
  const PacketShape shape = ParseFrame(TcpFrame(950)).value();
  EXPECT_EQ(shape.destination, 10U << 24 | 77U << 16 | 2U);
  EXPECT_EQ(shape.segments, 10);
  const TrainSize train = shape.Train();
  EXPECT_EQ(train.packets, 10);
  EXPECT_EQ(train.packet_bytes, kIp + kTcp + kSegment);
  EXPECT_EQ(train.last_bytes, kIp + kTcp + 50);
  EXPECT_EQ(train.Bytes(), 950 + 10 * (kIp + kTcp));
}

TEST(SuperPacket, APlainPacketIsOnePacket) {
  const TrainSize train = ParseFrame(TcpFrame(77, 0)).value().Train();
  EXPECT_EQ(train.packets, 1);
  EXPECT_EQ(train.Bytes(), kIp + kTcp + 77);
}

TEST(SuperPacket, WhatIsNotIpv4IsRefused) {
  EXPECT_FALSE(ParseFrame(std::vector<uint8_t>(12)));
  std::vector<uint8_t> v6 = TcpFrame(10);
  v6[kIpAt] = 0x65;
  EXPECT_FALSE(ParseFrame(v6));
  std::vector<uint8_t> cut = TcpFrame(100);
  cut.resize(kTcpAt + 10);
  EXPECT_FALSE(ParseFrame(cut));
}

TEST(SuperPacket, SegmentsCopiedOutAreAValidSuperPacket) {
  const std::vector<uint8_t> out = Segments(TcpFrame(950), 3, 4);
  EXPECT_EQ(out.size(), kPayloadAt + 400);
  EXPECT_EQ(out[1], 1);
  EXPECT_EQ(Get16(out, kIpAt + 2), static_cast<uint32_t>(kIp + kTcp + 400));
  EXPECT_EQ(Get16(out, kIpAt + 4), 503U);
  EXPECT_EQ(OnesSum(out, kIpAt, kIp), 0xffffU) << "IP checksum";
  EXPECT_EQ(Get32(out, kTcpAt + 4), kSequence + 300);
  EXPECT_EQ(out[kTcpAt + 13], 0x10) << "CWR is the first segment's, FIN and PSH the last one's";
  EXPECT_EQ(Get16(out, kTcpAt + 16), (0x0a4dU + 0x0001U + 0x0a4dU + 0x0002U + 6U + kTcp + 400U))
      << "sum over the pseudo header";
  EXPECT_EQ(out[kPayloadAt], static_cast<uint8_t>(300));
  EXPECT_EQ(out.back(), static_cast<uint8_t>(699));
}

TEST(SuperPacket, FlagsStayWithTheFirstAndLastSegment) {
  EXPECT_EQ(Segments(TcpFrame(950), 0, 2)[kTcpAt + 13], 0x90);
  EXPECT_EQ(Segments(TcpFrame(950), 8, 2)[kTcpAt + 13], 0x19);
}

TEST(SuperPacket, OneSegmentIsAPlainPacket) {
  const std::vector<uint8_t> out = Segments(TcpFrame(950), 9, 1);
  EXPECT_EQ(out.size(), kPayloadAt + 50);
  EXPECT_EQ(out[1], 0);
  EXPECT_EQ(ParseFrame(out).value().segments, 1);
  EXPECT_EQ(out[0], 1) << "its checksum is still to be made";
}

}  // namespace
}  // namespace thinwire::lab
