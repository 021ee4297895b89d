// SPDX-License-Identifier: Apache-2.0
//
// The formulas of reductions on accumulators: float, double or an integer (passes.h).

#ifndef THINWIRE_CODEC_REDUCE_MATH_H_
#define THINWIRE_CODEC_REDUCE_MATH_H_

#include <cstdint>
#include <type_traits>

#include "base/types.h"
#include "codec/host_device.h"

namespace thinwire::reduce {

// A NaN on either side of kMin and kMax gives NaN. Integers wrap; unsigned arithmetic keeps that
// defined.
template <Reduction kOp, typename T>
TW_HOST_DEVICE constexpr T Combined(T a, T b) {
  if constexpr (kOp == Reduction::kMin || kOp == Reduction::kMax) {
    if (a != a || b != b) return a != a ? a : b;
    const bool second = kOp == Reduction::kMin ? b < a : a < b;
    return second ? b : a;
  } else if constexpr (std::is_floating_point_v<T>) {
    return kOp == Reduction::kProd ? a * b : a + b;
  } else {
    const auto x = static_cast<uint64_t>(a);
    const auto y = static_cast<uint64_t>(b);
    return static_cast<T>(kOp == Reduction::kProd ? x * y : x + y);
  }
}

// A contribution that its rank multiplies first. Integers wrap.
template <typename T>
TW_HOST_DEVICE constexpr T Scaled(T x, T factor) {
  if constexpr (std::is_floating_point_v<T>) {
    return x * factor;
  } else {
    return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(factor));
  }
}

// Floats are multiplied by 1 / divisor; integers divided, toward zero.
template <typename T>
TW_HOST_DEVICE constexpr T Averaged(T sum, int divisor) {
  if constexpr (std::is_floating_point_v<T>) {
    return sum * (T{1} / static_cast<T>(divisor));
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    return static_cast<T>(static_cast<Wide>(sum) / static_cast<Wide>(divisor));
  }
}

}  // namespace thinwire::reduce

#endif  // THINWIRE_CODEC_REDUCE_MATH_H_
