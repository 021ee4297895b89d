// SPDX-License-Identifier: Apache-2.0
#include "wire/probe_note.h"

#include <algorithm>

#include "base/checked.h"

namespace thinwire {
namespace {

// The byte table of docs/wire-format.md. Bytes 1 to 7 are zero.
constexpr size_t kWhatAt = 0;
constexpr size_t kNumberAt = 8;
constexpr size_t kBytesAt = 16;
constexpr size_t kNanosecondsAt = 24;

}  // namespace

void PackProbeNote(const ProbeNote& note, std::byte* payload) {
  std::fill_n(payload, kNumberAt, std::byte{0});
  StoreLittle(static_cast<uint8_t>(note.what), payload + kWhatAt);
  StoreLittle(note.number, payload + kNumberAt);
  StoreLittle(note.bytes, payload + kBytesAt);
  StoreLittle(note.nanoseconds, payload + kNanosecondsAt);
}

Result<ProbeNote> ParseProbeNote(std::span<const std::byte> payload) {
  if (payload.size() < kProbeNoteBytes) {
    return RemoteError("a payload of {} bytes is too short for a probe note", payload.size());
  }
  const auto what = LoadLittle<uint8_t>(payload.data() + kWhatAt);
  const bool zero = std::all_of(payload.begin() + 1, payload.begin() + kNumberAt,
                                [](std::byte byte) { return byte == std::byte{0}; });
  if (what < static_cast<uint8_t>(ProbeNote::What::kPing) ||
      what > static_cast<uint8_t>(ProbeNote::What::kFindings) || !zero) {
    return RemoteError("a probe note says what this version does not know");
  }
  ProbeNote note;
  note.what = static_cast<ProbeNote::What>(what);
  note.number = LoadLittle<uint64_t>(payload.data() + kNumberAt);
  note.bytes = LoadLittle<uint64_t>(payload.data() + kBytesAt);
  note.nanoseconds = LoadLittle<int64_t>(payload.data() + kNanosecondsAt);
  return note;
}

}  // namespace thinwire
