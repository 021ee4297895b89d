// SPDX-License-Identifier: Apache-2.0
//
// The formulas of the codecs `q8` and `q4` (layout and error: docs/codecs.md): codes of 8 or 4
// bits, one scale byte a block of 32, chunks of 4096.
//
// A *scale* k is the top 11 bits of a positive binary32, (exponent << 3) | 3 mantissa bits; its
// *step*, (8 + m) * 2^(e - 3), is the value of one code. A chunk's head holds its largest scale
// `top`, a block's byte holds k - top + 255. Code times step has 11 significant bits at most and no
// chunk that decoders accept overflows outside the guarded ones, so decoding is exact, and fusing
// it with an addition can't change a bit.

#ifndef THINWIRE_CODEC_Q_MATH_H_
#define THINWIRE_CODEC_Q_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"

namespace thinwire::q {

inline constexpr size_t kBlock = 32;
inline constexpr size_t kChunk = 4096;
inline constexpr size_t kHeadBytes = 16;

// Steps are at least 2^-126: step and inverse are normal numbers.
inline constexpr uint32_t kMinScale = 1 << 3;

// A chunk with a magnitude of 2^127 or more, Inf and NaN among them, is coded *guarded*: its finite
// codes leave out the largest, so that those can stand for +-Inf and the lowest code for NaN, and
// finite values stay finite.
inline constexpr uint32_t kGuardBits = 0x7f000000u;
inline constexpr uint32_t kInfBits = 0x7f800000u;

// What the width of a code decides.
template <int kWidth>
struct Format {
  static constexpr int kBits = kWidth;
  static constexpr int kLevels = (1 << (kBits - 1)) - 1;  // codes span +-this
  static constexpr int kGuardedLevels = kLevels - 1;
  static constexpr int kInfCode = kLevels;
  static constexpr int kNanCode = -kLevels - 1;
  static constexpr size_t kBlockBytes = kBlock * kBits / 8;
  // 1 / levels: to nearest for 8 bits; for 4 bits rounded down, so that multiples of a step up to
  // the largest code keep that step, as they do for 8 bits.
  static constexpr float kPerLevel = kBits == 8 ? 1.0f / 127.0f : 0x1.249248p-3f;
  static constexpr float kPerGuardedLevel = kBits == 8 ? 1.0f / 126.0f : 0x1.555554p-3f;
};
using Q8 = Format<8>;
using Q4 = Format<4>;

// Bytes of the scale plane, of the code plane and of a whole chunk of n elements, 1 <= n <= kChunk.
// Planes are padded to 16 bytes, which hold 16 codes of 8 bits or a block of 4.
TW_HOST_DEVICE constexpr size_t ScaleBytes(size_t n) {
  return ((n + kBlock - 1) / kBlock + 15) / 16 * 16;
}
template <typename F>
TW_HOST_DEVICE constexpr size_t CodeBytes(size_t n) {
  constexpr size_t kUnit = 128 / F::kBits;
  return (n + kUnit - 1) / kUnit * 16;
}
template <typename F>
TW_HOST_DEVICE constexpr size_t ChunkBytes(size_t n) {
  return kHeadBytes + ScaleBytes(n) + CodeBytes<F>(n);
}

// Magnitudes order as their bits do, so the largest of a block is an integer maximum.
TW_HOST_DEVICE constexpr uint32_t MagnitudeBits(float x) {
  return BitCast<uint32_t>(x) & 0x7fffffffu;
}

// The smallest scale whose step times the number of levels reaches the block's largest finite
// magnitude: magnitude / levels with its mantissa rounded up to 3 bits.
template <typename F>
TW_HOST_DEVICE constexpr uint32_t ScaleOf(uint32_t magnitude_bits, bool guarded) {
  const float per_level = guarded ? F::kPerGuardedLevel : F::kPerLevel;
  const float step = BitCast<float>(magnitude_bits) * per_level;
  const uint32_t scale = (BitCast<uint32_t>(step) + 0xfffffu) >> 20;
  return scale < kMinScale ? kMinScale : scale;
}
// The largest that an encoder chooses. Under it, no code of an unguarded chunk overflows.
template <typename F>
TW_HOST_DEVICE constexpr uint32_t MaxScale(bool guarded) {
  return ScaleOf<F>((guarded ? kInfBits : kGuardBits) - 1, guarded);
}

// The byte of a scale. Blocks more than 255/8 octaves below the top take the step 255/8 below it.
TW_HOST_DEVICE constexpr uint32_t ScaleByte(uint32_t scale, uint32_t top) {
  return scale + 255 < top ? 0 : scale + 255 - top;
}
// Its inverse, total: any byte gives a scale in [kMinScale, top].
TW_HOST_DEVICE constexpr uint32_t ScaleFromByte(uint32_t byte, uint32_t top) {
  return byte + top < kMinScale + 255 ? kMinScale : byte + top - 255;
}

TW_HOST_DEVICE constexpr float Step(uint32_t scale) { return BitCast<float>(scale << 20); }

// One correctly rounded division a block: 2^-e times one of the 8 constants 8 / (8 + m), which a
// kernel may look up instead.
TW_HOST_DEVICE constexpr float InverseStep(uint32_t scale) { return 1.0f / Step(scale); }

// ---- Codes. `V` is float or a vector of floats. ----

// x / step to the nearest integer, ties to even, above the bits of kShift: the sum's last bit
// counts ones.
inline constexpr uint32_t kShift = 0x4b400000u;  // 1.5 * 2^23
template <typename V>
TW_HOST_DEVICE constexpr V ShiftedCode(V x, V inverse_step) {
  return x * inverse_step + 12582912.0f;
}
TW_HOST_DEVICE constexpr int Code(float x, float inverse_step) {
  return static_cast<int>(BitCast<uint32_t>(ShiftedCode(x, inverse_step)) - kShift);
}

// The same in 256ths of a step. With noise, uniform in 0 .. 255, added and the last 8 bits dropped,
// the expectation of the code is x / step to the nearest 256th, and whole codes stay as they are.
// Never out of range: |x / step| rounded to 256ths is at most the number of levels, as scales are
// rounded up, and noise adds less than one.
inline constexpr uint32_t kFineShift = 0x47400000u;  // 1.5 * 2^15
template <typename V>
TW_HOST_DEVICE constexpr V ShiftedFineCode(V x, V inverse_step) {
  return x * inverse_step + 49152.0f;
}
TW_HOST_DEVICE constexpr int NoisyCode(float x, float inverse_step, uint32_t noise) {
  const uint32_t bits = BitCast<uint32_t>(ShiftedFineCode(x, inverse_step));
  return static_cast<int>(bits + noise - kFineShift) >> 8;
}

template <typename V>
TW_HOST_DEVICE constexpr V Value(V code, V step) {
  return code * step;
}

// Of a guarded chunk, given the code that a finite x has.
template <typename F>
TW_HOST_DEVICE constexpr int GuardedCode(float x, int finite_code) {
  const uint32_t magnitude = MagnitudeBits(x);
  if (magnitude < kInfBits) return finite_code;
  if (magnitude > kInfBits) return F::kNanCode;
  return x > 0 ? F::kInfCode : -F::kInfCode;
}
template <typename F>
TW_HOST_DEVICE constexpr float GuardedValue(int code, float step) {
  if (code == F::kNanCode) return BitCast<float>(0x7fc00000u);
  if (code == F::kInfCode) return BitCast<float>(kInfBits);
  if (code == -F::kInfCode) return BitCast<float>(kInfBits | 0x80000000u);
  const float value = Value(static_cast<float>(code), step);
  const bool overflow = MagnitudeBits(value) == kInfBits;
  return overflow ? BitCast<float>(BitCast<uint32_t>(value) - 1) : value;  // +-FLT_MAX
}

// ---- Where codes lie. 8 bits: one a byte. 4 bits: byte j of a block holds elements j and j + 16.

TW_HOST_DEVICE constexpr uint8_t PackNibbles(int low, int high) {
  return static_cast<uint8_t>((low & 15) | (high & 15) << 4);
}
TW_HOST_DEVICE constexpr int LowNibble(uint8_t byte) { return static_cast<int8_t>(byte << 4) >> 4; }
TW_HOST_DEVICE constexpr int HighNibble(uint8_t byte) { return static_cast<int8_t>(byte) >> 4; }

// Code i of a plane.
template <typename F>
TW_HOST_DEVICE constexpr int CodeAt(const uint8_t* codes, size_t i) {
  if constexpr (F::kBits == 8) return static_cast<int8_t>(codes[i]);
  const uint8_t byte = codes[i / kBlock * F::kBlockBytes + i % (kBlock / 2)];
  return i % kBlock < kBlock / 2 ? LowNibble(byte) : HighNibble(byte);
}
// The bytes of one block.
template <typename F>
TW_HOST_DEVICE constexpr void PackBlock(const int (&codes)[kBlock], uint8_t* bytes) {
  for (size_t i = 0; i < F::kBlockBytes; ++i) {
    bytes[i] = F::kBits == 8 ? static_cast<uint8_t>(codes[i])
                             : PackNibbles(codes[i], codes[(i + kBlock / 2) % kBlock]);
  }
}

}  // namespace thinwire::q

#endif  // THINWIRE_CODEC_Q_MATH_H_
