// SPDX-License-Identifier: Apache-2.0
//
// The formulas of codecs `rq4`, `rq3`, `rq2`, `rq1` (layout and error: docs/codecs.md): blocks of
// 256 rotated by signs and a Walsh-Hadamard transform, then coded on a grid relative to their
// largest magnitude, with levels that are small integers.
//
// A chunk is a matrix of 256 rows and `lanes` columns in memory order, and each column is a block:
// all work is vertical (docs/design/005-interleaved-rotation.md).
//
// Encoder: h = H (flips x), by butterflies on bits 0, 1 .. 7 of the row, where flips are +-2^-8, so
// nothing overflows; grid points w = round_even(|h| * 126 / M), M the largest |h| of the block.
// Thresholds and sums are on the integers w, so no order of summation changes a bit. Decoder: the
// same transform of the integer levels, at most 127 * 256: every operation in it is exact.

#ifndef THINWIRE_CODEC_RQ_MATH_H_
#define THINWIRE_CODEC_RQ_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/float_formats.h"
#include "codec/host_device.h"
#include "codec/philox.h"

namespace thinwire::rq {

inline constexpr size_t kRows = 256;
inline constexpr size_t kLanes = 16;  // of a whole chunk
inline constexpr size_t kChunk = kRows * kLanes;
inline constexpr size_t kHeadBytes = 16;  // of chunks that carry a seed

// ---- Layout: [scale plane][code planes], n elements, 1 <= n <= kChunk ----

TW_HOST_DEVICE constexpr size_t Lanes(size_t n) { return (n + kRows - 1) / kRows; }
TW_HOST_DEVICE constexpr size_t ScaleBytes(size_t lanes) { return (lanes * 2 + 15) / 16 * 16; }
// Rows of `lanes` bytes in the code planes.
TW_HOST_DEVICE constexpr size_t CodeRows(int bits) { return kRows / 8 * static_cast<size_t>(bits); }
TW_HOST_DEVICE constexpr size_t PlaneBytes(size_t n, int bits) {
  return ScaleBytes(Lanes(n)) + CodeRows(bits) * Lanes(n);
}

// ---- Tables, by tools/train_tables ----

// The grid points 0 .. 126 are cut into `cells`; cell i starts at first[i] and has level[i].
struct Table {
  int cells;
  uint8_t first[8];
  int8_t level[8];
};
TW_HOST_DEVICE constexpr Table TableOf(int bits) {
  switch (bits) {
    case 4:
      return {8, {0, 11, 22, 33, 45, 59, 76, 99}, {6, 18, 30, 43, 57, 74, 95, 126}};
    case 3:
      return {4, {0, 21, 44, 74}, {13, 40, 72, 117}};
    case 2:
      return {2, {0, 41}, {21, 71}};
    default:
      return {1, {0}, {64}};
  }
}
inline constexpr float kGrid = 126.0f;

// The cell of grid point w.
TW_HOST_DEVICE constexpr uint32_t CellOf(int bits, uint32_t w) {
  const Table table = TableOf(bits);
  uint32_t cell = 0;
  for (int i = 1; i < 8; ++i) cell += i < table.cells && w >= table.first[i] ? 1u : 0u;
  return cell;
}

// The signed level of a code: its upper bit is the sign, the others are the cell.
TW_HOST_DEVICE constexpr int8_t LevelOf(int bits, uint32_t code) {
  const uint32_t sign = 1u << (bits - 1);
  const int8_t level = TableOf(bits).level[code & (sign - 1)];
  return (code & sign) != 0 ? static_cast<int8_t>(-level) : level;
}

// ---- Signs ----

// 256 bits, one a row: which rows are negated. kSigns, the constant pattern, is flat under the
// transform (all its Walsh coefficients are +-16), so constant blocks lose next to nothing.
struct Signs {
  uint32_t words[8];
};
inline constexpr Signs kSigns = {{0xd6047888, 0x6639c8b5, 0xa49e0a12, 0x14a3ba2f, 0x0c6ca2e0,
                                  0xbc5112dd, 0x7ef6d07a, 0xcecb6047}};
// Random ones for `+unbiased`, from the seed that a chunk carries; in two halves, 0 and 1.
TW_HOST_DEVICE constexpr void SetHalf(uint32_t seed, uint32_t half, Signs& signs) {
  const philox::Block block = philox::BlockAt(seed, half);
  for (uint32_t i = 0; i < 4; ++i) {
    signs.words[4 * half + i] = static_cast<uint32_t>(block.pairs[i / 2] >> (i % 2 * 32));
  }
}
TW_HOST_DEVICE constexpr Signs SignsOf(uint32_t seed) {
  Signs signs = {};
  SetHalf(seed, 0, signs);
  SetHalf(seed, 1, signs);
  return signs;
}
// The seed of the chunk whose first element has this index in its run.
TW_HOST_DEVICE constexpr uint32_t SeedOf(uint64_t key, uint64_t index) {
  return static_cast<uint32_t>(philox::BlockAt(key, index).pairs[0]);
}
// The factor of a row whose bit stands lowest: -2^-8 where it is set.
TW_HOST_DEVICE constexpr float Flip(uint32_t bits) {
  return BitCast<float>(0x3b800000u | bits << 31);
}

// ---- Encoder. `F` is float or a vector of floats. ----

template <typename F>
TW_HOST_DEVICE constexpr void Butterfly(F& low, F& high) {
  const F sum = low + high;
  high = low - high;
  low = sum;
}

inline constexpr uint32_t kInfBits = 0x7f800000u;
// Blocks whose M is under 2^-119 are zero blocks: 126 / M stays finite, scales stay normal numbers.
inline constexpr uint32_t kSmallestBits = (127 - 119) << 23;
// M as bits. NaN and Inf reach every coefficient of their block.
TW_HOST_DEVICE constexpr bool IsSpecial(uint32_t largest_bits) { return largest_bits >= kInfBits; }
TW_HOST_DEVICE constexpr bool IsOrdinary(uint32_t largest_bits) {
  return largest_bits >= kSmallestBits && largest_bits < kInfBits;
}

// 126 / M, or 0 where all codes are to be 0.
TW_HOST_DEVICE constexpr float InverseOf(uint32_t largest_bits) {
  return IsOrdinary(largest_bits) ? kGrid / BitCast<float>(largest_bits) : 0.0f;
}

// magnitude * inverse on the grid: the low 7 bits of the result's bits; less kGridBase, a float.
inline constexpr float kGridBase = 8388608.0f;  // 2^23
template <typename F>
TW_HOST_DEVICE constexpr F OnGrid(F magnitude, F inverse) {
  return magnitude * inverse + kGridBase;
}

// The scale of an ordinary block, a bfloat16: 2^8 * numerator / denominator * M / 126. With w and
// levels l, the sums are
//   sum w l / sum l l    least squares: the closest multiple of the levels to the block, or
//   sum w w / sum w l    unbiased: what is decoded has the projection of the block on itself.
TW_HOST_DEVICE constexpr uint16_t ScaleOf(float numerator, float denominator, float largest) {
  constexpr float kPerGrid = 256.0f / kGrid;
  const uint16_t scale = Narrow<Bfloat16>(numerator / denominator * kPerGrid * largest);
  return scale < 0x7f7f ? scale : uint16_t{0x7f7f};
}
inline constexpr uint16_t kSpecialScale = 0x7fc0;
// The same of any block; `squares` are those of w where unbiased, else those of l.
TW_HOST_DEVICE constexpr uint16_t BlockScale(uint32_t largest_bits, float products, float squares,
                                             bool unbiased) {
  if (IsSpecial(largest_bits)) return kSpecialScale;
  if (!IsOrdinary(largest_bits)) return 0;
  return ScaleOf(unbiased ? squares : products, unbiased ? products : squares,
                 BitCast<float>(largest_bits));
}

// ---- Decoder ----

// From this magnitude of a scale on (2^121) elements may overflow; they become +-FLT_MAX then, or
// NaN under a scale that is no number. Scale 0 gives +0.
inline constexpr uint32_t kGuardBits = (121 + 127) << 23;

// What elements are made of, from the bits of their block's scale.
struct Scaling {
  float scale;
  int32_t keep;     // 0 where the scale is 0 or no number
  int32_t instead;  // what to give then: +0 or NaN
  bool guarded;     // whether elements need Guarded
};
TW_HOST_DEVICE constexpr Scaling ScalingOf(uint16_t bfloat) {
  const uint32_t bits = static_cast<uint32_t>(bfloat) << 16;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const bool special = IsSpecial(magnitude);
  return {special ? 0.0f : BitCast<float>(bits), special || magnitude == 0 ? 0 : -1,
          special ? 0x7fc00000 : 0, magnitude >= kGuardBits || magnitude == 0};
}

// An element of the transformed levels, which `flip` brings back to their size; and its bits where
// it may overflow or its scale is none. `F` and `I` are float and int32_t, or vectors of them.
template <typename F>
TW_HOST_DEVICE constexpr F Restored(F integer, float flip, F scale) {
  return integer * flip * scale;
}
template <typename I>
TW_HOST_DEVICE constexpr I Guarded(I bits, I keep, I instead) {
  // +-Inf becomes +-FLT_MAX. Not by subtraction, which would overflow in the lanes of -0.
  const I saturated =
      (bits & 0x7fffffff) == static_cast<int32_t>(kInfBits) ? bits ^ 0x00ffffff : bits;
  return (saturated & keep) | instead;
}

}  // namespace thinwire::rq

#endif  // THINWIRE_CODEC_RQ_MATH_H_
