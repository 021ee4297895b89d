// SPDX-License-Identifier: Apache-2.0
//
// The formulas of codec `x3` (layout: docs/codecs.md): 3-bit codes of the distance of an exponent
// below its block's base, sign and mantissa as they are. Integers only: no bit is lost.
//
// An element is its upper 16 bits, coded as a bfloat16 is, and in binary32 16 lower bits, which are
// stored as they are.

#ifndef THINWIRE_CODEC_X3_MATH_H_
#define THINWIRE_CODEC_X3_MATH_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"

namespace thinwire::x3 {

inline constexpr size_t kBlock = 256;
inline constexpr size_t kChunk = 4096;
// Chunks begin at multiples of this many bytes of a run.
inline constexpr size_t kAlign = 16;
// Stands for an exponent that is listed in full. Codes 0 to 6 are distances.
inline constexpr uint8_t kEscape = 7;

// A block whose base is its largest exponent and that leaves more than kFewEscapes codes escaped
// takes the base, at most kMaxDrop lower, that leaves the fewest.
inline constexpr size_t kFewEscapes = 16;
inline constexpr unsigned kMaxDrop = 15;

TW_HOST_DEVICE constexpr uint8_t Exponent(uint16_t upper) {
  return static_cast<uint8_t>(upper >> 7);
}
TW_HOST_DEVICE constexpr uint8_t SignMantissa(uint16_t upper) {
  return static_cast<uint8_t>((upper >> 8 & 0x80) | (upper & 0x7f));
}
TW_HOST_DEVICE constexpr uint16_t Join(uint8_t sign_mantissa, uint8_t exponent) {
  return static_cast<uint16_t>((sign_mantissa & 0x80) << 8 | exponent << 7 |
                               (sign_mantissa & 0x7f));
}

// Distances are taken modulo 256, so any base and code give an exponent.
TW_HOST_DEVICE constexpr uint8_t Code(uint8_t base, uint8_t exponent) {
  const auto distance = static_cast<uint8_t>(base - exponent);
  return distance < kEscape ? distance : kEscape;
}
// The exponent of any other code.
TW_HOST_DEVICE constexpr uint8_t Below(uint8_t base, uint8_t code) {
  return static_cast<uint8_t>(base - code);
}

// Codes of a block of n elements: a bit for each of 64 elements and pads, three times.
TW_HOST_DEVICE constexpr size_t BitBytes(size_t n) { return (n + 63) / 64 * 8; }

// Bytes of a coded chunk of n elements of `size` bytes before its list of escapes.
TW_HOST_DEVICE constexpr size_t FixedBytes(size_t n, size_t size) {
  return (n + kBlock - 1) / kBlock + n * (size - 1) +
         3 * (n / kBlock * BitBytes(kBlock) + BitBytes(n % kBlock));
}
// The whole of it. A chunk that would take its raw size or more is stored raw.
TW_HOST_DEVICE constexpr size_t ChunkBytes(size_t n, size_t size, size_t escapes) {
  return (FixedBytes(n, size) + escapes + kAlign - 1) / kAlign * kAlign;
}

// Where the parts of a coded chunk of n elements of `size` bytes begin, after the bases.
struct Parts {
  size_t low;
  size_t sign_mantissas;
  size_t codes;
  size_t escapes;

  TW_HOST_DEVICE constexpr Parts(size_t n, size_t size)
      : low((n + kBlock - 1) / kBlock),
        sign_mantissas(low + n * (size - 2)),
        codes(sign_mantissas + n),
        escapes(FixedBytes(n, size)) {}
};

// ---- Codes in planes ----

// A block's codes, 8 w of them, take three bits each, w = BitBytes: byte j of the first 2 w has the
// lower two bits of codes j, j + 2 w, j + 4 w, j + 6 w; byte j of the last w has the upper bits of
// codes j, j + w, ... So bytes are packed side by side, as many as a word has.
template <typename Word>
inline constexpr Word kOnes = static_cast<Word>(~Word{0}) / 0xff;

// `bits` up by `places`, which may be negative.
template <typename Word>
TW_HOST_DEVICE constexpr Word ShiftUp(Word bits, int places) {
  return places < 0 ? bits >> -places : bits << places;
}
// What codes, one a byte, put into their bytes of the lower plane at place 0 to 3, and of the upper
// plane at place 0 to 7.
template <typename Word>
TW_HOST_DEVICE constexpr Word LowerBits(Word codes, int place) {
  return (codes & 3 * kOnes<Word>) << 2 * place;
}
template <typename Word>
TW_HOST_DEVICE constexpr Word UpperBits(Word codes, int place) {
  return ShiftUp<Word>(codes & 4 * kOnes<Word>, place - 2);
}
// The codes back.
template <typename Word>
TW_HOST_DEVICE constexpr Word CodesOf(Word lower, int lower_place, Word upper, int upper_place) {
  return (lower >> 2 * lower_place & 3 * kOnes<Word>) |
         (ShiftUp<Word>(upper, 2 - upper_place) & 4 * kOnes<Word>);
}

// ---- Runs ----

// Bytes of the table of ends before the chunks of a run.
TW_HOST_DEVICE constexpr size_t TableBytes(size_t chunks) {
  return (chunks * sizeof(uint64_t) + kAlign - 1) / kAlign * kAlign;
}

}  // namespace thinwire::x3

#endif  // THINWIRE_CODEC_X3_MATH_H_
