// SPDX-License-Identifier: Apache-2.0
//
// bfloat16, half and the floats of 8, 6 and 4 bits to and from binary32, in integer or exact
// arithmetic, the same bits on every machine. Widening is exact. Narrowing rounds to nearest, ties
// to even; what overflows becomes Inf, or NaN in E4M3, which has no Inf. NaN stays a (quiet) NaN of
// its sign. NarrowSaturated stops at the largest finite number instead, as the block formats do.

#ifndef THINWIRE_CODEC_FLOAT_FORMATS_H_
#define THINWIRE_CODEC_FLOAT_FORMATS_H_

#include <cstdint>

#include "codec/host_device.h"

namespace thinwire {

// A binary format narrower than binary32: 1 sign bit, then the exponent, then the mantissa.
template <typename BitsType, int kExponent, int kMantissa, bool kInf, bool kNan = true>
struct NarrowFloat {
  using Bits = BitsType;
  static constexpr int kExponentBits = kExponent;
  static constexpr int kMantissaBits = kMantissa;
  static constexpr bool kHasInf = kInf;
  static constexpr bool kHasNan = kNan;
  static constexpr int kBias = (1 << (kExponent - 1)) - 1;
  static constexpr int kSignShift = kExponent + kMantissa;
  static constexpr uint32_t kMagnitude = (1u << kSignShift) - 1;
  static constexpr uint32_t kQuietNan =
      kInf ? kMagnitude & ~((1u << (kMantissa - 1)) - 1) : kMagnitude;
  // The first magnitude past the finite ones: Inf, the NaN of a format without Inf, or none.
  static constexpr uint32_t kOverflow = kInf   ? kMagnitude & ~((1u << kMantissa) - 1)
                                        : kNan ? kMagnitude
                                               : kMagnitude + 1;
  static constexpr uint32_t kLargest = kOverflow - 1;
};
using Bfloat16 = NarrowFloat<uint16_t, 8, 7, true>;
using Half = NarrowFloat<uint16_t, 5, 10, true>;
using Float8e4m3 = NarrowFloat<uint8_t, 4, 3, false>;  // the "fn" variant: NaN is S.1111.111 alone
using Float8e5m2 = NarrowFloat<uint8_t, 5, 2, true>;
// The OCP Microscaling elements below 8 bits, in the low bits of a byte: all patterns are finite.
using Float6e2m3 = NarrowFloat<uint8_t, 2, 3, false, false>;
using Float6e3m2 = NarrowFloat<uint8_t, 3, 2, false, false>;
using Float4e2m1 = NarrowFloat<uint8_t, 2, 1, false, false>;

// value / 2^shift, rounded to nearest, ties to even; 1 <= shift <= 31.
TW_HOST_DEVICE constexpr uint32_t ShiftRoundEven(uint32_t value, uint32_t shift) {
  return (value + ((1u << (shift - 1)) - 1) + ((value >> shift) & 1)) >> shift;
}

// `narrow` has nothing above its sign bit.
template <typename Format>
TW_HOST_DEVICE constexpr float Widen(uint32_t narrow) {
  constexpr int kShift = 23 - Format::kMantissaBits;
  constexpr uint32_t kRebias = static_cast<uint32_t>(127 - Format::kBias) << 23;
  const uint32_t sign = narrow >> Format::kSignShift << 31;
  const uint32_t magnitude = narrow & Format::kMagnitude;
  uint32_t bits = (magnitude << kShift) + kRebias;
  if constexpr (!Format::kHasNan) {
    // Significand times a power of two, both exact, with no case for subnormals.
    constexpr int32_t kUnit = 127 - Format::kBias - Format::kMantissaBits;
    const int32_t field = static_cast<int32_t>(magnitude) >> Format::kMantissaBits;
    const int32_t exponent = field > 1 ? field : 1;
    const int32_t significand =
        static_cast<int32_t>(magnitude) - ((exponent - 1) << Format::kMantissaBits);
    bits = BitCast<uint32_t>(static_cast<float>(significand) *
                             BitCast<float>((exponent + kUnit) << 23));
  } else if constexpr (kRebias != 0) {
    // Subnormal: mantissa * 2^(1 - bias - mantissa bits), an exact product of normal numbers.
    constexpr uint32_t kUnit =
        static_cast<uint32_t>(127 + 1 - Format::kBias - Format::kMantissaBits) << 23;
    const float small = static_cast<float>(static_cast<int32_t>(magnitude)) * BitCast<float>(kUnit);
    bits = magnitude < (1u << Format::kMantissaBits) ? BitCast<uint32_t>(small) : bits;
    const uint32_t special = 0x7f800000u | (magnitude << kShift);
    bits = magnitude >= Format::kOverflow ? special : bits;
  }
  return BitCast<float>(sign | bits);
}

template <typename Format>
TW_HOST_DEVICE constexpr typename Format::Bits Narrow(float wide) {
  static_assert(Format::kHasNan);
  constexpr uint32_t kShift = 23 - Format::kMantissaBits;
  constexpr uint32_t kRebias = static_cast<uint32_t>(127 - Format::kBias) << 23;
  const uint32_t bits = BitCast<uint32_t>(wide);
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Wraps for what is subnormal in the narrow format, which the next step replaces.
  uint32_t narrow = ShiftRoundEven(magnitude - kRebias, kShift);
  if constexpr (kRebias != 0) {
    const uint32_t exponent = magnitude >> 23;
    const uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t deficit = (kRebias >> 23) + 1 - exponent;
    const uint32_t shift = kShift + (deficit > 26 - kShift ? 26 - kShift : deficit);
    const uint32_t subnormal = ShiftRoundEven(significand, shift);
    narrow = magnitude < kRebias + 0x800000u ? subnormal : narrow;
  }
  narrow = narrow > Format::kOverflow ? Format::kOverflow : narrow;
  const uint32_t payload = (magnitude >> kShift) & ((1u << Format::kMantissaBits) - 1);
  narrow = magnitude > 0x7f800000u ? Format::kQuietNan | payload : narrow;
  return static_cast<typename Format::Bits>(((bits >> 31) << Format::kSignShift) | narrow);
}

// The nearest finite number, ties to even; Inf and NaN give the largest of their sign. For formats
// with an exponent range well inside that of binary32. No shift depends on the data, so every
// instruction set has it as vectors.
template <typename Format>
TW_HOST_DEVICE constexpr uint32_t NarrowSaturated(float wide) {
  static_assert(Format::kExponentBits <= 5);
  constexpr int32_t kShift = 23 - Format::kMantissaBits;
  constexpr int32_t kLowest = (127 + 1 - Format::kBias) << 23;  // the smallest normal number
  constexpr int32_t kMostBits = BitCast<int32_t>(Widen<Format>(Format::kLargest));
  const uint32_t bits = BitCast<uint32_t>(wide);
  int32_t magnitude = static_cast<int32_t>(bits & 0x7fffffffu);
  magnitude = magnitude < kMostBits ? magnitude : kMostBits;
  int32_t exponent = magnitude & 0x7f800000;
  exponent = exponent > kLowest ? exponent : kLowest;
  // A power of two so large that the sum's last bit is worth the result's: adding it rounds.
  const int32_t anchor = exponent + (kShift << 23);
  const float sum = BitCast<float>(magnitude) + BitCast<float>(anchor);
  const int32_t units = BitCast<int32_t>(sum) - anchor;
  // Units carry into the exponent field by themselves, and subnormals have none.
  const uint32_t narrow = static_cast<uint32_t>(units + ((exponent - kLowest) >> kShift));
  return ((bits >> 31) << Format::kSignShift) | narrow;
}

// ---- E8M0: an exponent alone, the scale of OCP Microscaling blocks ----

inline constexpr uint32_t kE8m0Bias = 127;
inline constexpr uint32_t kE8m0Nan = 255;

// 2^(bits - 127), exactly; the smallest is subnormal in binary32.
TW_HOST_DEVICE constexpr float WidenE8m0(uint32_t bits) {
  const uint32_t power = bits == 0 ? 0x00400000u : bits << 23;
  return BitCast<float>(bits == kE8m0Nan ? 0x7fc00000u : power);
}

}  // namespace thinwire

#endif  // THINWIRE_CODEC_FLOAT_FORMATS_H_
