// SPDX-License-Identifier: Apache-2.0
//
// StateHead: the first 32 bytes of a payload whose codec has arguments, modifiers or state
// (docs/wire-format.md, "State head"). It says which state the bytes go with, so that ends that are
// out of step find out on the next frame.

#ifndef THINWIRE_WIRE_STATE_HEAD_H_
#define THINWIRE_WIRE_STATE_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"

namespace thinwire {

inline constexpr size_t kStateHeadBytes = 32;

enum class StateContent : uint8_t {
  kCoded = 0,       // elements, or their differences from the reference
  kFirstVisit = 1,  // all of the elements, in the codec for first visits: there was no reference
  kReference = 2,   // the new reference as it is kept, for a receiver that was out of step
};

struct StateHead {
  StateContent content = StateContent::kCoded;
  uint32_t codec_hash = 0;  // of the canonical spec
  uint64_t key = 0;         // whose state, as the caller says
  uint64_t version = 0;     // of the reference: how often it was advanced before
  uint64_t reference_hash =
      0;  // XXH3 of the reference's bytes that the differences were taken from
};

uint32_t CodecHash(std::string_view spec);

void PackStateHead(const StateHead& head, std::byte* payload);
// kRemote if the payload is too short or says what nobody writes.
Result<StateHead> ParseStateHead(std::span<const std::byte> payload);

}  // namespace thinwire

#endif  // THINWIRE_WIRE_STATE_HEAD_H_
