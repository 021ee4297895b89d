// SPDX-License-Identifier: Apache-2.0
//
// The innermost loops of the codecs `q8` and `q4`: largest magnitudes of four blocks, bytes of a
// block, values of a block. Part of simd_loops.h. Vectors by hand where compilers widen and narrow
// bytes badly, plain loops elsewhere; the formulas are q_math.h's either way. `F` is q::Q8 or
// q::Q4.

#if defined(__AVX512BW__)

inline __attribute__((always_inline)) __m128i QBlockMaxima(const float* x) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  const __m512i low = _mm512_and_si512(_mm512_loadu_si512(x), mask);
  const __m512i high = _mm512_and_si512(_mm512_loadu_si512(x + 16), mask);
  const __m512i all = _mm512_max_epu32(low, high);
  const __m256i half =
      _mm256_max_epu32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_max_epu32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Codes of 16 elements from x on, in the low bits of the lanes; what stands above is no part.
template <bool kNoisy>
inline __attribute__((always_inline)) __m512i QCodes(const float* x, __m512 factor,
                                                     const uint8_t* noise) {
  const __m512 elements = _mm512_loadu_ps(x);
  if constexpr (!kNoisy) return _mm512_castps_si512(q::ShiftedCode(elements, factor));
  const __m512i bits = _mm512_castps_si512(q::ShiftedFineCode(elements, factor));
  const __m512i random =
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(noise)));
  return _mm512_srli_epi32(_mm512_add_epi32(bits, random), 8);
}

template <typename F, bool kNoisy>
inline __attribute__((always_inline)) void QEncodeBlock(const float* x, float inverse,
                                                        const uint8_t* noise, uint8_t* bytes) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const auto store = [](uint8_t* to, __m128i codes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  };
  const __m512i low = QCodes<kNoisy>(x, factor, noise);
  const __m512i high = QCodes<kNoisy>(x + 16, factor, noise + 16);
  if constexpr (F::kBits == 8) {
    store(bytes, _mm512_cvtepi32_epi8(low));
    store(bytes + 16, _mm512_cvtepi32_epi8(high));
  } else {
    const __m512i nibble = _mm512_and_si512(low, _mm512_set1_epi32(15));
    store(bytes, _mm512_cvtepi32_epi8(_mm512_or_si512(nibble, _mm512_slli_epi32(high, 4))));
  }
}

// A block of floats in registers.
struct QFloats {
  static constexpr size_t kParts = 2;
  __m512 parts[kParts];
};
using QFloat = __m512;
inline __attribute__((always_inline)) __m512 QAll(float x) { return _mm512_set1_ps(x); }
inline __attribute__((always_inline)) __m512 QLoad(const float* x) { return _mm512_loadu_ps(x); }
inline __attribute__((always_inline)) void QSave(__m512 x, float* target) {
  _mm512_storeu_ps(target, x);
}
// sum + code * step: the product is exact, so fusing the two gives the same bits.
inline __attribute__((always_inline)) __m512 QAdd(__m512 sum, __m512 code, __m512 step) {
  return _mm512_fmadd_ps(code, step, sum);
}

// The codes of a block as numbers.
template <typename F>
inline __attribute__((always_inline)) QFloats QNumbers(const uint8_t* bytes) {
  const auto load = [](const uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  };
  if constexpr (F::kBits == 8) {
    return {{_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load(bytes))),
             _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load(bytes + 16)))}};
  } else {
    // Looked up by the low 4 bits of each lane.
    const __m512 numbers = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    const __m512i pairs = _mm512_cvtepu8_epi32(load(bytes));
    return {{_mm512_permutexvar_ps(pairs, numbers),
             _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), numbers)}};
  }
}

#elif defined(__AVX2__)

inline __attribute__((always_inline)) __m128i QBlockMaxima(const float* x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i all = _mm256_setzero_si256();
  for (size_t i = 0; i < q::kBlock; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    all = _mm256_max_epu32(all, _mm256_and_si256(bits, mask));
  }
  return _mm_max_epu32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

// Codes of 8 elements from x on, as integers.
template <bool kNoisy>
inline __attribute__((always_inline)) __m256i QCodes(const float* x, __m256 factor,
                                                     const uint8_t* noise) {
  const __m256 elements = _mm256_loadu_ps(x);
  if constexpr (!kNoisy) {
    const __m256i bits = _mm256_castps_si256(q::ShiftedCode(elements, factor));
    return _mm256_sub_epi32(bits, _mm256_set1_epi32(static_cast<int>(q::kShift)));
  }
  const __m256i bits = _mm256_castps_si256(q::ShiftedFineCode(elements, factor));
  const __m256i fine = _mm256_sub_epi32(bits, _mm256_set1_epi32(static_cast<int>(q::kFineShift)));
  const __m256i random =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(noise)));
  return _mm256_srai_epi32(_mm256_add_epi32(fine, random), 8);
}

template <typename F, bool kNoisy>
inline __attribute__((always_inline)) void QEncodeBlock(const float* x, float inverse,
                                                        const uint8_t* noise, uint8_t* bytes) {
  const __m256 factor = _mm256_set1_ps(inverse);
  const auto code = [&](size_t i) { return QCodes<kNoisy>(x + i, factor, noise + i); };
  const auto store = [](uint8_t* to, __m128i codes) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), codes);
  };
  // Packing works within halves: put the fours of bytes back in order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  if constexpr (F::kBits == 8) {
    const __m256i low = _mm256_packs_epi32(code(0), code(8));
    const __m256i high = _mm256_packs_epi32(code(16), code(24));
    const __m256i all = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    store(bytes, _mm256_castsi256_si128(all));
    store(bytes + 16, _mm256_extracti128_si256(all, 1));
  } else {
    const auto pairs = [&](size_t i) {
      const __m256i nibble = _mm256_set1_epi32(15);
      const __m256i high = _mm256_and_si256(code(i + 16), nibble);
      return _mm256_or_si256(_mm256_and_si256(code(i), nibble), _mm256_slli_epi32(high, 4));
    };
    const __m256i words = _mm256_packus_epi32(pairs(0), pairs(8));
    const __m256i all = _mm256_packus_epi16(words, words);
    store(bytes, _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(all, order)));
  }
}

struct QFloats {
  static constexpr size_t kParts = 4;
  __m256 parts[kParts];
};
using QFloat = __m256;
inline __attribute__((always_inline)) __m256 QAll(float x) { return _mm256_set1_ps(x); }
inline __attribute__((always_inline)) __m256 QLoad(const float* x) { return _mm256_loadu_ps(x); }
inline __attribute__((always_inline)) void QSave(__m256 x, float* target) {
  _mm256_storeu_ps(target, x);
}
inline __attribute__((always_inline)) __m256 QAdd(__m256 sum, __m256 code, __m256 step) {
  return sum + q::Value(code, step);
}

template <typename F>
inline __attribute__((always_inline)) QFloats QNumbers(const uint8_t* bytes) {
  const auto load = [](const uint8_t* from) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  };
  if constexpr (F::kBits == 8) {
    return {{_mm256_cvtepi32_ps(load(bytes)), _mm256_cvtepi32_ps(load(bytes + 8)),
             _mm256_cvtepi32_ps(load(bytes + 16)), _mm256_cvtepi32_ps(load(bytes + 24))}};
  } else {
    const auto low = [](__m256i pairs) {
      return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(pairs, 28), 28));
    };
    const auto high = [](__m256i pairs) { return _mm256_cvtepi32_ps(_mm256_srai_epi32(pairs, 4)); };
    const __m256i first = load(bytes);
    const __m256i second = load(bytes + 8);
    return {{low(first), low(second), high(first), high(second)}};
  }
}

#else

template <typename F, bool kNoisy>
inline __attribute__((always_inline)) void QEncodeBlock(const float* __restrict x, float inverse,
                                                        const uint8_t* __restrict noise,
                                                        uint8_t* __restrict bytes) {
  int codes[q::kBlock];
  for (size_t i = 0; i < q::kBlock; ++i) {
    codes[i] = kNoisy ? q::NoisyCode(x[i], inverse, noise[i]) : q::Code(x[i], inverse);
  }
  q::PackBlock<F>(codes, bytes);
}

struct QFloats {
  static constexpr size_t kParts = q::kBlock;
  float parts[kParts];
};
using QFloat = float;
inline __attribute__((always_inline)) float QAll(float x) { return x; }
inline __attribute__((always_inline)) float QLoad(const float* x) { return *x; }
inline __attribute__((always_inline)) void QSave(float x, float* target) { *target = x; }
inline __attribute__((always_inline)) float QAdd(float sum, float code, float step) {
  return sum + q::Value(code, step);
}

template <typename F>
inline __attribute__((always_inline)) QFloats QNumbers(const uint8_t* __restrict bytes) {
  QFloats numbers;
  for (size_t i = 0; i < F::kBlockBytes; ++i) {
    if constexpr (F::kBits == 8) {
      numbers.parts[i] = static_cast<float>(static_cast<int8_t>(bytes[i]));
    } else {
      numbers.parts[i] = static_cast<float>(q::LowNibble(bytes[i]));
      numbers.parts[i + q::kBlock / 2] = static_cast<float>(q::HighNibble(bytes[i]));
    }
  }
  return numbers;
}

#endif

inline __attribute__((always_inline)) uint32_t QBlockMax(const float* x) {
  uint32_t largest = 0;
  for (size_t i = 0; i < q::kBlock; ++i) {
    const uint32_t magnitude = q::MagnitudeBits(x[i]);
    largest = largest < magnitude ? magnitude : largest;
  }
  return largest;
}

// maxima[0 .. 3] = the largest magnitudes, as bits, of 4 blocks.
inline __attribute__((always_inline)) void QFourMaxima(const float* x, uint32_t* maxima) {
#if defined(__AVX2__)
  // A register of 4 lanes a block, then lane by lane across the four.
  const __m128i a = QBlockMaxima(x);
  const __m128i b = QBlockMaxima(x + q::kBlock);
  const __m128i c = QBlockMaxima(x + 2 * q::kBlock);
  const __m128i d = QBlockMaxima(x + 3 * q::kBlock);
  const __m128i ab = _mm_max_epu32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
  const __m128i cd = _mm_max_epu32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
  const __m128i all = _mm_max_epu32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(maxima), all);
#else
  for (size_t b = 0; b < 4; ++b) maxima[b] = QBlockMax(x + b * q::kBlock);
#endif
}
