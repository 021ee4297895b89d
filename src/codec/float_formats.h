// SPDX-License-Identifier: Apache-2.0
//
// bfloat16, half and the two 8-bit floats to and from binary32, in integer arithmetic, the same
// bits on every machine. Widening is exact. Narrowing rounds to nearest, ties to even; what
// overflows becomes Inf, or NaN in E4M3, which has no Inf. NaN stays a (quiet) NaN of its sign.

#ifndef THINWIRE_CODEC_FLOAT_FORMATS_H_
#define THINWIRE_CODEC_FLOAT_FORMATS_H_

#include <cstdint>

#include "codec/host_device.h"

namespace thinwire {

// A binary format narrower than binary32: 1 sign bit, then the exponent, then the mantissa.
template <typename BitsType, int kExponent, int kMantissa, bool kInf>
struct NarrowFloat {
  using Bits = BitsType;
  static constexpr int kExponentBits = kExponent;
  static constexpr int kMantissaBits = kMantissa;
  static constexpr bool kHasInf = kInf;
  static constexpr int kBias = (1 << (kExponent - 1)) - 1;
  static constexpr int kSignShift = kExponent + kMantissa;
  static constexpr uint32_t kMagnitude = (1u << kSignShift) - 1;
  static constexpr uint32_t kQuietNan =
      kInf ? kMagnitude & ~((1u << (kMantissa - 1)) - 1) : kMagnitude;
  // The first magnitude past the finite ones: Inf, or the NaN of a format without Inf.
  static constexpr uint32_t kOverflow = kInf ? kMagnitude & ~((1u << kMantissa) - 1) : kMagnitude;
};
using Bfloat16 = NarrowFloat<uint16_t, 8, 7, true>;
using Half = NarrowFloat<uint16_t, 5, 10, true>;
using Float8e4m3 = NarrowFloat<uint8_t, 4, 3, false>;  // the "fn" variant: NaN is S.1111.111 alone
using Float8e5m2 = NarrowFloat<uint8_t, 5, 2, true>;

// value / 2^shift, rounded to nearest, ties to even; 1 <= shift <= 31.
TW_HOST_DEVICE constexpr uint32_t ShiftRoundEven(uint32_t value, uint32_t shift) {
  return (value + ((1u << (shift - 1)) - 1) + ((value >> shift) & 1)) >> shift;
}

template <typename Format>
TW_HOST_DEVICE constexpr float Widen(typename Format::Bits narrow) {
  constexpr int kShift = 23 - Format::kMantissaBits;
  constexpr uint32_t kRebias = static_cast<uint32_t>(127 - Format::kBias) << 23;
  const uint32_t sign = static_cast<uint32_t>(narrow >> Format::kSignShift) << 31;
  const uint32_t magnitude = narrow & Format::kMagnitude;
  uint32_t bits = (magnitude << kShift) + kRebias;
  if constexpr (kRebias != 0) {
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

}  // namespace thinwire

#endif  // THINWIRE_CODEC_FLOAT_FORMATS_H_
