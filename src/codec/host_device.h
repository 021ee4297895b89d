// SPDX-License-Identifier: Apache-2.0
//
// TW_HOST_DEVICE marks a formula that is written once and run by host loops and by CUDA kernels.
// Such functions take and give plain values, use no intrinsics and no library, and are always
// inlined: so a translation unit built for one instruction set leaves no copy for another to call.
// Compile without contraction (-ffp-contract=off, --fmad=false) and without relaxed arithmetic.

#ifndef THINWIRE_CODEC_HOST_DEVICE_H_
#define THINWIRE_CODEC_HOST_DEVICE_H_

#if defined(__CUDACC__)
#define TW_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define TW_HOST_DEVICE inline __attribute__((always_inline))
#endif

namespace thinwire {

// The bits of `value` as a `To` (std::bit_cast, which device code may not call).
template <typename To, typename From>
TW_HOST_DEVICE constexpr To BitCast(From value) {
  return __builtin_bit_cast(To, value);
}

}  // namespace thinwire

#endif  // THINWIRE_CODEC_HOST_DEVICE_H_
