// SPDX-License-Identifier: Apache-2.0
//
// The innermost loops of codec `q8`: largest magnitudes of four blocks, codes of a block, values of
// a block. Part of simd_loops.h. Vectors by hand where compilers widen and narrow bytes badly,
// plain loops elsewhere; the formulas are q8_math.h's either way.

// How results are stored: plainly, added to what is there, or past the caches to 16-byte aligned
// places.
enum class Q8Store { kPlain, kAdd, kStream };

#if defined(__AVX2__)

// Lane i of the result: the maximum over the 4 lanes of the i-th argument.
inline __attribute__((always_inline)) __m128i Q8LaneMaxima(__m128i a, __m128i b, __m128i c,
                                                           __m128i d) {
  const __m128i ab = _mm_max_epu32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
  const __m128i cd = _mm_max_epu32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
  return _mm_max_epu32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
}

#endif

#if defined(__AVX512BW__)

inline __attribute__((always_inline)) __m128i Q8BlockMaxima(const float* x) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  const __m512i low = _mm512_and_si512(_mm512_loadu_si512(x), mask);
  const __m512i high = _mm512_and_si512(_mm512_loadu_si512(x + 16), mask);
  const __m512i all = _mm512_max_epu32(low, high);
  const __m256i half =
      _mm256_max_epu32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_max_epu32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8CodeBlock(const float* x, float inverse,
                                                       int8_t* codes) {
  const __m512 factor = _mm512_set1_ps(inverse);
  for (size_t i = 0; i < q8::kBlock; i += 16) {
    const __m512 shifted = q8::ShiftedCode(_mm512_loadu_ps(x + i), factor);
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(shifted));
    auto* const to = reinterpret_cast<__m128i*>(codes + i);
    kStore == Q8Store::kStream ? _mm_stream_si128(to, bytes) : _mm_storeu_si128(to, bytes);
  }
}

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8DecodeBlock(const int8_t* codes, float step,
                                                         float* target) {
  const __m512 factor = _mm512_set1_ps(step);
  for (size_t i = 0; i < q8::kBlock; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
    const __m512 code = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
    const __m512 value = q8::Value(code, factor);
    if constexpr (kStore == Q8Store::kStream) {
      _mm_stream_ps(target + i, _mm512_castps512_ps128(value));
      _mm_stream_ps(target + i + 4, _mm512_extractf32x4_ps(value, 1));
      _mm_stream_ps(target + i + 8, _mm512_extractf32x4_ps(value, 2));
      _mm_stream_ps(target + i + 12, _mm512_extractf32x4_ps(value, 3));
    } else if constexpr (kStore == Q8Store::kAdd) {
      _mm512_storeu_ps(target + i, _mm512_loadu_ps(target + i) + value);
    } else {
      _mm512_storeu_ps(target + i, value);
    }
  }
}

#elif defined(__AVX2__)

inline __attribute__((always_inline)) __m128i Q8BlockMaxima(const float* x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i all = _mm256_setzero_si256();
  for (size_t i = 0; i < q8::kBlock; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    all = _mm256_max_epu32(all, _mm256_and_si256(bits, mask));
  }
  return _mm_max_epu32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8CodeBlock(const float* x, float inverse,
                                                       int8_t* codes) {
  const __m256 factor = _mm256_set1_ps(inverse);
  const auto code = [&](size_t i) {
    const __m256 shifted = q8::ShiftedCode(_mm256_loadu_ps(x + i), factor);
    return _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(0x4b400000));
  };
  const __m256i low = _mm256_packs_epi32(code(0), code(8));
  const __m256i high = _mm256_packs_epi32(code(16), code(24));
  // Packing works within halves: put the fours of bytes back in order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  auto* const to = reinterpret_cast<__m128i*>(codes);
  if constexpr (kStore == Q8Store::kStream) {
    _mm_stream_si128(to, _mm256_castsi256_si128(bytes));
    _mm_stream_si128(to + 1, _mm256_extracti128_si256(bytes, 1));
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), bytes);
  }
}

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8DecodeBlock(const int8_t* codes, float step,
                                                         float* target) {
  const __m256 factor = _mm256_set1_ps(step);
  for (size_t i = 0; i < q8::kBlock; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + i));
    const __m256 code = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    const __m256 value = q8::Value(code, factor);
    if constexpr (kStore == Q8Store::kStream) {
      _mm_stream_ps(target + i, _mm256_castps256_ps128(value));
      _mm_stream_ps(target + i + 4, _mm256_extractf128_ps(value, 1));
    } else if constexpr (kStore == Q8Store::kAdd) {
      _mm256_storeu_ps(target + i, _mm256_loadu_ps(target + i) + value);
    } else {
      _mm256_storeu_ps(target + i, value);
    }
  }
}

#else

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8CodeBlock(const float* __restrict x, float inverse,
                                                       int8_t* __restrict codes) {
  for (size_t i = 0; i < q8::kBlock; ++i) codes[i] = q8::Code(x[i], inverse);
}

template <Q8Store kStore>
inline __attribute__((always_inline)) void Q8DecodeBlock(const int8_t* __restrict codes, float step,
                                                         float* __restrict target) {
  for (size_t i = 0; i < q8::kBlock; ++i) {
    const float value = q8::Value(static_cast<float>(codes[i]), step);
    target[i] = kStore == Q8Store::kAdd ? target[i] + value : value;
  }
}

#endif

inline __attribute__((always_inline)) uint32_t Q8BlockMax(const float* x) {
  uint32_t largest = 0;
  for (size_t i = 0; i < q8::kBlock; ++i) {
    const uint32_t magnitude = q8::MagnitudeBits(x[i]);
    largest = largest < magnitude ? magnitude : largest;
  }
  return largest;
}

// maxima[0 .. 3] = the largest magnitudes, as bits, of 4 blocks.
inline __attribute__((always_inline)) void Q8FourMaxima(const float* x, uint32_t* maxima) {
#if defined(__AVX2__)
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(maxima),
      Q8LaneMaxima(Q8BlockMaxima(x), Q8BlockMaxima(x + q8::kBlock),
                   Q8BlockMaxima(x + 2 * q8::kBlock), Q8BlockMaxima(x + 3 * q8::kBlock)));
#else
  for (size_t b = 0; b < 4; ++b) maxima[b] = Q8BlockMax(x + b * q8::kBlock);
#endif
}
