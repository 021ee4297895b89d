// SPDX-License-Identifier: Apache-2.0
#include "wire/state_head.h"

#include <algorithm>

#include "base/checked.h"
#include "base/hash.h"

namespace thinwire {
namespace {

// The byte table of docs/wire-format.md. Bytes 1 to 3 are zero.
constexpr size_t kContentAt = 0;
constexpr size_t kCodecAt = 4;
constexpr size_t kKeyAt = 8;
constexpr size_t kVersionAt = 16;
constexpr size_t kHashAt = 24;

}  // namespace

uint32_t CodecHash(std::string_view spec) {
  return static_cast<uint32_t>(Xxh3(std::as_bytes(std::span(spec))));
}

void PackStateHead(const StateHead& head, std::byte* payload) {
  std::fill_n(payload, kStateHeadBytes, std::byte{0});
  StoreLittle(static_cast<uint8_t>(head.content), payload + kContentAt);
  StoreLittle(head.codec_hash, payload + kCodecAt);
  StoreLittle(head.key, payload + kKeyAt);
  StoreLittle(head.version, payload + kVersionAt);
  StoreLittle(head.reference_hash, payload + kHashAt);
}

Result<StateHead> ParseStateHead(std::span<const std::byte> payload) {
  if (payload.size() < kStateHeadBytes) {
    return RemoteError("a payload of {} bytes is too short for its state head", payload.size());
  }
  const auto content = LoadLittle<uint8_t>(payload.data() + kContentAt);
  const bool zero = std::all_of(payload.begin() + 1, payload.begin() + kCodecAt,
                                [](std::byte byte) { return byte == std::byte{0}; });
  if (content > static_cast<uint8_t>(StateContent::kReference) || !zero) {
    return RemoteError("a state head says what this version does not know");
  }
  StateHead head;
  head.content = static_cast<StateContent>(content);
  head.codec_hash = LoadLittle<uint32_t>(payload.data() + kCodecAt);
  head.key = LoadLittle<uint64_t>(payload.data() + kKeyAt);
  head.version = LoadLittle<uint64_t>(payload.data() + kVersionAt);
  head.reference_hash = LoadLittle<uint64_t>(payload.data() + kHashAt);
  return head;
}

}  // namespace thinwire
