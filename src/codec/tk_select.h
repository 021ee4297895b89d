// SPDX-License-Identifier: Apache-2.0
//
// Which elements codec `tk` keeps. Part of simd_loops.h. One pass compares a chunk with a threshold
// a little below its k-th key and lists what reaches it; the exact choice is made in that list. The
// threshold comes from the chunk before, or from maxima of groups of this one. It decides how long
// the list is, never what is chosen.

constexpr size_t kTkWordBits = 64;
constexpr size_t kTkProbes = 256;
constexpr size_t kTkMostByGroups = kTkProbes / 2;
constexpr size_t kTkChunksAhead = 3;

// Room for all elements, and for what is written before it is known to be one too many.
struct TkList {
  static constexpr size_t kRoom = tk::kChunk + kTkWordBits;
  size_t size = 0;
  uint16_t indices[kRoom];
  uint32_t bits[kRoom];
};

// Bit i: whether the magnitude of x[i] is at least `threshold`; 1 <= threshold <= kNanKey.
inline uint64_t TkReaching(const float* x, uint32_t threshold) {
#if defined(__AVX512BW__)
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i least = _mm512_set1_epi32(static_cast<int>(threshold));
  const auto reaching = [&](size_t i) {
    return _mm512_cmpge_epu32_mask(_mm512_and_si512(_mm512_loadu_si512(x + i), magnitude), least);
  };
  const __mmask32 low = _mm512_kunpackw(reaching(16), reaching(0));
  const __mmask32 high = _mm512_kunpackw(reaching(48), reaching(32));
  return _mm512_kunpackd(high, low);
#elif defined(__AVX2__)
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  const __m256i below = _mm256_set1_epi32(static_cast<int>(threshold) - 1);
  uint64_t word = 0;
  for (size_t i = 0; i < kTkWordBits; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    const __m256i reaching = _mm256_cmpgt_epi32(_mm256_and_si256(bits, magnitude), below);
    const int mask = _mm256_movemask_ps(_mm256_castsi256_ps(reaching));
    word |= static_cast<uint64_t>(static_cast<uint32_t>(mask)) << i;
  }
  return word;
#elif defined(__SSE2__)
  const __m128i magnitude = _mm_set1_epi32(0x7fffffff);
  const __m128i below = _mm_set1_epi32(static_cast<int>(threshold) - 1);
  const auto reaching = [&](size_t i) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
    return _mm_cmpgt_epi32(_mm_and_si128(bits, magnitude), below);
  };
  uint64_t word = 0;
  for (size_t i = 0; i < kTkWordBits; i += 16) {
    const __m128i low = _mm_packs_epi32(reaching(i), reaching(i + 4));
    const __m128i high = _mm_packs_epi32(reaching(i + 8), reaching(i + 12));
    const int mask = _mm_movemask_epi8(_mm_packs_epi16(low, high));
    word |= static_cast<uint64_t>(static_cast<uint32_t>(mask)) << i;
  }
  return word;
#else
  uint64_t word = 0;
  for (size_t i = 0; i < kTkWordBits; ++i) {
    word |= static_cast<uint64_t>(tk::MagnitudeBits(x[i]) >= threshold) << i;
  }
  return word;
#endif
}

// Appends the positions of a word's bits, four at a time whether or not there are as many.
inline size_t TkAppend(uint64_t word, size_t from, uint16_t* indices) {
  const auto count = static_cast<size_t>(__builtin_popcountll(word));
  for (size_t done = 0; done < count; done += 4) {
    for (size_t i = 0; i < 4; ++i) {
      // Bit 63 keeps the count of trailing zeros defined; it changes none that is below `count`.
      const auto at = static_cast<size_t>(__builtin_ctzll(word | uint64_t{1} << 63));
      indices[done + i] = static_cast<uint16_t>(from + at);
      word &= word - 1;
    }
  }
  return count;
}

// Lists, in order, the elements whose keys reach `threshold`; false when they are more than `most`.
bool TkCollect(const float* x, size_t padded, uint32_t threshold, size_t most, TkList* list) {
  list->size = 0;
  if (threshold > tk::kNanKey) return true;
  for (size_t from = 0; from < padded; from += kTkWordBits) {
    for (size_t line = 0; line < kTkWordBits; line += 16) {
      __builtin_prefetch(x + kTkChunksAhead * tk::kChunk + from + line, 0, 2);
    }
    const uint64_t word = TkReaching(x + from, threshold);
    list->size += TkAppend(word, from, list->indices + list->size);
    if (list->size > most) return false;
  }
  return true;
}

// Keys in [low, high): at least k of them reach low, `at_low`, fewer reach high, `at_high`.
struct TkBracket {
  uint32_t low = 0;
  uint32_t high = tk::kNanKey + 1;
  size_t at_low = 0;
  size_t at_high = 0;
};

// Raises low until at most `most` keys reach it or it is the k-th key itself, high = low + 1.
// count(key) tells how many reach `key`. Interpolation and bisection in turn: quick on what is
// smooth, and at most 62 rounds on anything.
template <typename Count>
inline __attribute__((always_inline)) void TkNarrow(size_t k, size_t most, TkBracket* bracket,
                                                    const Count& count) {
  for (bool halve = false; bracket->at_low > most && bracket->high - bracket->low > 1;
       halve = !halve) {
    const uint32_t span = bracket->high - bracket->low;
    uint32_t step = span / 2;
    if (!halve) {
      const auto excess = static_cast<float>(bracket->at_low - k);
      const auto all = static_cast<float>(bracket->at_low - bracket->at_high);
      step = static_cast<uint32_t>(static_cast<float>(span) * (excess / all));
      step = step < 1 ? 1 : step >= span ? span - 1 : step;
    }
    const uint32_t middle = bracket->low + step;
    const size_t reaching = count(middle);
    if (reaching >= k) {
      bracket->low = middle;
      bracket->at_low = reaching;
    } else {
      bracket->high = middle;
      bracket->at_high = reaching;
    }
  }
}

inline size_t TkCountReaching(const uint32_t* __restrict keys, size_t count, uint32_t threshold) {
  uint32_t reaching = 0;
  for (size_t i = 0; i < count; ++i) reaching += keys[i] >= threshold ? 1u : 0u;
  return reaching;
}
inline size_t TkCountReaching(const float* __restrict x, size_t count, uint32_t threshold) {
  uint32_t reaching = 0;
  for (size_t i = 0; i < count; ++i) reaching += tk::MagnitudeBits(x[i]) >= threshold ? 1u : 0u;
  return reaching;
}

// The least key that `rank` of kTkProbes keys reach, or that hardly more reach; clamps the keys.
uint32_t TkRanked(size_t rank, uint32_t* keys) {
  uint32_t least = tk::kNanKey, largest = 0;
  for (size_t i = 0; i < kTkProbes; ++i) {
    keys[i] = keys[i] < tk::kNanKey ? keys[i] : tk::kNanKey;
    least = least < keys[i] ? least : keys[i];
    largest = largest < keys[i] ? keys[i] : largest;
  }
  TkBracket bracket = {.low = least, .high = largest + 1, .at_low = kTkProbes};
  TkNarrow(rank, rank + rank / 8, &bracket,
           [&](uint32_t key) { return TkCountReaching(keys, kTkProbes, key); });
  return bracket.low;
}

// A key that k elements of a whole chunk reach, and few more. Few are known from the maxima of
// groups, which reach it for certain, as one of each; many from a sample, most probably.
uint32_t TkProbe(const float* __restrict x, size_t k) {
  constexpr size_t kShare = tk::kChunk / kTkProbes;
  uint32_t keys[kTkProbes] = {};
  if (k > kTkMostByGroups) {
    for (size_t i = 0; i < kTkProbes; ++i) keys[i] = tk::MagnitudeBits(x[i * kShare]);
    return TkRanked(k / kShare + k / (4 * kShare) + 6, keys);
  }
  for (size_t from = 0; from < tk::kChunk; from += kTkProbes) {
    for (size_t i = 0; i < kTkProbes; ++i) {
      const uint32_t key = tk::MagnitudeBits(x[from + i]);
      keys[i] = keys[i] < key ? key : keys[i];
    }
  }
  return TkRanked(k, keys);
}

// Narrows a bracket that begins at `guess`, often the k-th key itself where many are equal, to a
// threshold that `most` elements reach, or else to the one above the k-th key.
uint32_t TkSearch(const float* x, size_t count, size_t k, size_t most, uint32_t guess) {
  const auto reaching = [&](uint32_t key) { return TkCountReaching(x, count, key); };
  TkBracket bracket = {.low = 1, .at_low = reaching(1)};
  if (bracket.at_low < k) return 1;
  for (const uint32_t key : {guess, guess + 1}) {
    if (key <= bracket.low || key >= bracket.high) continue;
    const size_t at_key = reaching(key);
    (at_key >= k ? bracket.low : bracket.high) = key;
    (at_key >= k ? bracket.at_low : bracket.at_high) = at_key;
  }
  TkNarrow(k, most, &bracket, reaching);
  return bracket.at_low > most ? bracket.high : bracket.low;
}

// Lists at least k elements, or else all above the k-th key. Returns the threshold.
uint32_t TkCollectAnew(const float* x, size_t count, size_t padded, size_t k, size_t most,
                       TkList* list) {
  uint32_t threshold = count == tk::kChunk ? TkProbe(x, k) : 1;
  threshold = threshold < 1 ? 1 : threshold;
  const bool listed = TkCollect(x, padded, threshold, most, list);
  if (listed && (list->size >= k || threshold == 1)) return threshold;
  threshold = TkSearch(x, count, k, most, threshold);
  TkCollect(x, padded, threshold, padded, list);
  return threshold;
}

// Completes a list of fewer than k elements, all above `key`, by the first that have it.
void TkFill(const float* x, size_t k, uint32_t key, TkList* list) {
  TkList all;
  size_t taken = 0;
  for (size_t i = 0; all.size + (list->size - taken) < k; ++i) {
    const bool listed = taken < list->size && list->indices[taken] == i;
    if (!listed && tk::KeyOfBits(BitCast<uint32_t>(x[i])) != key) continue;
    all.indices[all.size++] = static_cast<uint16_t>(i);
    taken += listed ? 1 : 0;
  }
  while (taken < list->size) all.indices[all.size++] = list->indices[taken++];
  list->size = all.size;
  memcpy(list->indices, all.indices, all.size * sizeof(all.indices[0]));
  for (size_t j = 0; j < list->size; ++j) list->bits[j] = BitCast<uint32_t>(x[list->indices[j]]);
}

// Leaves the k of largest key, given more that all reach `threshold`. Returns a key between that of
// the k-th and that of the next.
uint32_t TkThin(size_t k, uint32_t threshold, TkList* list) {
  uint32_t keys[TkList::kRoom];
  uint32_t largest = 0;
  for (size_t j = 0; j < list->size; ++j) {
    keys[j] = tk::KeyOfBits(list->bits[j]);
    largest = largest < keys[j] ? keys[j] : largest;
  }
  const size_t padded = (list->size + 15) / 16 * 16;  // whole vectors; zeros reach nothing
  for (size_t j = list->size; j < padded; ++j) keys[j] = 0;
  TkBracket bracket = {.low = threshold, .high = largest + 1, .at_low = list->size};
  TkNarrow(k, k, &bracket, [&](uint32_t key) { return TkCountReaching(keys, padded, key); });
  const bool ties = bracket.at_low > k;
  const uint32_t least = ties ? bracket.high : bracket.low;
  size_t spare = ties ? k - bracket.at_high : 0;  // of those that have the k-th key, the first
  size_t kept = 0;
  for (size_t j = 0; j < list->size; ++j) {
    list->indices[kept] = list->indices[j];
    list->bits[kept] = list->bits[j];
    const bool first = spare > 0 && keys[j] == bracket.low;
    spare -= ties && first ? 1 : 0;
    kept += keys[j] >= least || first ? 1 : 0;
  }
  list->size = k;
  return bracket.low;
}

// The threshold for the next chunk: where `spare` more than k would have been listed, by the slope
// between `threshold`, which `listed` reached, and `kth`; half way there, since each chunk differs.
inline uint32_t TkNextThreshold(uint32_t threshold, size_t listed, uint32_t kth, size_t k) {
  constexpr uint32_t kSixteenthOfAnOctave = 1u << 19;
  const auto excess = static_cast<float>(listed > k ? listed - k : 0);
  const float spare = 12.0f + static_cast<float>(k) / 4.0f;
  const float slope = excess == 0 ? 0 : static_cast<float>(kth - threshold) / excess;
  const float down = slope * spare;
  const uint32_t step = excess * 4 < spare   ? kSixteenthOfAnOctave
                        : down > 16777216.0f ? 16777216u
                                             : static_cast<uint32_t>(down);
  const uint32_t wanted = kth > step ? kth - step : 1;
  const uint32_t next = threshold / 2 + wanted / 2;
  return next < 1 ? 1 : next;
}

// The k elements kept of a chunk of `count`, in ascending order, with their bits. `*hint`: a
// threshold to begin with, 0 for none; the next one.
void TkSelect(const float* source, size_t count, size_t k, uint32_t* hint, TkList* list) {
  float copy[tk::kChunk];
  const float* x = source;
  const size_t padded = (count + kTkWordBits - 1) / kTkWordBits * kTkWordBits;
  if (padded != count) {
    memcpy(copy, source, count * sizeof(float));
    memset(copy + count, 0, (padded - count) * sizeof(float));
    x = copy;
  }
  const size_t most = 4 * k + 64;
  uint32_t threshold = *hint > tk::kNanKey ? 0 : *hint;
  const bool warm = threshold != 0 && TkCollect(x, padded, threshold, most, list) &&
                    (list->size >= k || threshold == 1);  // 1 misses nothing but zeros
  if (!warm) threshold = TkCollectAnew(x, count, padded, k, most, list);
  const size_t listed = list->size;
  if (listed < k) {
    TkFill(x, k, threshold - 1, list);
    *hint = threshold;
    return;
  }
  for (size_t j = 0; j < listed; ++j) list->bits[j] = BitCast<uint32_t>(x[list->indices[j]]);
  const uint32_t kth = listed > k ? TkThin(k, threshold, list) : threshold;
  *hint = TkNextThreshold(threshold, listed, kth, k);
}
