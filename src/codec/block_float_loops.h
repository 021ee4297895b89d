// SPDX-License-Identifier: Apache-2.0
//
// The loops of the codecs of narrow floats under a shared scale: one chunk encoded, decoded,
// decoded and added, for every layout L of block_float_math.h. Part of simd_loops.h, which includes
// it inside its namespace. Plain loops over whole blocks: compilers make vectors of them.

// ---- Code planes: one code a byte to and from `kBits` a code ----

// Bytes past the codes are zeros, up to `bytes` of the plane.
template <size_t kBits>
inline void PackCodes(const uint8_t* __restrict codes, size_t bytes, uint8_t* __restrict plane) {
  if constexpr (kBits == 8) {
    memcpy(plane, codes, bytes);
  } else if constexpr (kBits == 4) {
    for (size_t i = 0; i < bytes; ++i) {
      plane[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
    }
  } else {
    // 64 codes are 48 bytes; words of 8 codes are written 8 bytes at a time, each over the last 2
    // of the one before.
    for (size_t i = 0; i + 48 <= bytes; i += 48) {
      uint64_t words[8];
      memcpy(words, codes + i / 6 * 8, sizeof(words));
      for (uint64_t& word : words) word = block_float::Pack6(word);
      for (size_t w = 0; w < 7; ++w) memcpy(plane + i + 6 * w, &words[w], 8);
      memcpy(plane + i + 42, &words[7], 6);
    }
    for (size_t i = bytes / 48 * 48; i < bytes; i += 6) {
      uint64_t word = 0;
      memcpy(&word, codes + i / 6 * 8, 8);
      word = block_float::Pack6(word);
      memcpy(plane + i, &word, bytes - i < 6 ? bytes - i : 6);
    }
  }
}

// codes[0 .. count - 1], and as many more as stand in the padded plane.
template <size_t kBits>
inline void UnpackCodes(const uint8_t* __restrict plane, size_t bytes, uint8_t* __restrict codes) {
  if constexpr (kBits == 4) {
    for (size_t i = 0; i < bytes; ++i) {
      codes[2 * i] = plane[i] & 15;
      codes[2 * i + 1] = plane[i] >> 4;
    }
  } else {
    static_assert(kBits == 6);
    size_t i = 0;
    for (; i + 50 <= bytes; i += 48) {
      uint64_t words[8];
      for (size_t w = 0; w < 8; ++w) memcpy(&words[w], plane + i + 6 * w, 8);
      for (uint64_t& word : words) word = block_float::Unpack6(word);
      memcpy(codes + i / 6 * 8, words, sizeof(words));
    }
    for (; i < bytes; i += 6) {
      uint64_t word = 0;
      memcpy(&word, plane + i, bytes - i < 6 ? bytes - i : 6);
      word = block_float::Unpack6(word);
      memcpy(codes + i / 6 * 8, &word, 8);
    }
  }
}

// Room for the codes of a chunk and for what a padded plane holds beyond.
inline constexpr size_t kBlockFloatCodes = block_float::kChunk + 64;

// ---- Bytes and words ----

// Loops that mix widths become poor vectors, so widths change by hand; kCount is a multiple of 16.
template <size_t kCount>
inline __attribute__((always_inline)) void BytesOfWords(const uint32_t* __restrict words,
                                                        uint8_t* __restrict bytes) {
#if defined(__AVX512BW__)
  for (size_t i = 0; i < kCount; i += 16) {
    const __m128i narrow = _mm512_cvtepi32_epi8(_mm512_loadu_si512(words + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + i), narrow);
  }
#elif defined(__SSE2__)
  const auto* const from = reinterpret_cast<const __m128i*>(words);
  for (size_t i = 0; i < kCount / 4; i += 4) {
    const __m128i low = _mm_packs_epi32(_mm_loadu_si128(from + i), _mm_loadu_si128(from + i + 1));
    const __m128i high =
        _mm_packs_epi32(_mm_loadu_si128(from + i + 2), _mm_loadu_si128(from + i + 3));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes + 4 * i), _mm_packus_epi16(low, high));
  }
#else
  for (size_t i = 0; i < kCount; ++i) bytes[i] = static_cast<uint8_t>(words[i]);
#endif
}

template <size_t kCount>
inline __attribute__((always_inline)) void WordsOfBytes(const uint8_t* __restrict bytes,
                                                        uint32_t* __restrict words) {
#if defined(__AVX512BW__)
  for (size_t i = 0; i < kCount; i += 16) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    _mm512_storeu_si512(words + i, _mm512_cvtepu8_epi32(narrow));
  }
#elif defined(__AVX2__)
  for (size_t i = 0; i < kCount; i += 8) {
    const __m128i narrow = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + i), _mm256_cvtepu8_epi32(narrow));
  }
#else
  for (size_t i = 0; i < kCount; ++i) words[i] = bytes[i];
#endif
}

// ---- Encode ----

// A chunk as blocks: the whole ones where they are, the short one padded with zeros.
template <size_t kBlock>
struct PaddedBlocks {
  static constexpr size_t kChunksAhead = 2;

  const float* source;
  size_t whole;
  size_t count;
  float last[kBlock] = {};

  PaddedBlocks(const float* elements, size_t size)
      : source(elements), whole(size / kBlock), count((size + kBlock - 1) / kBlock) {
    memcpy(last, source + whole * kBlock, size % kBlock * sizeof(float));
  }
  const float* operator[](size_t b) const { return b < whole ? source + b * kBlock : last; }
  // The same block of a later chunk, into the second cache, so that memory is busy while this
  // chunk, which is in the first cache by then, is worked on.
  void FetchAhead(size_t b) const {
    const float* const ahead = source + kChunksAhead * block_float::kChunk + b * kBlock;
    for (size_t i = 0; i < kBlock; i += 16) __builtin_prefetch(ahead + i, 0, 2);
  }
};

// The largest magnitude of a block, as bits.
template <size_t kBlock>
inline __attribute__((always_inline)) int32_t BlockMagnitude(const float* x) {
  int32_t largest = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const int32_t magnitude = block_float::MagnitudeBits(x[i]);
    largest = largest < magnitude ? magnitude : largest;
  }
  return largest;
}

// The same over the finite elements.
template <size_t kBlock>
int32_t FiniteBlockMagnitude(const float* x) {
  int32_t largest = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const int32_t magnitude = block_float::MagnitudeBits(x[i]);
    const bool finite = static_cast<uint32_t>(magnitude) < block_float::kInfBits;
    if (finite && magnitude > largest) largest = magnitude;
  }
  return largest;
}

// The magnitudes of all blocks, without what isn't finite; special[b] says which blocks have such
// elements, and is set only where the result, whether any has, is true.
template <size_t kBlock>
bool BlockMagnitudes(const PaddedBlocks<kBlock>& blocks, int32_t* __restrict magnitudes,
                     bool* __restrict special) {
  for (size_t b = 0; b < blocks.whole; ++b) {
    magnitudes[b] = BlockMagnitude<kBlock>(blocks.source + b * kBlock);
  }
  if (blocks.whole < blocks.count) magnitudes[blocks.whole] = BlockMagnitude<kBlock>(blocks.last);
  int32_t largest = 0;
  for (size_t b = 0; b < blocks.count; ++b) {
    largest = largest < magnitudes[b] ? magnitudes[b] : largest;
  }
  constexpr auto kInf = static_cast<int32_t>(block_float::kInfBits);
  if (largest < kInf) return false;
  for (size_t b = 0; b < blocks.count; ++b) {
    special[b] = magnitudes[b] >= kInf;
    if (special[b]) magnitudes[b] = FiniteBlockMagnitude<kBlock>(blocks[b]);
  }
  return true;
}

// The head, if the layout has one; gives the chunk's step.
template <typename L>
float EncodeHead(const int32_t* magnitudes, size_t blocks, uint8_t* chunk) {
  if constexpr (L::kHeadBytes == 0) {
    return 1.0f;
  } else {
    int32_t largest = 0;
    for (size_t b = 0; b < blocks; ++b) {
      largest = largest < magnitudes[b] ? magnitudes[b] : largest;
    }
    const float step = L::ChunkStep(largest);
    memset(chunk, 0, L::kHeadBytes);
    memcpy(chunk, &step, sizeof(step));
    return step;
  }
}

// One block that has special values: they stay where they are, or the whole block is NaN.
template <typename L>
void EncodeSpecialBlock(const float* x, float inverse, typename L::Scale* scale, uint8_t* codes) {
  if constexpr (L::Element::kHasNan) {
    for (size_t i = 0; i < L::kBlock; ++i) {
      const uint32_t code = block_float::CodeOrSpecial<typename L::Element>(x[i], inverse);
      codes[i] = static_cast<uint8_t>(code);
    }
  } else {
    *scale = L::kNanScale;
    memset(codes, 0, L::kBlock);
  }
}

template <typename L>
inline __attribute__((always_inline)) void EncodeBlock(const float* __restrict x, float inverse,
                                                       uint8_t* __restrict codes) {
  alignas(64) uint32_t wide[L::kBlock];
  for (size_t i = 0; i < L::kBlock; ++i) {
    wide[i] = block_float::Code<typename L::Element>(x[i], inverse);
  }
  BytesOfWords<L::kBlock>(wide, codes);
}

template <typename L>
void BlockFloatEncodeChunk(const float* source, size_t count, uint8_t* chunk) {
  const PaddedBlocks<L::kBlock> blocks(source, count);
  int32_t magnitudes[L::kBlocks];
  bool special[L::kBlocks];
  const bool any_special = BlockMagnitudes(blocks, magnitudes, special);
  const float chunk_step = EncodeHead<L>(magnitudes, blocks.count, chunk);

  typename L::Scale scales[L::kBlocks];
  float inverses[L::kBlocks];
  for (size_t b = 0; b < blocks.count; ++b) scales[b] = L::ScaleOf(magnitudes[b], chunk_step);
  for (size_t b = 0; b < blocks.count; ++b) inverses[b] = L::InverseStep(scales[b], chunk_step);

  alignas(64) uint8_t codes[kBlockFloatCodes];
  for (size_t b = 0; b < blocks.whole; ++b) {
    blocks.FetchAhead(b);
    EncodeBlock<L>(source + b * L::kBlock, inverses[b], codes + b * L::kBlock);
  }
  if (blocks.whole < blocks.count) {
    EncodeBlock<L>(blocks.last, inverses[blocks.whole], codes + blocks.whole * L::kBlock);
  }
  for (size_t b = 0; any_special && b < blocks.count; ++b) {
    if (!special[b]) continue;
    EncodeSpecialBlock<L>(blocks[b], inverses[b], &scales[b], codes + b * L::kBlock);
  }
  memset(codes + blocks.count * L::kBlock, 0, 64);

  uint8_t* const plane = chunk + L::kHeadBytes;
  memset(plane, 0, L::ScaleBytes(count));
  memcpy(plane, scales, blocks.count * sizeof(scales[0]));
  PackCodes<L::kCodeBits>(codes, L::CodeBytes(count), plane + L::ScaleBytes(count));
}

template <typename L>
void BlockFloatEncode(const float* source, size_t count, bool stream, uint8_t* chunk) {
  if (!stream || !IsStreamable(chunk)) return BlockFloatEncodeChunk<L>(source, count, chunk);
  alignas(64) uint8_t built[L::ChunkBytes(block_float::kChunk)];
  BlockFloatEncodeChunk<L>(source, count, built);
  StreamOut(built, L::ChunkBytes(count), chunk);
}

// ---- Decode ----

enum class BlockFloatStore { kPlain, kAdd, kStream };

// One whole block. A block whose step is NaN is NaN.
template <typename L, BlockFloatStore kStore>
inline __attribute__((always_inline)) void DecodeBlock(const uint8_t* __restrict codes, float step,
                                                       float* __restrict target) {
  if (step != step) {
    for (size_t i = 0; i < L::kBlock; ++i) {
      const float nan = BitCast<float>(block_float::kNanBits);
      target[i] = kStore == BlockFloatStore::kAdd ? target[i] + nan : nan;
    }
    return;
  }
  alignas(64) uint32_t words[L::kBlock];
  WordsOfBytes<L::kBlock>(codes, words);
  for (size_t i = 0; i < L::kBlock; ++i) {
    const float value = block_float::Value<typename L::Element>(words[i], step);
    target[i] = kStore == BlockFloatStore::kAdd ? target[i] + value : value;
  }
}

// The first `count` elements of the short one.
template <typename L, BlockFloatStore kStore>
void DecodeShortBlock(const uint8_t* codes, float step, size_t count, float* target) {
  uint8_t padded[L::kBlock] = {};
  memcpy(padded, codes, count);
  float values[L::kBlock];
  DecodeBlock<L, BlockFloatStore::kPlain>(padded, step, values);
  for (size_t i = 0; i < count; ++i) {
    target[i] = kStore == BlockFloatStore::kAdd ? target[i] + values[i] : values[i];
  }
}

template <typename L, BlockFloatStore kStore>
void BlockFloatDecodeChunk(const uint8_t* __restrict chunk, size_t count,
                           float* __restrict target) {
  float chunk_step = 1.0f;
  if constexpr (L::kHeadBytes != 0) memcpy(&chunk_step, chunk, sizeof(chunk_step));
  const uint8_t* plane = chunk + L::kHeadBytes;
  const size_t blocks = (count + L::kBlock - 1) / L::kBlock;
  typename L::Scale scales[L::kBlocks];
  memcpy(scales, plane, blocks * sizeof(scales[0]));
  float steps[L::kBlocks];
  for (size_t b = 0; b < blocks; ++b) steps[b] = L::Step(scales[b], chunk_step);

  plane += L::ScaleBytes(count);
  alignas(64) uint8_t unpacked[kBlockFloatCodes];
  const uint8_t* codes = plane;
  if constexpr (L::kCodeBits != 8) {
    UnpackCodes<L::kCodeBits>(plane, L::CodeBytes(count), unpacked);
    codes = unpacked;
  }
  const size_t whole = count / L::kBlock;
  for (size_t b = 0; b < whole; ++b) {
    const size_t from = b * L::kBlock;
    if constexpr (kStore == BlockFloatStore::kStream) {
      alignas(64) float values[L::kBlock];
      DecodeBlock<L, BlockFloatStore::kPlain>(codes + from, steps[b], values);
      StreamOut(values, sizeof(values), target + from);
    } else {
      DecodeBlock<L, kStore>(codes + from, steps[b], target + from);
    }
  }
  if (whole == blocks) return;
  const size_t from = whole * L::kBlock;
  DecodeShortBlock<L, kStore>(codes + from, steps[whole], count - from, target + from);
}

template <typename L>
void BlockFloatDecode(const uint8_t* chunk, size_t count, bool stream, float* target) {
  if (!stream || !IsStreamable(target)) {
    return BlockFloatDecodeChunk<L, BlockFloatStore::kPlain>(chunk, count, target);
  }
  BlockFloatDecodeChunk<L, BlockFloatStore::kStream>(chunk, count, target);
}

template <typename L>
void BlockFloatDecodeAdd(const uint8_t* chunk, size_t count, float* accumulator) {
  BlockFloatDecodeChunk<L, BlockFloatStore::kAdd>(chunk, count, accumulator);
}

template <typename L>
inline constexpr BlockFloatLoops kBlockFloatLoops = {BlockFloatEncode<L>, BlockFloatDecode<L>,
                                                     BlockFloatDecodeAdd<L>};
