// SPDX-License-Identifier: Apache-2.0
//
// Chunks of codec `x3` between the registers of a thread block and shared memory. Formulas:
// codec/x3_math.h. Words, 32 or 16 bits, stand for elements: no bit of theirs is lost.
//
// A warp holds two of the codec's blocks of 256 elements, so a block's base and codes are its
// matter alone: a thread has four quads, two of each block, and the quads of a warp's lanes lie
// side by side in memory.

#ifndef THINWIRE_CUDA_CODEC_X3_CHUNK_CUH_
#define THINWIRE_CUDA_CODEC_X3_CHUNK_CUH_

#include "codec/x3_math.h"
#include "cuda/codec/block.cuh"
#include "cuda/codec/tile.cuh"

namespace thinwire::cuda::x3_chunk {

inline constexpr int kBlock = static_cast<int>(x3::kBlock);
inline constexpr int kQuadsOfBlock = kBlock / 4 / 32;  // of a thread
inline constexpr int kBlocksOfWarp = kQuads / kQuadsOfBlock;

__device__ inline int Lane() { return static_cast<int>(threadIdx.x % 32); }
__device__ inline int Warp() { return static_cast<int>(threadIdx.x / 32); }
// The first element of this thread's quad, in the chunk.
__device__ inline int FirstOfQuad(int quad) {
  return Warp() * (kBlocksOfWarp * kBlock) + 4 * (32 * quad + Lane());
}

// 0xff in the bytes that stand for elements, where `inside` of them are left from a quad on.
__device__ inline uint32_t BytesInside(int inside) {
  return inside >= 4 ? ~0u : inside <= 0 ? 0u : (1u << (8 * inside)) - 1;
}
__device__ inline uint8_t ByteOf(uint32_t word, int i) {
  return static_cast<uint8_t>(word >> (8 * i));
}
// 1 in the bytes of codes that are escapes.
__device__ inline uint32_t Escapes(uint32_t codes) {
  static_assert(x3::kEscape == 7);
  return codes & codes >> 1 & codes >> 2 & x3::kOnes<uint32_t>;
}

// ---- Elements ----

template <typename Word>
struct Words {
  Four<Word> quads[kQuads];
};

template <typename Word>
__device__ inline void Load(const Word* from, int size, Words<Word>& x) {
  const bool vectors = size == kChunk && IsAligned<Four<Word>>(from);
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const int first = FirstOfQuad(q);
    if (vectors) {
      x.quads[q] = LoadFour(from + first);
      continue;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      SetElement(first + i < size ? from[first + i] : Word{0}, i, x.quads[q]);
    }
  }
}
template <typename Word>
__device__ inline void Store(const Words<Word>& x, int size, Word* to) {
  const bool vectors = size == kChunk && IsAligned<Four<Word>>(to);
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const int first = FirstOfQuad(q);
    if (vectors) {
      StoreFour(x.quads[q], to + first);
      continue;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (first + i < size) to[first + i] = ElementOf(x.quads[q], i);
    }
  }
}

template <typename Word>
__device__ inline uint16_t UpperOf(const Four<Word>& quad, int i) {
  return static_cast<uint16_t>(ElementOf(quad, i) >> (8 * (sizeof(Word) - 2)));
}

// ---- Where escapes stand in their list ----

struct EscapeRoom {
  unsigned of_warp[kWarps];
};
struct EscapeRanks {
  int first[kQuads];  // the place of the first escape of each quad
  int all;            // how many the chunk has
};

// A barrier.
__device__ inline EscapeRanks RankEscapes(const uint32_t (&codes)[kQuads], EscapeRoom& room) {
  // Those of a warp's quads number `quad` are 128 at most: a byte counts them.
  static_assert(kQuads == 4);
  uint32_t counts = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    counts |= static_cast<uint32_t>(__popc(Escapes(codes[q]))) << (8 * q);
  }
  const uint32_t inclusive = WarpPrefix(counts);
  const uint32_t totals = __shfl_sync(kAllLanes, inclusive, 31);
  EscapeRanks ranks;
  int rank = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    ranks.first[q] = rank + ByteOf(inclusive - counts, q);
    rank += ByteOf(totals, q);
  }
  if (Lane() == 0) room.of_warp[Warp()] = static_cast<unsigned>(rank);
  __syncthreads();
  int before = 0;
  ranks.all = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) {
    if (warp == Warp()) before = ranks.all;
    ranks.all += static_cast<int>(room.of_warp[warp]);
  }
#pragma unroll
  for (int q = 0; q < kQuads; ++q) ranks.first[q] += before;
  return ranks;
}

// body(quad, i, rank) for each of this thread's escapes.
template <typename Body>
__device__ inline void ForEachEscape(const uint32_t (&codes)[kQuads], const EscapeRanks& ranks,
                                     Body body) {
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const uint32_t escapes = Escapes(codes[q]);
    if (escapes == 0) continue;
    int rank = ranks.first[q];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (ByteOf(escapes, i) != 0) body(q, i, rank++);
    }
  }
}

// ---- Encoding a block, by a warp ----

// A thread's part of a block.
struct BlockPart {
  uint32_t exponents[kQuadsOfBlock];  // zeros where no elements are
  uint32_t inside[kQuadsOfBlock];     // BytesInside

  __device__ inline unsigned Exponent(int i) const { return ByteOf(exponents[i / 4], i % 4); }
  __device__ inline bool IsInside(int i) const { return ByteOf(inside[i / 4], i % 4) != 0; }
};

// Of lane v: how many elements of the block have v for `value`, under 32.
template <typename Value>
__device__ inline unsigned Histogram(Value value) {
  const int lane = Lane();
  unsigned count = 0;
#pragma unroll
  for (int i = 0; i < 4 * kQuadsOfBlock; ++i) {
    const unsigned mine = value(i);
    unsigned same = kAllLanes;
#pragma unroll
    for (int bit = 0; bit < 5; ++bit) {
      const unsigned set = __ballot_sync(kAllLanes, static_cast<int>(mine >> bit & 1));
      same &= (lane >> bit & 1) != 0 ? set : ~set;
    }
    count += static_cast<unsigned>(__popc(same));
  }
  return count;
}

// How far below the largest exponent the base is that leaves fewest escapes: the one that most
// exponents are less than kEscape below of, and the first of equals. Lane d looks at d.
__device__ inline unsigned Drop(unsigned largest, const BlockPart& x) {
  constexpr unsigned kFar = 31;  // from the largest exponent: out of reach, or no element
  static_assert(x3::kMaxDrop + x3::kEscape <= kFar);
  const auto lane = static_cast<unsigned>(Lane());
  const unsigned here =
      Histogram([&](int i) { return x.IsInside(i) ? min(largest - x.Exponent(i), kFar) : kFar; });
  const unsigned upto = WarpPrefix(here);
  const unsigned reached = __shfl_down_sync(kAllLanes, upto, x3::kEscape - 1u) - (upto - here);
  const bool allowed = lane <= x3::kMaxDrop && lane <= largest;
  const unsigned best = __reduce_max_sync(kAllLanes, allowed ? reached << 5 | (kFar - lane) : 0u);
  return kFar - (best & kFar);
}

__device__ inline void SetCodes(uint8_t base, const BlockPart& x,
                                uint32_t (&codes)[kQuadsOfBlock]) {
#pragma unroll
  for (int q = 0; q < kQuadsOfBlock; ++q) {
    codes[q] = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      codes[q] |= static_cast<uint32_t>(x3::Code(base, ByteOf(x.exponents[q], i))) << (8 * i);
    }
    codes[q] &= x.inside[q];  // pads have code 0
  }
}

// Returns the base.
__device__ inline uint8_t EncodeBlock(const BlockPart& x, uint32_t (&codes)[kQuadsOfBlock]) {
  unsigned most = 0;
#pragma unroll
  for (int i = 0; i < 4 * kQuadsOfBlock; ++i) most = max(most, x.Exponent(i));
  const unsigned largest = __reduce_max_sync(kAllLanes, most);
  SetCodes(static_cast<uint8_t>(largest), x, codes);
  int escapes = 0;
#pragma unroll
  for (int q = 0; q < kQuadsOfBlock; ++q) escapes += __popc(Escapes(codes[q]));
  const unsigned all = __reduce_add_sync(kAllLanes, static_cast<unsigned>(escapes));
  if (all <= x3::kFewEscapes) return static_cast<uint8_t>(largest);
  const auto base = static_cast<uint8_t>(largest - Drop(largest, x));
  SetCodes(base, x, codes);
  return base;
}

// ---- Planes of codes ----

// A block's codes, one a byte, to its planes, whose unit is w bytes (x3_math.h).
__device__ inline void PackCodes(const uint32_t* codes, int w, uint8_t* planes) {
  const int words = w / 4;
  const int lower = Lane();
  const int upper = Lane() - 2 * static_cast<int>(x3::BitBytes(x3::kBlock)) / 4;
  uint32_t bits = 0;
  if (lower < 2 * words) {
#pragma unroll
    for (int k = 0; k < 4; ++k) bits |= x3::LowerBits(codes[lower + 2 * words * k], k);
    StoreWord(bits, 4, planes + 4 * lower);
  } else if (upper >= 0 && upper < words) {
#pragma unroll
    for (int k = 0; k < 8; ++k) bits |= x3::UpperBits(codes[upper + words * k], k);
    StoreWord(bits, 4, planes + 2 * w + 4 * upper);
  }
}
// Four codes of a block, from number `first` on.
__device__ inline uint32_t UnpackCodes(const uint8_t* planes, int w, int first) {
  if (first >= 8 * w) return 0;
  const uint32_t lower = LoadWord(planes + first % (2 * w), 4);
  const uint32_t upper = LoadWord(planes + 2 * w + first % w, 4);
  return x3::CodesOf(lower, first / (2 * w), upper, first / w);
}

// body(w, where the planes begin in the chunk) for a block that has elements. Whole ones are the
// rule and a case of their own: their w is a constant to divide by.
template <typename Body>
__device__ inline void WithPlanes(const x3::Parts& parts, int block, int size, Body body) {
  constexpr int kWhole = static_cast<int>(x3::BitBytes(x3::kBlock));
  const int begin = static_cast<int>(parts.codes) + block * 3 * kWhole;
  const int elements = size - block * kBlock;
  if (elements >= kBlock) return body(kWhole, begin);
  if (elements > 0) body(static_cast<int>(x3::BitBytes(static_cast<size_t>(elements))), begin);
}

// ---- What is neither exponent nor code ----

template <typename Word>
__device__ inline void StorePlain(const Four<Word>& quad, int first, int size,
                                  const x3::Parts& parts, uint8_t* chunk) {
  uint32_t sign_mantissas = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sign_mantissas |= static_cast<uint32_t>(x3::SignMantissa(UpperOf(quad, i))) << (8 * i);
  }
  StoreWord(sign_mantissas, size - first, chunk + parts.sign_mantissas + first);
  if constexpr (sizeof(Word) == 4) {
    uint8_t* const low = chunk + parts.low + 2 * first;
    const uint2 halves = make_uint2((quad.words[0] & 0xffffu) | quad.words[1] << 16,
                                    (quad.words[2] & 0xffffu) | quad.words[3] << 16);
    if (size - first >= 4 && IsAligned<uint2>(low)) {
      *reinterpret_cast<uint2*>(low) = halves;
      return;
    }
    StoreWord(halves.x, 2 * (size - first), low);
    StoreWord(halves.y, 2 * (size - first) - 4, low + 4);
  }
}

template <typename Word>
__device__ inline Four<Word> Joined(uint32_t exponents, int first, int size, const x3::Parts& parts,
                                    const uint8_t* chunk) {
  const uint32_t sign_mantissas = LoadWord(chunk + parts.sign_mantissas + first, size - first);
  uint2 low = make_uint2(0, 0);
  if constexpr (sizeof(Word) == 4) {
    const uint8_t* const from = chunk + parts.low + 2 * first;
    if (size - first >= 4 && IsAligned<uint2>(from)) {
      low = *reinterpret_cast<const uint2*>(from);
    } else {
      low = make_uint2(LoadWord(from, 2 * (size - first)),
                       LoadWord(from + 4, 2 * (size - first) - 4));
    }
  }
  Four<Word> quad;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    Word word = x3::Join(ByteOf(sign_mantissas, i), ByteOf(exponents, i));
    if constexpr (sizeof(Word) == 4) {
      word = word << 16 | ((i < 2 ? low.x : low.y) >> (i % 2 * 16) & 0xffffu);
    }
    SetElement(word, i, quad);
  }
  return quad;
}

// ---- Chunks ----

template <typename Word>
struct Shared {
  // As large as a raw chunk, which a coded one is shorter than.
  alignas(16) uint8_t chunk[kChunk * sizeof(Word)];
  uint32_t codes[kChunk / 4];  // one a byte
  EscapeRoom escapes;
};
template <typename Word>
__device__ inline Four<Word>& RawQuad(int quad, Shared<Word>& shared) {
  return *reinterpret_cast<Four<Word>*>(shared.chunk + FirstOfQuad(quad) * sizeof(Word));
}

// All of a coded chunk but the escapes; codes = those of the elements.
template <typename Word>
__device__ inline void EncodePlanes(const Words<Word>& x, int size, const x3::Parts& parts,
                                    uint32_t (&codes)[kQuads], Shared<Word>& shared) {
#pragma unroll
  for (int b = 0; b < kBlocksOfWarp; ++b) {
    const int block = Warp() * kBlocksOfWarp + b;
    BlockPart part;
#pragma unroll
    for (int k = 0; k < kQuadsOfBlock; ++k) {
      const Four<Word>& quad = x.quads[b * kQuadsOfBlock + k];
      const int first = FirstOfQuad(b * kQuadsOfBlock + k);
      StorePlain(quad, first, size, parts, shared.chunk);
      part.inside[k] = BytesInside(size - first);
      part.exponents[k] = 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        part.exponents[k] |= static_cast<uint32_t>(x3::Exponent(UpperOf(quad, i))) << (8 * i);
      }
    }
    uint32_t of_block[kQuadsOfBlock];
    const uint8_t base = EncodeBlock(part, of_block);
    if (Lane() == 0 && block * kBlock < size) shared.chunk[block] = base;
#pragma unroll
    for (int k = 0; k < kQuadsOfBlock; ++k) {
      const int q = b * kQuadsOfBlock + k;
      codes[q] = of_block[k];
      shared.codes[FirstOfQuad(q) / 4] = codes[q];
    }
    __syncwarp();
    WithPlanes(parts, block, size, [&](int w, int begin) {
      PackCodes(shared.codes + block * (kBlock / 4), w, shared.chunk + begin);
    });
  }
}

// x to shared memory, coded or, where that would not be shorter, raw. Thread 0 calls
// announce(bytes) as soon as it is known how many they are. They can be seen after the next
// barrier. Returns them.
template <typename Word, typename Announce>
__device__ inline int Encode(const Words<Word>& x, int size, Announce announce,
                             Shared<Word>& shared) {
  const auto count = static_cast<size_t>(size);
  const x3::Parts parts(count, sizeof(Word));
  uint32_t codes[kQuads];
  EncodePlanes(x, size, parts, codes, shared);
  const EscapeRanks ranks = RankEscapes(codes, shared.escapes);
  const auto escapes = static_cast<size_t>(ranks.all);
  const int coded = static_cast<int>(x3::ChunkBytes(count, sizeof(Word), escapes));
  const int raw = size * static_cast<int>(sizeof(Word));
  if (threadIdx.x == 0) announce(min(coded, raw));
  if (coded < raw) {
    uint8_t* const list = shared.chunk + parts.escapes;
    ForEachEscape(codes, ranks, [&](int q, int i, int rank) {
      list[rank] = x3::Exponent(UpperOf(x.quads[q], i));
    });
    const int pads = coded - static_cast<int>(parts.escapes + escapes);
    if (static_cast<int>(threadIdx.x) < pads) list[ranks.all + static_cast<int>(threadIdx.x)] = 0;
  } else {
#pragma unroll
    for (int q = 0; q < kQuads; ++q) RawQuad(q, shared) = x.quads[q];
  }
  return min(coded, raw);
}

// The elements of a raw chunk in shared memory.
template <typename Word>
__device__ inline void LoadRaw(Shared<Word>& shared, Words<Word>& x) {
#pragma unroll
  for (int q = 0; q < kQuads; ++q) x.quads[q] = RawQuad(q, shared);
}

// The codes of a coded chunk; false: pads of its last block are not zero.
template <typename Word>
__device__ inline bool LoadCodes(const Shared<Word>& shared, int size, const x3::Parts& parts,
                                 uint32_t (&codes)[kQuads]) {
  bool padded = true;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    codes[q] = 0;
    const int block = FirstOfQuad(q) / kBlock;
    WithPlanes(parts, block, size, [&](int w, int begin) {
      codes[q] = UnpackCodes(shared.chunk + begin, w, FirstOfQuad(q) % kBlock);
    });
    const uint32_t inside = BytesInside(size - FirstOfQuad(q));
    padded = padded && (codes[q] & ~inside) == 0;
    codes[q] &= inside;
  }
  return padded;
}

// The elements of a coded chunk in shared memory, of at least FixedBytes `bytes`. False: no encoder
// wrote it.
template <typename Word>
__device__ inline bool Decode(int bytes, int size, Shared<Word>& shared, Words<Word>& x) {
  const auto count = static_cast<size_t>(size);
  const x3::Parts parts(count, sizeof(Word));
  uint32_t codes[kQuads], exponents[kQuads];
  bool good = LoadCodes(shared, size, parts, codes);
  const EscapeRanks ranks = RankEscapes(codes, shared.escapes);
  const auto escapes = static_cast<size_t>(ranks.all);
  if (static_cast<int>(x3::ChunkBytes(count, sizeof(Word), escapes)) != bytes) return false;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const uint8_t base = shared.chunk[FirstOfQuad(q) / kBlock];
    exponents[q] = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      exponents[q] |= static_cast<uint32_t>(x3::Below(base, ByteOf(codes[q], i))) << (8 * i);
    }
  }
  const uint8_t* const list = shared.chunk + parts.escapes;
  ForEachEscape(codes, ranks, [&](int q, int i, int rank) {
    exponents[q] = (exponents[q] & ~(0xffu << (8 * i))) | static_cast<uint32_t>(list[rank])
                                                              << (8 * i);
  });
  const int pads = bytes - static_cast<int>(parts.escapes + escapes);
  if (static_cast<int>(threadIdx.x) < pads) {
    good = good && list[ranks.all + static_cast<int>(threadIdx.x)] == 0;
  }
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    x.quads[q] = Joined<Word>(exponents[q], FirstOfQuad(q), size, parts, shared.chunk);
  }
  return good;
}

}  // namespace thinwire::cuda::x3_chunk

#endif  // THINWIRE_CUDA_CODEC_X3_CHUNK_CUH_
