// SPDX-License-Identifier: Apache-2.0
// Header arithmetic on frames.
#include "super_packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace thinwire::lab {
namespace {

// struct virtio_net_hdr in the machine's byte order, as TUN has it unless told otherwise. (The
// system's header isn't C++: it uses `class` as a name.)
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_bytes;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VnetHeader) == kVnetHeaderBytes);
constexpr uint8_t kGsoNone = 0;
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoEcnBit = 0x80;

constexpr size_t kMinIpHeader = 20;
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPush = 0x08;
constexpr uint8_t kTcpCwr = 0x80;

uint16_t Load16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
uint32_t Load32(const uint8_t* at) { return uint32_t{Load16(at)} << 16 | Load16(at + 2); }
void Store16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
void Store32(uint8_t* at, uint32_t value) {
  Store16(at, value >> 16);
  Store16(at + 2, value);
}

uint16_t Fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint32_t SumWords(const uint8_t* at, int bytes) {
  uint32_t sum = 0;
  for (int i = 0; i + 1 < bytes; i += 2) sum += Load16(at + i);
  return sum;
}

// Makes the IP header say `bytes`, numbered as segment `first`, with a matching checksum.
void FixIpHeader(uint8_t* ip, int header_bytes, int bytes, int first) {
  Store16(ip + 2, static_cast<uint32_t>(bytes));
  Store16(ip + 4, Load16(ip + 4) + static_cast<uint32_t>(first));
  Store16(ip + 10, 0);
  Store16(ip + 10, static_cast<uint16_t>(~Fold(SumWords(ip, header_bytes))));
}

// The checksum field of a packet left to offload holds the sum over the pseudo header.
void FixTcpHeader(uint8_t* tcp, const uint8_t* ip, int tcp_bytes, uint32_t offset, bool is_first,
                  bool is_last) {
  Store32(tcp + 4, Load32(tcp + 4) + offset);
  if (!is_first) tcp[13] = static_cast<uint8_t>(tcp[13] & ~kTcpCwr);
  if (!is_last) tcp[13] = static_cast<uint8_t>(tcp[13] & ~(kTcpFin | kTcpPush));
  Store16(tcp + 16, Fold(SumWords(ip + 12, 8) + IPPROTO_TCP + static_cast<uint32_t>(tcp_bytes)));
}

}  // namespace

TrainSize PacketShape::Train() const {
  if (segments == 1) {
    const int bytes = header_bytes + payload_bytes;
    return {1, bytes, bytes};
  }
  const int last = payload_bytes - (segments - 1) * segment_bytes;
  return {segments, header_bytes + segment_bytes, header_bytes + last};
}

std::optional<PacketShape> ParseFrame(std::span<const uint8_t> frame) {
  if (frame.size() < kVnetHeaderBytes + kMinIpHeader) return std::nullopt;
  VnetHeader vnet;
  std::memcpy(&vnet, frame.data(), sizeof(vnet));
  const std::span<const uint8_t> ip = frame.subspan(kVnetHeaderBytes);
  if (ip[0] >> 4 != 4) return std::nullopt;
  PacketShape shape;
  shape.destination = Load32(&ip[16]);
  shape.ip_header_bytes = (ip[0] & 15) * 4;
  shape.header_bytes = shape.ip_header_bytes;
  const auto bytes = static_cast<int>(ip.size());
  if ((vnet.gso_type & ~kGsoEcnBit) == kGsoTcp4) {
    if (shape.ip_header_bytes + 20 > bytes || vnet.gso_size == 0) return std::nullopt;
    const auto tcp = static_cast<size_t>(shape.ip_header_bytes);
    shape.header_bytes += (ip[tcp + 12] >> 4) * 4;
    shape.segment_bytes = vnet.gso_size;
  }
  shape.payload_bytes = bytes - shape.header_bytes;
  if (shape.payload_bytes < 0) return std::nullopt;
  if (shape.segment_bytes > 0) {
    shape.segments =
        std::max(1, (shape.payload_bytes + shape.segment_bytes - 1) / shape.segment_bytes);
  }
  return shape;
}

size_t CopySegments(std::span<const uint8_t> frame, const PacketShape& shape, int first, int count,
                    std::span<uint8_t> out) {
  assert(shape.segments > 1 && first >= 0 && count > 0 && first + count <= shape.segments);
  const int begin = first * shape.segment_bytes;
  const int end = std::min(shape.payload_bytes, (first + count) * shape.segment_bytes);
  const auto header_end = kVnetHeaderBytes + static_cast<size_t>(shape.header_bytes);
  const auto payload = static_cast<size_t>(end - begin);
  std::memcpy(out.data(), frame.data(), header_end);
  std::memcpy(&out[header_end], &frame[header_end + static_cast<size_t>(begin)], payload);
  if (count == 1) {
    VnetHeader vnet;
    std::memcpy(&vnet, out.data(), sizeof(vnet));
    vnet.gso_type = kGsoNone;
    vnet.gso_size = 0;
    std::memcpy(out.data(), &vnet, sizeof(vnet));
  }
  uint8_t* ip = &out[kVnetHeaderBytes];
  const int bytes = shape.header_bytes + end - begin;
  FixIpHeader(ip, shape.ip_header_bytes, bytes, first);
  FixTcpHeader(ip + shape.ip_header_bytes, ip, bytes - shape.ip_header_bytes,
               static_cast<uint32_t>(begin), first == 0, first + count == shape.segments);
  return header_end + payload;
}

}  // namespace thinwire::lab
