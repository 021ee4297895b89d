// SPDX-License-Identifier: Apache-2.0
//
// The formulas of residuals and references (passes.h). What is not finite never stays: a residual
// becomes 0 and a reference counts as 0, so that one bad step costs one step.

#ifndef THINWIRE_CODEC_STATE_MATH_H_
#define THINWIRE_CODEC_STATE_MATH_H_

#include <cstdint>

#include "codec/host_device.h"

namespace thinwire::state {

TW_HOST_DEVICE constexpr float FiniteOrZero(float x) {
  const uint32_t bits = BitCast<uint32_t>(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? 0.0f : x;
}

TW_HOST_DEVICE constexpr float WithResidual(float x, float residual) { return x + residual; }
// e' of what was to be sent, t, and what the receiver decodes, y.
TW_HOST_DEVICE constexpr float Residual(float t, float y) { return FiniteOrZero(t - y); }

TW_HOST_DEVICE constexpr float Difference(float x, float reference) {
  return x - FiniteOrZero(reference);
}
TW_HOST_DEVICE constexpr float Advanced(float reference, float y) {
  return FiniteOrZero(reference) + y;
}

}  // namespace thinwire::state

#endif  // THINWIRE_CODEC_STATE_MATH_H_
