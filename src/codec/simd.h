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
#include "codec/noise.h"
#include "codec/tk_math.h"

namespace thinwire {

// Elements go through the passes in pieces of this many: the granule of every codec divides it,
// and a piece in binary32 stays in the first cache.
inline constexpr size_t kPiece = 4096;

// One chunk of a codec of narrow floats under a shared scale (block_float_math.h). `stream` asks
// for stores past the caches, where the target is aligned to 16 bytes.
struct BlockFloatLoops {
  void (*encode)(const float* source, size_t count, bool stream, uint8_t* chunk);
  void (*decode)(const uint8_t* chunk, size_t count, bool stream, float* target);
  void (*decode_add)(const uint8_t* chunk, size_t count, float* accumulator);
};

// A chunk of q8 or q4 whose head was parsed.
struct QChunk {
  const uint8_t* bytes = nullptr;
  uint32_t top = 0;
  bool guarded = false;
};
struct SimdLoops {
  const char* name;

  // Between the floating types and binary32 (float_formats.h; binary64 as the machine rounds).
  void (*widen)(DataType dtype, const void* source, size_t count, float* target);
  void (*narrow)(DataType dtype, const float* source, size_t count, void* target);
  // accumulator[i] += source[i]
  void (*add)(const float* source, size_t count, float* accumulator);
  // A copy past the caches, to a target aligned to 16 bytes; StreamFence (pieces.h) comes after.
  void (*stream_out)(const void* source, size_t bytes, void* target);

  // The state of codecs (passes.h): t = x + e (t may be e); t = t - y, the residual; t = x - m;
  // m' = m + y.
  void (*with_residual)(const float* x, const float* residual, size_t count, float* t);
  void (*residual)(const float* y, size_t count, float* t);
  void (*from_reference)(const float* x, const float* reference, size_t count, float* t);
  void (*advance_reference)(const float* reference, const float* y, size_t count, float* next);

  void (*bf16_encode)(const float* source, size_t count, void* target);
  void (*bf16_decode_add)(const void* source, size_t count, float* accumulator);
  void (*fp16_decode_add)(const void* source, size_t count, float* accumulator);

  // The codecs q8 and q4, a chunk at a time.
  struct Q {
    // `stream` asks for stores past the caches, where the target is aligned to 16 bytes. What
    // stands at `ahead`, as much as a chunk of floats, is fetched meanwhile if it is not null.
    // `noise`: null to round to nearest.
    void (*encode)(const float* source, size_t count, bool stream, const void* ahead,
                   const Noise* noise, uint8_t* chunk);
    void (*decode)(const QChunk& chunk, bool stream, size_t count, float* target);
    // t = state::Residual(t, the chunk decoded).
    void (*residual)(const QChunk& chunk, size_t count, float* t);
    // sums = each chunk decoded, added in turn; with `add`, to what sums hold. number > 0.
    void (*sum)(const QChunk* chunks, size_t number, bool add, size_t count, float* sums);
  };
  Q q8;
  Q q4;

  // One chunk of rq4 .. rq1, its planes without the head (rq_math.h). `flips` are 256 factors of
  // +-2^-8, one a row.
  void (*rq_encode)(int bits, bool unbiased, const float* source, size_t count, const float* flips,
                    uint8_t* planes);
  void (*rq_decode)(int bits, const uint8_t* planes, size_t count, const float* flips, bool stream,
                    float* target);
  void (*rq_decode_add)(int bits, const uint8_t* planes, size_t count, const float* flips,
                        float* accumulator);

  // One chunk of tk, of which k elements are kept; `hint` as FloatCodec::PieceOptions. Decoding
  // is false, and nothing is written, where the indices aren't ascending ones below `count`.
  void (*tk_encode)(const float* source, size_t count, size_t k, tk::Value value, uint32_t* hint,
                    uint8_t* chunk);
  bool (*tk_decode)(const uint8_t* chunk, size_t count, size_t k, tk::Value value, float* target);
  bool (*tk_decode_add)(const uint8_t* chunk, size_t count, size_t k, tk::Value value,
                        float* accumulator);

  // The steps that blocks of iq8 or iq4 need; one chunk of either, of codes in +-offset.
  void (*iq8_steps)(const float* x, size_t count, uint16_t* steps);
  void (*iq4_steps)(const float* x, size_t count, uint16_t* steps);
  void (*iq_encode)(const float* source, size_t count, const uint16_t* steps, uint32_t offset,
                    int width, uint8_t* chunk);
  void (*iq_decode)(const uint8_t* chunk, size_t count, uint32_t offset, int width, float* target);

  BlockFloatLoops fp8_e4m3;
  BlockFloatLoops fp8_e5m2;
  BlockFloatLoops mxfp8_e4m3;
  BlockFloatLoops mxfp8_e5m2;
  BlockFloatLoops mxfp6_e2m3;
  BlockFloatLoops mxfp6_e3m2;
  BlockFloatLoops mxfp4;
  BlockFloatLoops nvfp4;

  // One chunk of x3, of binary32 (`wide`) or bfloat16, at any address. Encoding returns the bytes
  // it took, at most those of the elements; decoding whether `bytes` is what the codes ask for.
  // REQUIRES: bytes >= x3::FixedBytes, and not the raw size.
  size_t (*x3_encode)(const void* source, bool wide, size_t count, bool stream, uint8_t* chunk);
  bool (*x3_decode)(const uint8_t* chunk, size_t bytes, bool wide, size_t count, bool stream,
                    void* target);
};

// The loops in use: the widest the machine runs, unless a test forced others.
const SimdLoops& Simd();

// Every set this machine can run; the first is the plain one. ForceSimd(null) goes back to the
// best.
std::span<const SimdLoops* const> SimdAvailable();
void ForceSimd(const SimdLoops* loops);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_SIMD_H_
