// SPDX-License-Identifier: Apache-2.0
#include "codec/simd.h"

#include <array>
#include <atomic>

namespace thinwire {

extern const SimdLoops kSimdBaseline;
#if defined(__x86_64__)
extern const SimdLoops kSimdAvx2;
extern const SimdLoops kSimdAvx512;
#endif

namespace {

struct Available {
  std::array<const SimdLoops*, 3> loops = {&kSimdBaseline};
  size_t count = 1;
};

Available Detect() {
  Available available;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) available.loops[available.count++] = &kSimdAvx2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    available.loops[available.count++] = &kSimdAvx512;
  }
#endif
  return available;
}

const Available& Detected() {
  static const Available available = Detect();
  return available;
}

std::atomic<const SimdLoops*> forced = nullptr;

}  // namespace

const SimdLoops& Simd() {
  const SimdLoops* loops = forced.load(std::memory_order_relaxed);
  return loops != nullptr ? *loops : *SimdAvailable().back();
}

std::span<const SimdLoops* const> SimdAvailable() {
  return std::span(Detected().loops).first(Detected().count);
}

void ForceSimd(const SimdLoops* loops) { forced.store(loops, std::memory_order_relaxed); }

}  // namespace thinwire
