// SPDX-License-Identifier: Apache-2.0
//
// ProbeNote: what ranks say to each other to measure the links between them: the payload of a probe
// frame (docs/wire-format.md, "Probe notes").

#ifndef THINWIRE_WIRE_PROBE_NOTE_H_
#define THINWIRE_WIRE_PROBE_NOTE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace thinwire {

inline constexpr size_t kProbeNoteBytes = 32;

struct ProbeNote {
  enum class What : uint8_t {
    kPing = 1,      // answer at once
    kPong = 2,      // the answer
    kWarmUp = 3,    // send so much of a train, whatever else you send
    kGrant = 4,     // send so much of a train, when those who asked before have had theirs
    kEnd = 5,       // no more is wanted
    kTrain = 6,     // bytes without meaning follow
    kFindings = 7,  // what the sender measured follows
  };
  What what = What::kPing;
  uint64_t number = 0;      // tells pings apart
  uint64_t bytes = 0;       // pong: received so far; warm-up, grant: that may be sent in all
  int64_t nanoseconds = 0;  // pong: when the ping came, by the clock of who answers
};

void PackProbeNote(const ProbeNote& note, std::byte* payload);
// kRemote if the payload is too short or says what nobody writes.
Result<ProbeNote> ParseProbeNote(std::span<const std::byte> payload);

}  // namespace thinwire

#endif  // THINWIRE_WIRE_PROBE_NOTE_H_
