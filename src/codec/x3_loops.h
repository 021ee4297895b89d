// SPDX-License-Identifier: Apache-2.0
//
// The loops of codec `x3`, over one chunk. Part of simd_loops.h. Each phase goes over the whole
// chunk in the first cache. Plain loops, but for finding escapes, which compilers do badly.

// An integer at any address.
template <typename T>
struct __attribute__((packed, may_alias)) X3Unaligned {
  T value;
};

// target = source, past the caches where `stream` asks for it and the target allows it.
inline __attribute__((always_inline)) void X3Copy(const void* source, size_t bytes, bool stream,
                                                  void* target) {
  if (stream && IsStreamable(target)) return StreamOut(source, bytes, target);
  memcpy(target, source, bytes);
}

// ---- Escapes ----

// Bit i: bytes[i] >= least, of 64 bytes.
inline __attribute__((always_inline)) uint64_t X3AtLeast(const uint8_t* bytes, uint8_t least) {
#if defined(__AVX512BW__)
  return _mm512_cmpge_epu8_mask(_mm512_loadu_si512(bytes), _mm512_set1_epi8(char(least)));
#elif defined(__AVX2__)
  const __m256i edge = _mm256_set1_epi8(static_cast<char>(least));
  const auto half = [&](size_t i) {
    const __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i));
    const __m256i reached = _mm256_cmpeq_epi8(_mm256_max_epu8(value, edge), value);
    return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(reached)));
  };
  return half(0) | half(32) << 32;
#elif defined(__SSE2__)
  const __m128i edge = _mm_set1_epi8(static_cast<char>(least));
  uint64_t mask = 0;
  for (size_t i = 0; i < 64; i += 16) {
    const __m128i value = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    const __m128i reached = _mm_cmpeq_epi8(_mm_max_epu8(value, edge), value);
    mask |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(reached))) << i;
  }
  return mask;
#else
  uint64_t mask = 0;
  for (size_t i = 0; i < 64; ++i) mask |= static_cast<uint64_t>(bytes[i] >= least) << i;
  return mask;
#endif
}

inline __attribute__((always_inline)) size_t X3Count(uint64_t mask) {
  return static_cast<size_t>(__builtin_popcountll(mask));
}

// Of a block.
inline __attribute__((always_inline)) void X3EscapeMasks(const uint8_t* codes, uint64_t* masks) {
  for (size_t g = 0; g < x3::kBlock / 64; ++g) masks[g] = X3AtLeast(codes + 64 * g, x3::kEscape);
}

// How many of a block's bytes reach `least`.
inline __attribute__((always_inline)) size_t X3CountAtLeast(const uint8_t* bytes, uint8_t least) {
  size_t count = 0;
  for (size_t i = 0; i < x3::kBlock; i += 64) count += X3Count(X3AtLeast(bytes + i, least));
  return count;
}

// One bit an element, set where its exponent is escaped.
constexpr size_t kX3Groups = x3::kChunk / 64;
// What X3Positions may write past the last position.
constexpr size_t kX3Slack = 16;

#if defined(__AVX512BW__)

// positions = the bits set of a mask that has many, plus `first`.
inline __attribute__((always_inline)) void X3DensePositions(uint64_t mask, uint32_t first,
                                                            uint16_t* positions) {
  const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (uint32_t i = 0; i < 64; i += 16) {
    const auto part = static_cast<__mmask16>(mask >> i);
    const __m512i all = _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int>(first + i)));
    const __m512i some = _mm512_maskz_compress_epi32(part, all);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(positions), _mm512_cvtepi32_epi16(some));
    positions += X3Count(part);
  }
}

#else

inline __attribute__((always_inline)) void X3DensePositions(uint64_t mask, uint32_t first,
                                                            uint16_t* positions) {
  for (; mask != 0; mask &= mask - 1) {
    *positions++ = static_cast<uint16_t>(first + static_cast<uint32_t>(__builtin_ctzll(mask)));
  }
}

#endif

// positions = those of all escapes of a chunk, in order; returns how many. Few a group are the
// rule, so four are written whether they are there or not: no branch to mispredict.
size_t X3Positions(const uint64_t* masks, size_t groups, uint16_t* positions) {
  size_t count = 0;
  for (size_t g = 0; g < groups; ++g) {
    uint64_t mask = masks[g];
    const auto first = static_cast<uint32_t>(64 * g);
    const size_t more = X3Count(mask);
    if (more > 4) {
      X3DensePositions(mask, first, positions + count);
    } else {
      for (size_t k = 0; k < 4; ++k, mask &= mask - 1) {
        const int bit = __builtin_ctzll(mask | uint64_t{1} << 63);
        positions[count + k] = static_cast<uint16_t>(first + static_cast<uint32_t>(bit));
      }
    }
    count += more;
  }
  return count;
}

// ---- Codes ----

// Eight bytes at a time: byte by byte, compilers go through 32-bit lanes.
using X3Eight = X3Unaligned<uint64_t>;

inline __attribute__((always_inline)) void X3PackCodes(const uint8_t* __restrict codes, size_t w,
                                                       uint8_t* __restrict packed) {
  const auto* const from = reinterpret_cast<const X3Eight*>(codes);
  auto* const lower = reinterpret_cast<X3Eight*>(packed);
  auto* const upper = reinterpret_cast<X3Eight*>(packed + 2 * w);
  const size_t n = w / 8;
  for (size_t j = 0; j < 2 * n; ++j) {
    const auto bits = [&](size_t k) { return x3::LowerBits(from[j + 2 * n * k].value, int(k)); };
    lower[j].value = bits(0) | bits(1) | bits(2) | bits(3);
  }
  for (size_t j = 0; j < n; ++j) {
    const auto bits = [&](size_t k) { return x3::UpperBits(from[j + n * k].value, int(k)); };
    upper[j].value = bits(0) | bits(1) | bits(2) | bits(3) | bits(4) | bits(5) | bits(6) | bits(7);
  }
}

inline __attribute__((always_inline)) void X3UnpackCodes(const uint8_t* __restrict packed, size_t w,
                                                         uint8_t* __restrict codes) {
  const auto* const lower = reinterpret_cast<const X3Eight*>(packed);
  const auto* const upper = reinterpret_cast<const X3Eight*>(packed + 2 * w);
  auto* const to = reinterpret_cast<X3Eight*>(codes);
  const size_t n = w / 8;
  for (size_t j = 0; j < n; ++j) {
    const uint64_t first = lower[j].value, second = lower[j + n].value, high = upper[j].value;
    to[j].value = x3::CodesOf(first, 0, high, 0);
    to[j + n].value = x3::CodesOf(second, 0, high, 1);
    to[j + 2 * n].value = x3::CodesOf(first, 1, high, 2);
    to[j + 3 * n].value = x3::CodesOf(second, 1, high, 3);
    to[j + 4 * n].value = x3::CodesOf(first, 2, high, 4);
    to[j + 5 * n].value = x3::CodesOf(second, 2, high, 5);
    to[j + 6 * n].value = x3::CodesOf(first, 3, high, 6);
    to[j + 7 * n].value = x3::CodesOf(second, 3, high, 7);
  }
}

// ---- Encoding ----

// The base of a block: its largest exponent, or lower where that leaves many codes escaped.
// below[i] = largest - exponent, for each of its elements, and 0 from there to kBlock.
uint8_t X3Base(uint8_t largest, const uint8_t* below, size_t size) {
  size_t fewest = X3CountAtLeast(below, x3::kEscape);
  unsigned drop = 0;
  if (fewest <= x3::kFewEscapes) return largest;
  for (unsigned d = 1; d <= x3::kMaxDrop && d <= largest; ++d) {
    const size_t pads = x3::kBlock - size;
    const size_t above = x3::kBlock - X3CountAtLeast(below, static_cast<uint8_t>(d)) - pads;
    const size_t under = X3CountAtLeast(below, static_cast<uint8_t>(d + x3::kEscape));
    if (above + under >= fewest) continue;
    fewest = above + under;
    drop = d;
  }
  return static_cast<uint8_t>(largest - drop);
}

// Codes of one block of `size` exponents, with room for kBlock; returns the base.
inline __attribute__((always_inline)) uint8_t X3EncodeBlock(uint8_t* __restrict exponents,
                                                            size_t size, uint64_t* masks,
                                                            uint8_t* __restrict packed) {
  uint8_t largest = 0;
  for (size_t i = 0; i < size; ++i) largest = largest < exponents[i] ? exponents[i] : largest;
  // Pads have code 0.
  alignas(64) uint8_t codes[x3::kBlock] = {};
  for (size_t i = 0; i < size; ++i) codes[i] = static_cast<uint8_t>(largest - exponents[i]);
  const uint8_t base = X3Base(largest, codes, size);
  for (size_t i = 0; i < size; ++i) codes[i] = x3::Code(base, exponents[i]);
  X3EscapeMasks(codes, masks);
  X3PackCodes(codes, x3::BitBytes(size), packed);
  return base;
}

// Splits the elements of a chunk; `low` is null where they have no lower half.
template <typename Word>
inline __attribute__((always_inline)) void X3Split(const X3Unaligned<Word>* __restrict source,
                                                   size_t count, uint8_t* __restrict exponents,
                                                   uint8_t* __restrict sign_mantissas,
                                                   X3Unaligned<uint16_t>* __restrict low) {
  constexpr int kUpper = 8 * (sizeof(Word) - 2);
  for (size_t i = 0; i < count; ++i) {
    const auto upper = static_cast<uint16_t>(source[i].value >> kUpper);
    exponents[i] = x3::Exponent(upper);
    sign_mantissas[i] = x3::SignMantissa(upper);
    if constexpr (kUpper > 0) low[i].value = static_cast<uint16_t>(source[i].value);
  }
}

// Codes a chunk; returns its bytes, or 0 where they would not be less than the raw ones.
template <typename Word>
size_t X3CodeChunk(const X3Unaligned<Word>* source, size_t count, uint8_t* chunk) {
  const x3::Parts parts(count, sizeof(Word));
  if (parts.escapes >= count * sizeof(Word)) return 0;
  alignas(64) uint8_t exponents[x3::kChunk];
  uint64_t masks[kX3Groups];
  uint16_t positions[x3::kChunk + kX3Slack];
  uint8_t* packed = chunk + parts.codes;
  auto* const low = reinterpret_cast<X3Unaligned<uint16_t>*>(chunk + parts.low);
  for (size_t b = 0; b < parts.low; ++b, packed += 3 * x3::BitBytes(x3::kBlock)) {
    const size_t from = b * x3::kBlock;
    // Of the next chunk, into the second cache: memory does not idle while codes are packed.
    for (size_t i = 0; i < x3::kBlock; i += 64 / sizeof(Word)) {
      __builtin_prefetch(source + from + x3::kChunk + i, 0, 2);
    }
    const auto block = [&](size_t size) {
      X3Split(source + from, size, exponents + from, chunk + parts.sign_mantissas + from,
              low + from);
      chunk[b] = X3EncodeBlock(exponents + from, size, masks + from / 64, packed);
    };
    count - from >= x3::kBlock ? block(x3::kBlock) : block(count - from);
  }
  const size_t escapes = X3Positions(masks, parts.low * (x3::kBlock / 64), positions);
  const size_t bytes = x3::ChunkBytes(count, sizeof(Word), escapes);
  if (bytes >= count * sizeof(Word)) return 0;
  for (size_t i = 0; i < escapes; ++i) chunk[parts.escapes + i] = exponents[positions[i]];
  memset(chunk + parts.escapes + escapes, 0, bytes - parts.escapes - escapes);
  return bytes;
}

size_t X3Encode(const void* source, bool wide, size_t count, bool stream, uint8_t* chunk) {
  // Room for a coded chunk, which is less than a raw one.
  alignas(64) uint8_t coded[x3::kChunk * sizeof(uint32_t)];
  const size_t raw_bytes = count * (wide ? sizeof(uint32_t) : sizeof(uint16_t));
  const size_t bytes =
      wide ? X3CodeChunk(static_cast<const X3Unaligned<uint32_t>*>(source), count, coded)
           : X3CodeChunk(static_cast<const X3Unaligned<uint16_t>*>(source), count, coded);
  bytes == 0 ? X3Copy(source, raw_bytes, stream, chunk) : X3Copy(coded, bytes, stream, chunk);
  return bytes == 0 ? raw_bytes : bytes;
}

// ---- Decoding ----

template <typename Word>
inline __attribute__((always_inline)) void X3Merge(const uint8_t* __restrict exponents,
                                                   const uint8_t* __restrict sign_mantissas,
                                                   const X3Unaligned<uint16_t>* __restrict low,
                                                   size_t count,
                                                   X3Unaligned<Word>* __restrict target) {
  constexpr int kUpper = 8 * (sizeof(Word) - 2);
  for (size_t i = 0; i < count; ++i) {
    const auto upper = static_cast<Word>(x3::Join(sign_mantissas[i], exponents[i]));
    if constexpr (kUpper > 0) {
      target[i].value = upper << kUpper | low[i].value;
    } else {
      target[i].value = upper;
    }
  }
}

// The codes of a chunk; returns whether the pads of the last block are zero. A phase of its own:
// what is stored eight bytes at a time should rest before it is loaded in wider vectors.
inline __attribute__((always_inline)) bool X3ChunkCodes(const uint8_t* packed, size_t count,
                                                        uint8_t* codes) {
  size_t from = 0;
  for (; from + x3::kBlock <= count; from += x3::kBlock) {
    X3UnpackCodes(packed, x3::BitBytes(x3::kBlock), codes + from);
    packed += 3 * x3::BitBytes(x3::kBlock);
  }
  if (from == count) return true;
  const size_t w = x3::BitBytes(count - from);
  memset(codes + from, 0, x3::kBlock);
  X3UnpackCodes(packed, w, codes + from);
  unsigned pads = 0;
  for (size_t i = count; i < from + 8 * w; ++i) pads |= codes[i];
  return pads == 0;
}

template <typename Word>
bool X3DecodeChunk(const uint8_t* chunk, size_t bytes, size_t count, bool stream, void* target) {
  const x3::Parts parts(count, sizeof(Word));
  alignas(64) uint8_t exponents[x3::kChunk];
  uint64_t masks[kX3Groups];
  uint16_t positions[x3::kChunk + kX3Slack];
  if (!X3ChunkCodes(chunk + parts.codes, count, exponents)) return false;
  for (size_t b = 0; b < parts.low; ++b) {
    uint8_t* const codes = exponents + b * x3::kBlock;
    X3EscapeMasks(codes, masks + b * (x3::kBlock / 64));
    for (size_t i = 0; i < x3::kBlock; ++i) codes[i] = x3::Below(chunk[b], codes[i]);
  }
  const size_t escapes = X3Positions(masks, parts.low * (x3::kBlock / 64), positions);
  if (bytes != x3::ChunkBytes(count, sizeof(Word), escapes)) return false;
  for (size_t i = 0; i < escapes; ++i) exponents[positions[i]] = chunk[parts.escapes + i];
  for (size_t i = parts.escapes + escapes; i < bytes; ++i) {
    if (chunk[i] != 0) return false;
  }
  const auto* const low = reinterpret_cast<const X3Unaligned<uint16_t>*>(chunk + parts.low);
  for (size_t from = 0; from < count; from += x3::kBlock) {
    alignas(64) X3Unaligned<Word> block[x3::kBlock];
    const size_t size = count - from < x3::kBlock ? count - from : x3::kBlock;
    X3Merge(exponents + from, chunk + parts.sign_mantissas + from, low + from, size, block);
    X3Copy(block, size * sizeof(Word), stream, static_cast<X3Unaligned<Word>*>(target) + from);
  }
  return true;
}

bool X3Decode(const uint8_t* chunk, size_t bytes, bool wide, size_t count, bool stream,
              void* target) {
  return wide ? X3DecodeChunk<uint32_t>(chunk, bytes, count, stream, target)
              : X3DecodeChunk<uint16_t>(chunk, bytes, count, stream, target);
}
