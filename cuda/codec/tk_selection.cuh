// SPDX-License-Identifier: Apache-2.0
//
// Which elements of a tile codec `tk` keeps, and where each stands among them (codec/tk_math.h).
//
// The keys stay in registers: a bracket around the k-th is narrowed by counting how many reach its
// middle, until a thread each can be given to those inside. They are ranked one against the others.
// For a small k the bracket begins at a key that as many threads' largest elements reach, so that
// all elements are mostly counted once.

#ifndef THINWIRE_CUDA_CODEC_TK_SELECTION_CUH_
#define THINWIRE_CUDA_CODEC_TK_SELECTION_CUH_

#include "codec/tk_math.h"
#include "cuda/codec/block.cuh"

namespace thinwire::cuda {

struct TkSelectionRoom {
  alignas(16) uint32_t keys[kThreads];  // of candidates
  uint32_t chosen[kWarps];              // of candidates, a bit each
  BlockRoom largest;
  BlockRoom least;
  BlockRoom counts[2];
  PrefixRoom candidates;
  PrefixRoom certain;
};

// Bit 4 q + i: whether the key of x.quads[q][i] is at least `threshold`, which is at most kNanKey.
__device__ inline unsigned Reaching(const Tile& x, uint32_t threshold) {
  unsigned mask = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (tk::MagnitudeBits(x.quads[q][i]) >= threshold) mask |= 1u << (4 * q + i);
    }
  }
  return mask;
}
__device__ inline unsigned OfQuad(unsigned mask, int quad) { return mask >> (4 * quad) & 0xf; }

// The largest key among the thread's elements.
__device__ inline uint32_t LargestKey(const Tile& x) {
  uint32_t largest = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
#pragma unroll
    for (int i = 0; i < 4; ++i) largest = max(largest, tk::MagnitudeBits(x.quads[q][i]));
  }
  return min(largest, tk::kNanKey);
}

// Holds the k-th largest key: at least k keys reach `low`, fewer than k reach `high`.
struct TkBracket {
  uint32_t low;
  uint32_t high;
  int at_low;
  int at_high;

  __device__ inline int size() const { return at_low - at_high; }
  // Raises low or lowers high until `enough` says so or one key is left. count(key): how many reach
  // it. What has fewer than k elements that are not zero is known at once.
  template <typename Count, typename Enough>
  __device__ inline void Narrow(int k, Count count, Enough enough) {
    while (high - low > 1 && !enough()) {
      const uint32_t middle = low == 0 ? 1 : low + (high - low) / 2;
      const int reaching = count(middle);
      const bool raise = reaching >= k;
      (raise ? low : high) = middle;
      (raise ? at_low : at_high) = reaching;
    }
  }
};

// A key that at least k elements reach, and hardly more unless large ones stand side by side.
__device__ inline uint32_t ProbeByThreads(uint32_t largest_of_thread, uint32_t largest, int k,
                                          TkSelectionRoom& room) {
  const uint32_t least = ~BlockMax(~largest_of_thread, room.least);
  TkBracket bracket = {least, largest + 1, kThreads, 0};
  bracket.Narrow(
      k, [&](uint32_t key) { return __syncthreads_count(largest_of_thread >= key); },
      [&] { return bracket.at_low <= k + k / 2; });
  return bracket.low;
}

// The thread's elements that are kept for certain, as they reach the bracket's end, and those
// inside it.
struct TkSplit {
  TkBracket bracket;
  unsigned certain;
  unsigned candidates;
};
__device__ inline TkSplit Split(const Tile& x, int k, uint32_t largest_of_thread, uint32_t largest,
                                TkSelectionRoom& room) {
  unsigned reach_low = 0xffff, reach_high = 0;
  unsigned round = 0;
  const auto count = [&](uint32_t key) {
    const unsigned mask = Reaching(x, key);
    // Rooms alternate: who writes to one has seen everybody leave it, in the round between.
    const auto reaching =
        static_cast<int>(BlockSum(static_cast<unsigned>(__popc(mask)), room.counts[round++ % 2]));
    (reaching >= k ? reach_low : reach_high) = mask;
    return reaching;
  };
  TkBracket bracket = {0, largest + 1, kChunk, 0};
  if (k <= kThreads / 2) {
    bracket.low = ProbeByThreads(largest_of_thread, largest, k, room);
    bracket.at_low = count(bracket.low);
  }
  bracket.Narrow(k, count, [&] { return bracket.size() <= kThreads; });
  return {bracket, reach_high, reach_low & ~reach_high};
}

// Where the thread's elements of `mask` stand among all, in the order of the chunk: the first of
// each quad.
__device__ inline void FindPlaces(unsigned mask, PrefixRoom& room, int (&places)[kQuads]) {
  uint64_t counts = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    counts |= static_cast<uint64_t>(__popc(OfQuad(mask, q))) << (16 * q);
  }
  const Prefix prefix = BlockPrefix(counts, room);
  int quads_before = 0;
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    places[q] = quads_before + static_cast<int>(prefix.before >> (16 * q) & 0xffff);
    quads_before += static_cast<int>(prefix.all >> (16 * q) & 0xffff);
  }
}

// Which candidates are kept, by their places.
struct TkChosen {
  bool first;  // those that come first, since all have one key; else by `bits`
  int count;
  const uint32_t* bits;

  __device__ inline int Before(int place) const {
    if (first) return min(place, count);
    int before = 0;
    for (int word = 0; word < place / 32; ++word) before += __popc(bits[word]);
    const uint32_t below = (1u << place % 32) - 1;
    return below == 0 ? before : before + __popc(bits[place / 32] & below);
  }
  __device__ inline bool Has(int place) const {
    return first ? place < count : (bits[place / 32] >> place % 32 & 1) != 0;
  }
};

// Ranks candidates, whose keys stand in the order of the chunk with zeros after them: those of the
// `wanted` largest keys, and of equal ones the first, are chosen.
__device__ inline void Rank(int candidates, int wanted, TkSelectionRoom& room) {
  const int own = static_cast<int>(threadIdx.x);
  int larger = 0;
  if (own < candidates) {
    const uint32_t key = room.keys[own];
    for (int other = 0; other < candidates; other += 4) {
      const uint4 keys = *reinterpret_cast<const uint4*>(room.keys + other);
      const auto precedes = [&](uint32_t its, int i) {
        return its >= key + (other + i < own ? 0 : 1) ? 1 : 0;
      };
      larger += precedes(keys.x, 0) + precedes(keys.y, 1);
      larger += precedes(keys.z, 2) + precedes(keys.w, 3);
    }
  }
  const unsigned chosen = __ballot_sync(kAllLanes, own < candidates && larger < wanted);
  if (own % 32 == 0) room.chosen[own / 32] = chosen;
}

__device__ inline TkChosen Choose(const Tile& x, const TkSplit& split, int k,
                                  const int (&places)[kQuads], TkSelectionRoom& room) {
  const int wanted = k - split.bracket.at_high;
  if (split.bracket.size() > kThreads) return {true, wanted, nullptr};
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const unsigned candidates = OfQuad(split.candidates, q);
    if (candidates == 0) continue;
    int place = places[q];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((candidates >> i & 1) == 0) continue;
      room.keys[place++] = tk::KeyOfBits(BitCast<uint32_t>(x.quads[q][i]));
    }
  }
  __syncthreads();
  Rank(split.bracket.size(), wanted, room);
  __syncthreads();
  return {false, wanted, room.chosen};
}

// Calls keep(place, index, element) for each of the k elements kept, from the thread that holds it;
// places are in the order of indices. Returns the largest key of all.
template <typename Keep>
__device__ inline uint32_t Select(const Tile& x, int k, TkSelectionRoom& room, Keep keep) {
  room.keys[threadIdx.x] = 0;
  const uint32_t largest_of_thread = LargestKey(x);
  const uint32_t largest = BlockMax(largest_of_thread, room.largest);
  const TkSplit split = Split(x, k, largest_of_thread, largest, room);
  int places[kQuads];
  FindPlaces(split.candidates, room.candidates, places);
  const TkChosen chosen = Choose(x, split, k, places, room);
  int certain_places[kQuads] = {};
  if (split.bracket.at_high > 0) FindPlaces(split.certain, room.certain, certain_places);
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    const unsigned certain = OfQuad(split.certain, q);
    const unsigned candidates = OfQuad(split.candidates, q);
    if ((certain | candidates) == 0) continue;
    int candidate = places[q];
    int place = certain_places[q] + chosen.Before(candidate);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bool inside = (candidates >> i & 1) != 0;
      const bool kept = inside ? chosen.Has(candidate) : (certain >> i & 1) != 0;
      candidate += inside ? 1 : 0;
      if (kept) keep(place++, FirstOf(q) + i, x.quads[q][i]);
    }
  }
  return largest;
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_TK_SELECTION_CUH_
