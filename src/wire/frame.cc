// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/checked.h"
#include "base/hash.h"

namespace thinwire {
namespace {

constexpr size_t kMagicBytes = sizeof(kFrameMagic);
constexpr size_t kVersionOffset = 4;
constexpr size_t kChecksumOffset = 56;
constexpr uint8_t kKnownFlags = kFlagPointToPoint;

// Calls visit(offset, field) for each field between version and checksum: the byte table of
// docs/wire-format.md, used for writing as for reading.
template <typename Header, typename Visit>
void ForEachField(Header& header, Visit visit) {
  visit(5, header.kind);
  visit(6, header.codec);
  visit(7, header.flags);
  visit(8, header.communicator);
  visit(16, header.epoch);
  visit(20, header.source);
  visit(22, header.destination);
  visit(24, header.sequence);
  visit(32, header.count);
  visit(40, header.operation);
  visit(41, header.dtype);
  visit(42, header.reduction);
  visit(43, header.algorithm);
  visit(44, header.root);
  visit(46, header.message);
  visit(48, header.segment);
  visit(52, header.payload_bytes);
}

uint64_t Checksum(const std::byte* frame, size_t payload_bytes) {
  const uint64_t seed = Xxh3({frame, kChecksumOffset});
  return Xxh3({frame + kFrameHeaderBytes, payload_bytes}, seed);
}

bool KnownKind(FrameKind kind) { return kind >= FrameKind::kData && kind <= FrameKind::kProbe; }

bool TakesPayload(FrameKind kind) {
  return kind == FrameKind::kData || kind == FrameKind::kAbort || kind == FrameKind::kProbe;
}

// What can be said from the first bytes, however few: is this our protocol, in our version?
Status CheckPreamble(std::span<const std::byte> bytes) {
  std::byte magic[kMagicBytes];
  StoreLittle(kFrameMagic, magic);
  const size_t there = std::min(bytes.size(), kMagicBytes);
  if (!std::equal(magic, magic + there, bytes.begin())) {
    return RemoteError(
        "magic: the first {} bytes are not those of a frame; the peer speaks "
        "another protocol",
        there);
  }
  if (bytes.size() > kVersionOffset) {
    const auto version = LoadLittle<uint8_t>(&bytes[kVersionOffset]);
    if (version != kWireVersion) {
      return RemoteError(
          "version: the frame has wire version {}, this library speaks {}; install "
          "the same release on every rank",
          version, kWireVersion);
    }
  }
  return {};
}

Status CheckHeader(const FrameHeader& header) {
  if (!KnownKind(header.kind)) {
    return RemoteError("kind: {} is no kind of frame", static_cast<int>(header.kind));
  }
  if ((header.flags & ~kKnownFlags) != 0) {
    return RemoteError("flags: {:#04x} has reserved bits", header.flags);
  }
  if (header.payload_bytes > kMaxPayloadBytes) {
    return RemoteError("payload_bytes: {} is over the limit of {}", header.payload_bytes,
                       kMaxPayloadBytes);
  }
  if (header.payload_bytes != 0 && !TakesPayload(header.kind)) {
    return RemoteError("payload_bytes: {}, but frames of kind {} have no payload",
                       header.payload_bytes, static_cast<int>(header.kind));
  }
  return {};
}

ParsedFrame Bad(Status error) {
  return {.state = ParseState::kBad, .header = {}, .payload = {}, .error = std::move(error)};
}

ParsedFrame NeedMore(size_t bytes) {
  return {.state = ParseState::kNeedMore, .header = {}, .payload = {}, .bytes = bytes, .error = {}};
}

}  // namespace

void SealFrame(const FrameHeader& header, std::byte* frame) {
  assert(header.payload_bytes <= kMaxPayloadBytes);
  StoreLittle(kFrameMagic, frame);
  StoreLittle(kWireVersion, frame + kVersionOffset);
  ForEachField(header,
               [frame](size_t offset, const auto& field) { StoreLittle(field, frame + offset); });
  StoreLittle(Checksum(frame, header.payload_bytes), frame + kChecksumOffset);
}

ParsedFrame ParseFrame(std::span<const std::byte> bytes) {
  if (Status error = CheckPreamble(bytes); !error.ok()) return Bad(std::move(error));
  if (bytes.size() < kFrameHeaderBytes) return NeedMore(kFrameHeaderBytes);

  FrameHeader header;
  ForEachField(header, [bytes]<typename Field>(size_t offset, Field& field) {
    field = LoadLittle<Field>(&bytes[offset]);
  });
  if (Status error = CheckHeader(header); !error.ok()) return Bad(std::move(error));

  const size_t frame_bytes = kFrameHeaderBytes + header.payload_bytes;
  if (bytes.size() < frame_bytes) return NeedMore(frame_bytes);
  const uint64_t computed = Checksum(bytes.data(), header.payload_bytes);
  const auto sent = LoadLittle<uint64_t>(&bytes[kChecksumOffset]);
  if (computed != sent) {
    return Bad(
        RemoteError("checksum: the frame says {:#018x}, its bytes give {:#018x}; it was "
                    "changed on the way",
                    sent, computed));
  }
  return {.state = ParseState::kFrame,
          .header = header,
          .payload = bytes.subspan(kFrameHeaderBytes, header.payload_bytes),
          .bytes = frame_bytes,
          .error = {}};
}

}  // namespace thinwire
