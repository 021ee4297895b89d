// SPDX-License-Identifier: Apache-2.0
//
// The matrix that a chunk of the rotated quantizers is: 256 rows of 16 lanes in memory order, each
// lane a block. In a tile, quad q of thread t is four lanes of row t / 4 + 64 q.

#ifndef THINWIRE_CUDA_CODEC_RQ_MATRIX_CUH_
#define THINWIRE_CUDA_CODEC_RQ_MATRIX_CUH_

#include "codec/rq_math.h"
#include "cuda/codec/block.cuh"

namespace thinwire::cuda {

inline constexpr int kRqRows = rq::kRows;
inline constexpr int kRqLanes = rq::kLanes;
inline constexpr int kRqPairs = kRqLanes / 2;

// Over the rows of one lane, of integers: exact in any order.
struct RqSums {
  uint32_t products;
  uint32_t squares;
};

struct RqRoom {
  union {
    alignas(16) float coefficients[kRqRows * kRqLanes + kRqRows];
    alignas(16) uint32_t pairs[kRqRows * kRqPairs + kRqRows];
  };
  rq::Signs signs;  // random ones, or those of a short chunk
  uint8_t cells[128];
  float largest[kWarps][kRqLanes];
  RqSums sums[kWarps][kRqLanes];
};

// Where coefficients stand: with a gap after every 16 rows, so that two rows 16 apart are on
// different banks. The place of row + 16 k is k * kRqSixteenRows further on.
inline constexpr int kRqSixteenRows = 16 * kRqLanes + 16;
__device__ inline int RqCoefficientAt(int row, int lane) {
  return row * kRqLanes + row / 16 * 16 + lane;
}
// Where pairs of lanes stand: with a gap after every 8 rows.
inline constexpr int kRqEightRows = 8 * kRqPairs + 8;
__device__ inline int RqPairAt(int row, int pair) { return row * kRqPairs + row / 8 * 8 + pair; }

// All butterflies on kCount vectors, those on bit 0 of the index first.
template <int kCount, typename F>
__device__ inline void RqTransform(F (&rows)[kCount]) {
#pragma unroll
  for (int bit = 1; bit < kCount; bit *= 2) {
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      if ((k & bit) == 0) rq::Butterfly(rows[k], rows[k | bit]);
    }
  }
}

// The factor of the row of this thread's quad.
__device__ inline float RqFlip(int quad, bool random, const RqRoom& room) {
  constexpr rq::Signs kConstant = rq::kSigns;
  const bool upper = threadIdx.x >= kThreads / 2;
  const uint32_t constant = upper ? kConstant.words[2 * quad + 1] : kConstant.words[2 * quad];
  const uint32_t word = random ? room.signs.words[2 * quad + upper] : constant;
  return rq::Flip(word >> (threadIdx.x / 4 % 32));
}

// ---- Short chunks, whose rows have fewer lanes ----

// Where an element of the chunk stands in its rows, and the next one.
struct RqPlace {
  int row;
  int lane;

  __device__ inline RqPlace(int element, int lanes) : row(element / lanes), lane(element % lanes) {}
  __device__ inline void Advance(int lanes) {
    const bool last = lane + 1 == lanes;
    row += last ? 1 : 0;
    lane = last ? 0 : lane + 1;
  }
};

// The elements of a short chunk times their rows' factors, which the room holds, to where rows have
// 16 lanes. What stands in further lanes is coded like them, and not sent.
__device__ inline void RqSpread(const Tile& x, int lanes, RqRoom& room) {
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    RqPlace place(FirstOf(q), lanes);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (place.row < kRqRows) {
        const float flip = rq::Flip(room.signs.words[place.row / 32] >> (place.row % 32));
        room.coefficients[RqCoefficientAt(place.row, place.lane)] = x.quads[q][i] * flip;
      }
      place.Advance(lanes);
    }
  }
}

// The elements of a short chunk from where rows have 16 lanes; zeros after them.
__device__ inline void RqGather(int lanes, int size, RqRoom& room, Tile& y) {
  __syncthreads();
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int lane = FirstOf(q) % kRqLanes + i;
      room.coefficients[RqCoefficientAt(FirstOf(q) / kRqLanes, lane)] = y.quads[q][i];
    }
  }
  __syncthreads();
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    RqPlace place(FirstOf(q), lanes);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int at = RqCoefficientAt(place.row, place.lane);
      y.quads[q][i] = FirstOf(q) + i < size ? room.coefficients[at] : 0.0f;
      place.Advance(lanes);
    }
  }
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_RQ_MATRIX_CUH_
