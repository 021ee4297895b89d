// SPDX-License-Identifier: Apache-2.0
//
// The vectors of the rotated quantizers and what is done to one vector of coefficients. Part of
// simd_loops.h. Vectors are those of the compiler (GCC and Clang split what the machine lacks);
// only table lookups and stores past the caches name instructions.

#if defined(__AVX512BW__)
constexpr size_t kRqWidth = 16;
#elif defined(__AVX2__)
constexpr size_t kRqWidth = 8;
#else
constexpr size_t kRqWidth = 4;
#endif
typedef float RqF __attribute__((vector_size(kRqWidth * 4)));
typedef int32_t RqI __attribute__((vector_size(kRqWidth * 4)));
typedef uint8_t RqBytes __attribute__((vector_size(kRqWidth)));
// Levels and their transforms: half as wide as floats where whole rows of 16 fit.
constexpr size_t kRqShorts = kRqWidth < 8 ? 8 : 16;
typedef int16_t RqS __attribute__((vector_size(kRqShorts * 2)));
typedef uint8_t RqCodes __attribute__((vector_size(kRqShorts)));
typedef int8_t RqLevels __attribute__((vector_size(kRqShorts)));

#define TW_RQ inline __attribute__((always_inline))

template <typename V>
TW_RQ V RqLoad(const void* from) {
  V vector;
  memcpy(&vector, from, sizeof(V));
  return vector;
}
template <typename V>
TW_RQ void RqSave(void* to, V vector) {
  memcpy(to, &vector, sizeof(V));
}

// The transform of kCount vectors, butterflies on bit 0 of the index first.
template <size_t kCount, typename V>
TW_RQ void RqTransform(V* vectors) {
  if constexpr (kCount > 1) {
    RqTransform<kCount / 2>(vectors);
    RqTransform<kCount / 2>(vectors + kCount / 2);
    for (size_t i = 0; i < kCount / 2; ++i) rq::Butterfly(vectors[i], vectors[i + kCount / 2]);
  }
}

// ---- Cells of grid points ----

// For lookups of 16 entries: a run of 8 grid points starts in cell `base` and holds at most one
// start of another, at `first`.
template <typename Entry>
struct RqRuns {
  Entry base[16];
  Entry first[16];
};
template <typename Entry>
constexpr RqRuns<Entry> RqRunsOf(const rq::Table& table) {
  RqRuns<Entry> runs = {};
  for (int run = 0; run < 16; ++run) {
    runs.first[run] = 128;
    for (int cell = 0; cell < table.cells; ++cell) {
      if (table.first[cell] <= 8 * run) {
        runs.base[run] = static_cast<Entry>(cell);
      } else if (table.first[cell] < 8 * run + 8) {
        runs.first[run] = table.first[cell];
      }
    }
  }
  return runs;
}
struct RqLevelTable {
  float of[16];
};
constexpr RqLevelTable RqLevelsOf(const rq::Table& table) {
  RqLevelTable levels = {};
  for (int cell = 0; cell < table.cells; ++cell) levels.of[cell] = table.level[cell];
  return levels;
}
template <int kBits>
struct RqTables {
  alignas(64) static constexpr auto kRuns = RqRunsOf<int32_t>(rq::TableOf(kBits));
  alignas(16) static constexpr auto kByteRuns = RqRunsOf<uint8_t>(rq::TableOf(kBits));
  alignas(64) static constexpr auto kLevels = RqLevelsOf(rq::TableOf(kBits));
};

// The cells of grid points w, which rq::OnGrid gave as `on_grid`, and their levels.
#if defined(__AVX512BW__)
template <int kBits>
TW_RQ RqI RqLookUp(RqF on_grid, RqI w, RqF* level) {
  using Tables = RqTables<kBits>;
  const __m512i run = _mm512_srli_epi32((__m512i)on_grid, 3);
  const __m512i first = _mm512_permutexvar_epi32(run, RqLoad<__m512i>(Tables::kRuns.first));
  const __m512i base = _mm512_permutexvar_epi32(run, RqLoad<__m512i>(Tables::kRuns.base));
  const __mmask16 past = _mm512_cmpge_epi32_mask((__m512i)w, first);
  const __m512i cell = _mm512_mask_add_epi32(base, past, base, _mm512_set1_epi32(1));
  *level = (RqF)_mm512_permutexvar_ps(cell, RqLoad<__m512>(Tables::kLevels.of));
  return (RqI)cell;
}
#elif defined(__AVX2__)
template <int kBits>
TW_RQ RqI RqLookUp(RqF, RqI w, RqF* level) {
  using Tables = RqTables<kBits>;
  // Bytes whose upper bit is set look up 0.
  const __m256i run = (__m256i)((w >> 3) | static_cast<int32_t>(0x80808000u));
  const auto of_run = [&](const uint8_t* table) {
    return (RqI)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(RqLoad<__m128i>(table)), run);
  };
  const RqI cell = of_run(Tables::kByteRuns.base) - (w >= of_run(Tables::kByteRuns.first));
  *level = (RqF)_mm256_permutevar8x32_ps(RqLoad<__m256>(Tables::kLevels.of), (__m256i)cell);
  return cell;
}
#else
template <int kBits>
TW_RQ RqI RqLookUp(RqF, RqI w, RqF* level) {
  constexpr rq::Table kTable = rq::TableOf(kBits);
  RqI cell = {};
  RqI levels = RqI{} + kTable.level[0];
  for (int i = 1; i < kTable.cells; ++i) {
    const RqI past = w >= static_cast<int32_t>(kTable.first[i]);
    cell -= past;
    levels += past & (kTable.level[i] - kTable.level[i - 1]);
  }
  *level = __builtin_convertvector(levels, RqF);
  return cell;
}
#endif

template <int kBits>
TW_RQ RqI RqCell(RqF on_grid, RqF* level) {
  constexpr rq::Table kTable = rq::TableOf(kBits);
  const auto level_at = [&](int i) { return RqF{} + static_cast<float>(kTable.level[i]); };
  const RqI w = (RqI)on_grid & 0x7f;
  if constexpr (kBits == 1) {
    *level = level_at(0);
    return RqI{};
  } else if constexpr (kBits == 2) {
    const RqI past = w >= static_cast<int32_t>(kTable.first[1]);
    *level = past ? level_at(1) : level_at(0);
    return -past;
  } else {
    return RqLookUp<kBits>(on_grid, w, level);
  }
}

// ---- Codes to levels ----

// Shifted as pairs of bytes, which machines can do: what comes from the neighbour is above the bits
// of interest to the right, below them to the left.
TW_RQ RqCodes RqShifted(RqCodes codes, int right) {
  typedef uint16_t Pairs __attribute__((vector_size(kRqShorts)));
  return (RqCodes)(right < 0 ? (Pairs)codes << -right : (Pairs)codes >> right);
}

// The codes of row `row` + 16 * k from `planes`, whose rows have 16 bytes.
template <int kBits>
TW_RQ RqCodes RqCodesAt(const uint8_t* planes, size_t row, size_t k) {
  if constexpr (kBits == 3) {
    const RqCodes signs = RqLoad<RqCodes>(planes + (64 + row + 16 * (k % 2)) * rq::kLanes);
    return RqCodesAt<2>(planes, row, k) |
           (RqShifted(signs, static_cast<int>(k / 2) - 2) & uint8_t{4});
  } else {
    constexpr size_t kFields = 8 / kBits;    // codes in a byte
    constexpr size_t kApart = 16 / kFields;  // k's between them
    const auto codes = RqLoad<RqCodes>(planes + (row + 16 * (k % kApart)) * rq::kLanes);
    return RqShifted(codes, static_cast<int>(k / kApart) * kBits) & uint8_t{(1 << kBits) - 1};
  }
}

template <int kBits>
struct RqSignedLevels {
  struct Table {
    int8_t of[16];
  };
  static constexpr Table Make() {
    Table table = {};
    for (uint32_t code = 0; code < (1u << kBits); ++code) table.of[code] = rq::LevelOf(kBits, code);
    return table;
  }
  alignas(16) static constexpr Table kTable = Make();
};

template <int kBits>
TW_RQ RqS RqLevelsOf(RqCodes codes) {
#if defined(__AVX2__)
  const __m128i levels =
      _mm_shuffle_epi8(RqLoad<__m128i>(RqSignedLevels<kBits>::kTable.of), (__m128i)codes);
  return (RqS)_mm256_cvtepi8_epi16(levels);
#else
  constexpr rq::Table kTable = rq::TableOf(kBits);
  constexpr int16_t kSign = 1 << (kBits - 1);
  const RqS wide = __builtin_convertvector(codes, RqS);
  const RqS cell = wide & static_cast<int16_t>(kSign - 1);
  RqS level = RqS{} + kTable.level[0];
  for (int i = 1; i < kTable.cells; ++i) {
    level += (cell >= static_cast<int16_t>(i)) &
             static_cast<int16_t>(kTable.level[i] - kTable.level[i - 1]);
  }
  const RqS negative = wide >= kSign;
  return (level ^ negative) - negative;
#endif
}

// ---- Results ----

enum class RqStore { kPlain, kAdd, kStream };

template <RqStore kStore>
TW_RQ void RqPut(float* target, RqF value) {
  if constexpr (kStore == RqStore::kAdd) value = RqLoad<RqF>(target) + value;
#if defined(__SSE2__)
  if constexpr (kStore == RqStore::kStream) {
#if defined(__AVX512BW__)
    _mm_stream_ps(target, _mm512_castps512_ps128((__m512)value));
    _mm_stream_ps(target + 4, _mm512_extractf32x4_ps((__m512)value, 1));
    _mm_stream_ps(target + 8, _mm512_extractf32x4_ps((__m512)value, 2));
    _mm_stream_ps(target + 12, _mm512_extractf32x4_ps((__m512)value, 3));
#elif defined(__AVX2__)
    _mm_stream_ps(target, _mm256_castps256_ps128((__m256)value));
    _mm_stream_ps(target + 4, _mm256_extractf128_ps((__m256)value, 1));
#else
    _mm_stream_ps(target, (__m128)value);
#endif
    return;
  }
#endif
  RqSave(target, value);
}
