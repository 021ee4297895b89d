// SPDX-License-Identifier: Apache-2.0
// IPv4 packets as a TUN device with a virtio-net header hands them over: one packet, or with TCP
// segmentation offload one super-packet standing for many. Reads what the emulator must know, and
// copies a run of segments out of a super-packet when others of it were lost.
#ifndef THINWIRE_BENCH_LAB_SUPER_PACKET_H_
#define THINWIRE_BENCH_LAB_SUPER_PACKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "link_scheduler.h"

namespace thinwire::lab {

// struct virtio_net_hdr, in front of every packet.
inline constexpr size_t kVnetHeaderBytes = 10;
// Largest thing a TUN device reads or writes.
inline constexpr size_t kMaxFrameBytes = kVnetHeaderBytes + 65535;

struct PacketShape {
  uint32_t destination = 0;  // host byte order
  int ip_header_bytes = 0;
  int header_bytes = 0;   // IP and, in a super-packet, TCP headers: what each segment repeats
  int payload_bytes = 0;  // after header_bytes
  int segment_bytes = 0;  // payload of each segment but the last; 0 if not a super-packet
  int segments = 1;

  TrainSize Train() const;
};

// Nothing if `frame` isn't a whole IPv4 packet behind a virtio-net header.
std::optional<PacketShape> ParseFrame(std::span<const uint8_t> frame);

// Writes segments [first, first + count) of a super-packet to `out` as a frame of its own, which
// must have room for frame.size() bytes, and returns its size. Requires shape.segments > 1.
size_t CopySegments(std::span<const uint8_t> frame, const PacketShape& shape, int first, int count,
                    std::span<uint8_t> out);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_SUPER_PACKET_H_
