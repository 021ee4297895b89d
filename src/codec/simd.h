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
#include "codec/tk_math.h"

namespace thinwire {

// Elements go through the passes in pieces of this many: the granule of every codec divides it,
// and a piece in binary32 stays in the first cache.
inline constexpr size_t kPiece = 4096;

struct SimdLoops {
  const char* name;

  // Between the floating types and binary32 (float_formats.h; binary64 as the machine rounds).
  void (*widen)(DataType dtype, const void* source, size_t count, float* target);
  void (*narrow)(DataType dtype, const float* source, size_t count, void* target);
  // accumulator[i] += source[i]
  void (*add)(const float* source, size_t count, float* accumulator);

  void (*bf16_encode)(const float* source, size_t count, void* target);
  void (*bf16_decode_add)(const void* source, size_t count, float* accumulator);

  // One chunk of q8; its head was parsed to (top, guarded). `stream` asks for stores past the
  // caches, where the target is aligned to 16 bytes.
  void (*q8_encode)(const float* source, size_t count, bool stream, uint8_t* chunk);
  void (*q8_decode)(const uint8_t* chunk, uint32_t top, bool guarded, bool stream, size_t count,
                    float* target);
  void (*q8_decode_add)(const uint8_t* chunk, uint32_t top, bool guarded, size_t count,
                        float* accumulator);

  // One chunk of tk, of which k elements are kept; `hint` as FloatCodec::PieceOptions. Decoding is
  // false, and nothing is written, where the indices aren't ascending ones below `count`.
  void (*tk_encode)(const float* source, size_t count, size_t k, tk::Value value, uint32_t* hint,
                    uint8_t* chunk);
  bool (*tk_decode)(const uint8_t* chunk, size_t count, size_t k, tk::Value value, float* target);
  bool (*tk_decode_add)(const uint8_t* chunk, size_t count, size_t k, tk::Value value,
                        float* accumulator);
};

// The loops in use: the widest the machine runs, unless a test forced others.
const SimdLoops& Simd();

// Every set this machine can run; the first is the plain one. ForceSimd(null) goes back to the
// best.
std::span<const SimdLoops* const> SimdAvailable();
void ForceSimd(const SimdLoops* loops);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_SIMD_H_
