// SPDX-License-Identifier: Apache-2.0
//
// The formulas of the codecs whose elements are narrow floats under a shared scale: `fp8`, `mxfp8`,
// `mxfp6`, `mxfp4`, `nvfp4` (layout and error: docs/codecs.md). An element's *code* is x / step in
// the narrow format, rounded to nearest and saturating; its value is the code's number times the
// step. What differs is how many elements share a scale and how the step follows from it.
//
// A chunk is a head (nvfp4 alone), the scale plane and the code plane; the planes are padded with
// zeros to 16 bytes. Code i of b bits stands in bits b * i to b * i + b - 1 of its plane, counted
// from the lowest of the first byte.

#ifndef THINWIRE_CODEC_BLOCK_FLOAT_MATH_H_
#define THINWIRE_CODEC_BLOCK_FLOAT_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/float_formats.h"
#include "codec/host_device.h"

namespace thinwire::block_float {

inline constexpr size_t kChunk = 4096;
inline constexpr uint32_t kInfBits = 0x7f800000u;
inline constexpr uint32_t kNanBits = 0x7fc00000u;

TW_HOST_DEVICE constexpr size_t Padded(size_t bytes) { return (bytes + 15) / 16 * 16; }

TW_HOST_DEVICE constexpr float Larger(float a, float b) { return a > b ? a : b; }

// Magnitudes order as their bits do, so the largest of a block is an integer maximum.
TW_HOST_DEVICE constexpr int32_t MagnitudeBits(float x) { return BitCast<int32_t>(x) & 0x7fffffff; }

// The exponent of the largest finite number: emax of the Microscaling specification.
template <typename Format>
inline constexpr uint32_t kMaxExponent = (Format::kLargest >> Format::kMantissaBits) -
                                         static_cast<uint32_t>(Format::kBias);
template <typename Format>
inline constexpr float kLargest = Widen<Format>(Format::kLargest);

// What is common to the layouts: their sizes, and what a scale of the kind `Scale` takes.
template <typename Format, size_t kElements, typename ScaleType, size_t kHead>
struct Layout {
  using Element = Format;
  using Scale = ScaleType;
  static constexpr size_t kBlock = kElements;
  static constexpr size_t kBlocks = kChunk / kBlock;
  static constexpr size_t kHeadBytes = kHead;
  static constexpr size_t kCodeBits = Format::kSignShift + 1;

  // Whether no product with a scale that came is NaN, but for blocks that are NaN.
  TW_HOST_DEVICE static constexpr bool IsScale(Scale /*scale*/) { return true; }

  // Bytes of the planes and of a whole chunk of n elements, 1 <= n <= kChunk.
  TW_HOST_DEVICE static constexpr size_t ScaleBytes(size_t n) {
    return Padded((n + kBlock - 1) / kBlock * sizeof(Scale));
  }
  TW_HOST_DEVICE static constexpr size_t CodeBytes(size_t n) {
    return Padded((n * kCodeBits + 7) / 8);
  }
  TW_HOST_DEVICE static constexpr size_t ChunkBytes(size_t n) {
    return kHeadBytes + ScaleBytes(n) + CodeBytes(n);
  }
};

// ---- fp8: one binary32 a block of 128, the step itself ----

template <typename Format>
struct Fp8 : Layout<Format, 128, float, 0> {
  // Steps are normal numbers with normal inverses.
  static constexpr float kMinStep = 0x1p-126f;
  static constexpr float kMaxStep = 0x1.fffffep127f / kLargest<Format>;

  TW_HOST_DEVICE static constexpr bool IsScale(float scale) {
    return scale >= kMinStep && scale <= kMaxStep;
  }
  // Given the bits of the block's largest finite magnitude.
  TW_HOST_DEVICE static constexpr float ScaleOf(int32_t magnitude, float /*chunk_step*/) {
    return Larger(BitCast<float>(magnitude) / kLargest<Format>, kMinStep);
  }
  TW_HOST_DEVICE static constexpr float Step(float scale, float /*chunk_step*/) { return scale; }
  TW_HOST_DEVICE static constexpr float InverseStep(float scale, float /*chunk_step*/) {
    return 1.0f / scale;
  }
};

// ---- mx: one E8M0 a block of 32 (OCP Microscaling Formats 1.0) ----

template <typename Format>
struct Mx : Layout<Format, 32, uint8_t, 0> {
  static constexpr uint8_t kNanScale = kE8m0Nan;

  // 2^(floor(log2 magnitude) - emax), or the smallest scale: exponent fields subtract.
  TW_HOST_DEVICE static constexpr uint8_t ScaleOf(int32_t magnitude, float /*chunk_step*/) {
    const int32_t scale = (magnitude >> 23) - static_cast<int32_t>(kMaxExponent<Format>);
    return static_cast<uint8_t>(scale < 0 ? 0 : scale);
  }
  TW_HOST_DEVICE static constexpr float Step(uint8_t scale, float /*chunk_step*/) {
    return WidenE8m0(scale);
  }
  // Of a scale that ScaleOf gives, at most 252: a normal power of two.
  TW_HOST_DEVICE static constexpr float InverseStep(uint8_t scale, float /*chunk_step*/) {
    return BitCast<float>((2 * kE8m0Bias - scale) << 23);
  }
};

// ---- nvfp4: one E4M3 a block of 16, in units of a binary32 a chunk ----

struct Nvfp4 : Layout<Float4e2m1, 16, uint8_t, 16> {
  static constexpr uint8_t kNanScale = static_cast<uint8_t>(Float8e4m3::kQuietNan);
  static constexpr float kLargestScaled = kLargest<Float4e2m1> * kLargest<Float8e4m3>;  // 2688
  // The smallest scale, 2^-9, times the smallest chunk step is a normal number.
  static constexpr float kMinChunkStep = 0x1p-117f;
  static constexpr float kMaxChunkStep = 0x1.fffffep127f / kLargestScaled;

  TW_HOST_DEVICE static constexpr bool IsChunkStep(float step) {
    return step >= kMinChunkStep && step <= kMaxChunkStep;
  }
  // Given the bits of the chunk's largest finite magnitude.
  TW_HOST_DEVICE static constexpr float ChunkStep(int32_t magnitude) {
    return Larger(BitCast<float>(magnitude) / kLargestScaled, kMinChunkStep);
  }
  TW_HOST_DEVICE static constexpr uint8_t ScaleOf(int32_t magnitude, float chunk_step) {
    const float inverse = 1.0f / (kLargest<Float4e2m1> * chunk_step);
    return static_cast<uint8_t>(NarrowSaturated<Float8e4m3>(BitCast<float>(magnitude) * inverse));
  }
  // Total: NaN for the two scales that are.
  TW_HOST_DEVICE static constexpr float Step(uint8_t scale, float chunk_step) {
    const float step = Widen<Float8e4m3>(scale) * chunk_step;
    return (scale & Float8e4m3::kMagnitude) == kNanScale ? BitCast<float>(kNanBits) : step;
  }
  // 0 of a scale of 0: all codes are zeros then.
  TW_HOST_DEVICE static constexpr float InverseStep(uint8_t scale, float chunk_step) {
    const float inverse = 1.0f / Step(scale, chunk_step);
    return scale == 0 ? 0.0f : inverse;
  }
};

// ---- Elements ----

template <typename Format>
TW_HOST_DEVICE constexpr uint32_t Code(float x, float inverse_step) {
  return NarrowSaturated<Format>(x * inverse_step);
}

// In blocks with a special value, where elements can hold one: Inf becomes NaN in E4M3.
template <typename Format>
TW_HOST_DEVICE constexpr uint32_t CodeOrSpecial(float x, float inverse_step) {
  return static_cast<uint32_t>(MagnitudeBits(x)) < kInfBits ? Code<Format>(x, inverse_step)
                                                            : Narrow<Format>(x);
}

// The step is no NaN: blocks whose step is one are kNanBits throughout.
template <typename Format>
TW_HOST_DEVICE constexpr float Value(uint32_t code, float step) {
  const float value = Widen<Format>(code) * step;
  if constexpr (Format::kHasNan) {
    constexpr uint32_t kLast = Format::kHasInf ? Format::kOverflow : Format::kLargest;
    return (code & Format::kMagnitude) > kLast ? BitCast<float>(kNanBits) : value;
  }
  return value;
}

// ---- 6-bit codes: 8 bytes to and from the low 48 bits of a word ----

TW_HOST_DEVICE constexpr uint64_t Pack6(uint64_t bytes) {
  uint64_t w = (bytes & 0x003f003f003f003fu) | (bytes >> 2 & 0x0fc00fc00fc00fc0u);
  w = (w & 0x00000fff00000fffu) | (w >> 4 & 0x00fff00000fff000u);
  return (w & 0x0000000000ffffffu) | (w >> 8 & 0x0000ffffff000000u);
}
TW_HOST_DEVICE constexpr uint64_t Unpack6(uint64_t packed) {
  uint64_t w = (packed & 0x0000000000ffffffu) | (packed << 8 & 0x00ffffff00000000u);
  w = (w & 0x00000fff00000fffu) | (w << 4 & 0x0fff00000fff0000u);
  return (w & 0x003f003f003f003fu) | (w << 2 & 0x3f003f003f003f00u);
}

}  // namespace thinwire::block_float

#endif  // THINWIRE_CODEC_BLOCK_FLOAT_MATH_H_
