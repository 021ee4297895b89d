// SPDX-License-Identifier: Apache-2.0
//
// The frame: 64 bytes of header, then the payload; the unit of everything sent to a peer.
// docs/wire-format.md specifies it byte by byte; tests/golden/frames holds examples.
//
// Parsing is total: any bytes give a frame, "need more" or an error, and nothing past the given
// bytes is read. Layer `wire`: pure functions, no I/O, no state.

#ifndef THINWIRE_WIRE_FRAME_H_
#define THINWIRE_WIRE_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "base/wire_version.h"

namespace thinwire {

inline constexpr uint32_t kFrameMagic = 0x31465754;  // "TWF1" in memory order
inline constexpr size_t kFrameHeaderBytes = 64;
inline constexpr size_t kMaxPayloadBytes = size_t{16} << 20;

enum class FrameKind : uint8_t {
  kData = 1,       // payload: one encoded segment
  kCredit = 2,     // `count`: payload bytes of (flags, sequence) consumed so far
  kHeartbeat = 3,  // nothing else was sent for a while
  kGoodbye = 4,    // the sender leaves in good order and sends no more
  kAbort = 5,      // payload: why, in UTF-8; the communicator is dead
  kResend = 6,     // the receiver's reference is not the sender's: this segment again, in full
  kProbe = 7,      // payload: a ProbeNote, what is said to measure a link (wire/probe_note.h)
};

// Bits of FrameHeader::flags; others are reserved and must be zero.
inline constexpr uint8_t kFlagPointToPoint = 1;  // sequence counts send/recv of this ordered pair

// Destination of a frame that goes to several ranks with the same bytes.
inline constexpr uint16_t kAnyRank = 0xffff;

struct FrameHeader {
  FrameKind kind = FrameKind::kData;
  uint8_t codec = 0;  // CodecId of the payload
  uint8_t flags = 0;
  uint64_t communicator = 0;  // hash of the unique id
  uint32_t epoch = 0;         // which life of the communicator
  uint16_t source = 0;        // rank that sent it
  uint16_t destination = 0;   // rank it is for, or kAnyRank
  uint64_t sequence = 0;      // which operation of the communicator
  uint64_t count = 0;         // elements of the whole call
  uint8_t operation = 0;      // Operation; with dtype, reduction, algorithm, root and count it lets
  uint8_t dtype = 0;          //   ranks that call different things find out on the first frame
  uint8_t reduction = 0;
  uint8_t algorithm = 0;
  uint16_t root = 0;
  uint16_t message = 0;        // which message of this ordered pair within the operation
  uint32_t segment = 0;        // which piece of that message
  uint32_t payload_bytes = 0;  // what follows the header

  bool operator==(const FrameHeader&) const = default;
};

// Writes the header of a frame whose payload already stands at frame + kFrameHeaderBytes
// (header.payload_bytes of it), with the checksum over both.
// REQUIRES: header.payload_bytes <= kMaxPayloadBytes.
void SealFrame(const FrameHeader& header, std::byte* frame);

enum class ParseState { kFrame, kNeedMore, kBad };

struct ParsedFrame {
  ParseState state = ParseState::kBad;
  FrameHeader header;                  // set when state is kFrame
  std::span<const std::byte> payload;  // likewise; points into the parsed bytes
  size_t bytes = 0;                    // kFrame: length of the frame; kNeedMore: bytes needed
  Status error;                        // set when state is kBad: what was wrong
};

// Parses the frame at the start of `bytes`; what follows it is left alone.
ParsedFrame ParseFrame(std::span<const std::byte> bytes);

}  // namespace thinwire

#endif  // THINWIRE_WIRE_FRAME_H_
