// SPDX-License-Identifier: Apache-2.0
//
// Random bytes of consecutive counters (philox.h), a vector of counters at a time. Part of
// simd_loops.h, which includes it inside its namespace.

#if defined(__SSE2__)

#if defined(__AVX512BW__)
typedef __m512i PhiloxRegister;
#define TW_PHILOX(name) _mm512_##name
#elif defined(__AVX2__)
typedef __m256i PhiloxRegister;
#define TW_PHILOX(name) _mm256_##name
#else
typedef __m128i PhiloxRegister;
#define TW_PHILOX(name) _mm_##name
#endif
typedef uint64_t PhiloxLanes __attribute__((vector_size(sizeof(PhiloxRegister))));
constexpr size_t kPhiloxLanes = sizeof(PhiloxLanes) / sizeof(uint64_t);

inline __attribute__((always_inline)) PhiloxRegister PhiloxBits(PhiloxLanes lanes) {
  return reinterpret_cast<PhiloxRegister>(lanes);
}

// philox::Product by the instruction that multiplies lower halves.
struct PhiloxProduct {
  inline __attribute__((always_inline)) PhiloxLanes operator()(PhiloxLanes word,
                                                               uint32_t factor) const {
    const PhiloxLanes factors = PhiloxLanes{} + factor;
    return reinterpret_cast<PhiloxLanes>(
        TW_PHILOX(mul_epu32)(PhiloxBits(word), PhiloxBits(factors)));
  }
};

// 16 bytes of each of kPhiloxLanes counters from `counter` on.
inline __attribute__((always_inline)) void PhiloxGroup(uint64_t key, uint64_t counter,
                                                       uint8_t* bytes) {
  // Unpacking joins every other lane of two registers: this order of counters comes out in turn.
  PhiloxLanes at = {};
  for (size_t i = 0; i < kPhiloxLanes; ++i) at[i] = counter + i / 2 + i % 2 * (kPhiloxLanes / 2);
  PhiloxLanes words[4] = {at, at >> 32, {}, {}};
  philox::Run(key, words, PhiloxProduct());
  const PhiloxRegister low = PhiloxBits(philox::Pair(words[0], words[1]));
  const PhiloxRegister high = PhiloxBits(philox::Pair(words[2], words[3]));
  const PhiloxRegister first = TW_PHILOX(unpacklo_epi64)(low, high);
  const PhiloxRegister second = TW_PHILOX(unpackhi_epi64)(low, high);
  memcpy(bytes, &first, sizeof(first));
  memcpy(bytes + sizeof(first), &second, sizeof(second));
}
#undef TW_PHILOX

#endif

// Room for `size` random bytes from any place on.
constexpr size_t PhiloxRoom(size_t size) { return size + philox::kBytes; }

// The random bytes of kSize elements from number `first` on, within `room`: element i has byte
// i mod 16 of counter i / 16. kSize is a multiple of 128.
template <size_t kSize>
inline __attribute__((always_inline)) const uint8_t* PhiloxBytes(uint64_t key, uint64_t first,
                                                                 uint8_t* room) {
  constexpr size_t kCounters = kSize / philox::kBytes;
  const uint64_t counter = first / philox::kBytes;
  size_t i = 0;
#if defined(__SSE2__)
  for (; i < kCounters; i += kPhiloxLanes) PhiloxGroup(key, counter + i, room + i * philox::kBytes);
#endif
  const size_t skipped = first % philox::kBytes;
  for (; i < kCounters + (skipped != 0); ++i) {
    const philox::Block block = philox::BlockAt(key, counter + i);
    memcpy(room + i * philox::kBytes, &block, philox::kBytes);
  }
  return room + skipped;
}
