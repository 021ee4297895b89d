// SPDX-License-Identifier: Apache-2.0
//
// Encoder of the rotated quantizers. A thread holds 16 rows of one lane: first rows that differ in
// bits 0 to 3, for the butterflies on these, then rows that differ in bits 4 to 7, whose codes fill
// whole bytes of the planes.

#ifndef THINWIRE_CUDA_CODEC_RQ_ENCODER_CUH_
#define THINWIRE_CUDA_CODEC_RQ_ENCODER_CUH_

#include <cmath>

#include "cuda/codec/rq_matrix.cuh"

namespace thinwire::cuda {

template <int kBits>
class RqEncoder {
 public:
  // The planes of x, at `scales`. Where random or short, the room holds the signs.
  __device__ static inline void Encode(const Tile& x, int size, bool random, uint8_t* scales,
                                       RqRoom& room) {
    const int lanes = static_cast<int>(rq::Lanes(static_cast<size_t>(size)));
    if (lanes == kRqLanes) {
      Deposit(x, random, room);
    } else {
      RqSpread(x, lanes, room);
    }
    if (threadIdx.x < sizeof(room.cells)) {
      room.cells[threadIdx.x] = static_cast<uint8_t>(rq::CellOf(kBits, threadIdx.x));
    }
    __syncthreads();
    TransformLowBits(room);
    __syncthreads();
    Rows rows;
#pragma unroll
    for (int k = 0; k < 16; ++k) {
      rows[k] = room.coefficients[RqCoefficientAt(Slot(), Lane()) + k * kRqSixteenRows];
    }
    RqTransform(rows);
    const uint32_t largest = LargestOfLane(rows, room);
    if (!rq::IsOrdinary(largest)) {
#pragma unroll
      for (float& coefficient : rows) coefficient = 0;
    }
    WriteCodes(rows, rq::InverseOf(largest), lanes, random, scales + rq::ScaleBytes(lanes), room);
    __syncthreads();
    WriteScale(largest, lanes, random, scales, room);
    __syncthreads();
  }

 private:
  using Rows = float[16];
  __device__ static inline int Lane() { return static_cast<int>(threadIdx.x) % kRqLanes; }
  __device__ static inline int Slot() { return static_cast<int>(threadIdx.x) / kRqLanes; }

  __device__ static inline void Deposit(const Tile& x, bool random, RqRoom& room) {
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const float flip = RqFlip(q, random, room);
      const float(&quad)[4] = x.quads[q];
      float* const to =
          room.coefficients + RqCoefficientAt(FirstOf(q) / kRqLanes, FirstOf(q) % kRqLanes);
      *reinterpret_cast<float4*>(to) =
          make_float4(quad[0] * flip, quad[1] * flip, quad[2] * flip, quad[3] * flip);
    }
  }

  __device__ static inline void TransformLowBits(RqRoom& room) {
    float* const first = room.coefficients + RqCoefficientAt(16 * Slot(), Lane());
    Rows rows;
#pragma unroll
    for (int k = 0; k < 16; ++k) rows[k] = first[k * kRqLanes];
    RqTransform(rows);
#pragma unroll
    for (int k = 0; k < 16; ++k) first[k * kRqLanes] = rows[k];
  }

  // As bits. NaN and Inf reach all coefficients, so a maximum that passes over NaN finds them.
  __device__ static inline uint32_t LargestOfLane(const Rows& rows, RqRoom& room) {
    float largest = fabsf(rows[0]);
#pragma unroll
    for (int k = 1; k < 16; ++k) largest = fmaxf(largest, fabsf(rows[k]));
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, kRqLanes));
    if (threadIdx.x % 32 < kRqLanes) room.largest[threadIdx.x / 32][Lane()] = largest;
    __syncthreads();
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) largest = fmaxf(largest, room.largest[warp][Lane()]);
    return BitCast<uint32_t>(fabsf(largest));
  }

  // Of four coefficients: grid points, a byte each; cells and signs, a nibble each.
  struct Group {
    uint32_t points = 0;
    uint32_t cells = 0;
    uint32_t signs = 0;
  };
  // Those of rows 64 apart, in the order in which codes stand in bytes.
  __device__ static inline Group GroupOf(const Rows& rows, int first, float inverse,
                                         const RqRoom& room) {
    Group group;
    uint32_t on_grid[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float h = rows[first + (kBits == 4 ? i % 2 * 8 + i / 2 * 4 : i * 4)];
      on_grid[i] = BitCast<uint32_t>(rq::OnGrid(fabsf(h), inverse));
      group.cells |= CellOf(on_grid[i] & 0x7f, room) << (4 * i);
      group.signs |= BitCast<uint32_t>(h) >> (31 - 4 * i) & 1u << (4 * i);
    }
    group.points = __byte_perm(__byte_perm(on_grid[0], on_grid[1], 0x0040),
                               __byte_perm(on_grid[2], on_grid[3], 0x0040), 0x5410);
    return group;
  }
  __device__ static inline uint32_t CellOf(uint32_t w, const RqRoom& room) {
    constexpr rq::Table kTable = rq::TableOf(kBits);
    return kTable.cells > 2 ? room.cells[w] : rq::CellOf(kBits, w);
  }
  // Bytes of what four nibbles name.
  __device__ static inline uint32_t LevelsOf(uint32_t cells) {
    constexpr rq::Table kTable = rq::TableOf(kBits);
    uint32_t words[2] = {};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      words[i / 4] |= static_cast<uint32_t>(kTable.level[i]) << (i % 4 * 8);
    }
    return __byte_perm(words[0], words[1], cells);
  }
  // A byte of four fields, of the two lower bits of each nibble.
  __device__ static inline uint32_t Compressed(uint32_t nibbles) {
    const uint32_t halves = (nibbles | nibbles >> 2) & 0x0f0f;
    return (halves | halves >> 4) & 0xff;
  }

  __device__ static inline void WriteCodes(const Rows& rows, float inverse, int lanes, bool random,
                                           uint8_t* planes, RqRoom& room) {
    const auto put = [&](int row, uint32_t byte) {
      if (Lane() < lanes) planes[(Slot() + row) * lanes + Lane()] = static_cast<uint8_t>(byte);
    };
    RqSums sums = {};
    uint32_t sign_bytes[2] = {};
#pragma unroll
    for (int first = 0; first < 4; ++first) {
      const Group group = GroupOf(rows, first, inverse, room);
      const uint32_t levels = LevelsOf(group.cells);
      const uint32_t squared = random ? group.points : levels;
      sums.products = __dp4a(group.points, levels, sums.products);
      sums.squares = __dp4a(squared, squared, sums.squares);
      if constexpr (kBits == 4) {
        const uint32_t codes = group.cells | group.signs << 3;
        put(16 * first, codes);
        put(16 * first + 64, codes >> 8);
      }
      if constexpr (kBits == 3) put(16 * first, Compressed(group.cells));
      if constexpr (kBits == 2) put(16 * first, Compressed(group.cells | group.signs << 1));
      sign_bytes[first % 2] |= Compressed(group.signs) << (first / 2);
    }
    if constexpr (kBits % 2 == 1) {
      put(kBits == 3 ? 64 : 0, sign_bytes[0]);
      put(kBits == 3 ? 80 : 16, sign_bytes[1]);
    }
    sums.products += __shfl_xor_sync(kAllLanes, sums.products, kRqLanes);
    sums.squares += __shfl_xor_sync(kAllLanes, sums.squares, kRqLanes);
    if (threadIdx.x % 32 < kRqLanes) room.sums[threadIdx.x / 32][Lane()] = sums;
  }

  // By the first threads, each that of its lane; the pad too.
  __device__ static inline void WriteScale(uint32_t largest, int lanes, bool random,
                                           uint8_t* scales, const RqRoom& room) {
    if (threadIdx.x >= rq::ScaleBytes(lanes) / 2) return;
    RqSums sums = {};
#pragma unroll
    for (int warp = 0; warp < kWarps; ++warp) {
      sums.products += room.sums[warp][Lane()].products;
      sums.squares += room.sums[warp][Lane()].squares;
    }
    const uint16_t scale = rq::BlockScale(largest, static_cast<float>(sums.products),
                                          static_cast<float>(sums.squares), random);
    reinterpret_cast<uint16_t*>(scales)[threadIdx.x] = Lane() < lanes ? scale : uint16_t{0};
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_RQ_ENCODER_CUH_
