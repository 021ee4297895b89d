// SPDX-License-Identifier: Apache-2.0
//
// CodecShape: what kernels must know of a codec to write and read its chunks, as plain values.

#ifndef THINWIRE_CODEC_CODEC_SHAPE_H_
#define THINWIRE_CODEC_CODEC_SHAPE_H_

#include <cstddef>
#include <cstdint>

#include "codec/tk_math.h"

namespace thinwire {

// Number of a codec on the wire (docs/wire-format.md); never reused.
enum class CodecId : uint8_t {
  kRaw = 0,
  kBf16 = 1,
  kQ8 = 2,
  kFp16 = 3,
  kQ4 = 4,
  kRq4 = 5,
  kRq3 = 6,
  kRq2 = 7,
  kRq1 = 8,
  kIq8 = 9,
  kIq4 = 10,
  kFp8 = 11,
  kMxfp8 = 12,
  kMxfp6 = 13,
  kMxfp4 = 14,
  kNvfp4 = 15,
  kTk = 16,
  kX3 = 17,
};

// What a codec keeps from one visit of a key to the next (docs/codecs.md, "State").
enum class Feedback : uint8_t {
  kNone,
  kResidual,   // what the sender dropped, added to what it sends next: `+ef`
  kReference,  // the copy both ends hold and differences are taken against: `delta(...)`
};

// Elements that share an agreed step; and the most contributions whose sums stay exact.
inline constexpr size_t kStepElements = 256;
inline constexpr int kMaxExactRanks = 8192;

struct CodecShape {
  CodecId id{};
  bool second_format = false;  // of fp8, mxfp8 and mxfp6: elements of e5m2 or e3m2
  bool random = false;         // `+sr`, `+unbiased`
  uint16_t kept = 0;           // of tk: elements of a whole chunk
  tk::Value value{};           // of tk: how they are kept
  int ranks = 1;               // of iq: contributions in a sum

  bool operator==(const CodecShape&) const = default;
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_CODEC_SHAPE_H_
