// SPDX-License-Identifier: Apache-2.0
//
// The loops of the codec layer that are built once for every instruction set (simd_loops.h) and
// chosen at run time. All sets give the same bits; tests force each in turn.

#ifndef THINWIRE_CODEC_SIMD_H_
#define THINWIRE_CODEC_SIMD_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/types.h"

namespace thinwire {

// Elements go through the passes in pieces of this many: the granule of every codec divides it,
// and a piece in binary32 stays in the first cache.
inline constexpr size_t kPiece = 4096;

// A chunk of q8 or q4 whose head was parsed.
struct QChunk {
  const uint8_t* bytes = nullptr;
  uint32_t top = 0;
  bool guarded = false;
};
// Stochastic rounding of a chunk: the key and the number of its first element (codec.h, Noise).
struct QNoise {
  uint64_t key = 0;
  uint64_t first = 0;
};

struct SimdLoops {
  const char* name;

  // Between the floating types and binary32 (float_formats.h; binary64 as the machine rounds).
  void (*widen)(DataType dtype, const void* source, size_t count, float* target);
  void (*narrow)(DataType dtype, const float* source, size_t count, void* target);
  // accumulator[i] += source[i]
  void (*add)(const float* source, size_t count, float* accumulator);

  void (*bf16_encode)(const float* source, size_t count, void* target);
  void (*bf16_decode_add)(const void* source, size_t count, float* accumulator);

  // The codecs q8 and q4, a chunk at a time.
  struct Q {
    // `stream` asks for stores past the caches, where the target is aligned to 16 bytes. What
    // stands at `ahead`, as much as a chunk of floats, is fetched meanwhile if it is not null.
    // `noise`: null to round to nearest.
    void (*encode)(const float* source, size_t count, bool stream, const void* ahead,
                   const QNoise* noise, uint8_t* chunk);
    void (*decode)(const QChunk& chunk, bool stream, size_t count, float* target);
    // sums = each chunk decoded, added in turn; with `add`, to what sums hold. number > 0.
    void (*sum)(const QChunk* chunks, size_t number, bool add, size_t count, float* sums);
  };
  Q q8;
  Q q4;
};

// The loops in use: the widest the machine runs, unless a test forced others.
const SimdLoops& Simd();

// Every set this machine can run; the first is the plain one. ForceSimd(null) goes back to the
// best.
std::span<const SimdLoops* const> SimdAvailable();
void ForceSimd(const SimdLoops* loops);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_SIMD_H_
