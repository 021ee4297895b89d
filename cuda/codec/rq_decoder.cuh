// SPDX-License-Identifier: Apache-2.0
//
// Decoder of the rotated quantizers. The transform of levels is exact, so its butterflies come in
// the order that suits: on bits 3 to 5 of the row, on bits 0 to 2, and on bits 6 and 7, in which
// the quads of a tile differ.
//
// Two lanes share a word, as upper * 65536 + lower: sums and differences of words are those of both
// numbers, whatever their signs. Numbers are within 16 bits at the end.

#ifndef THINWIRE_CUDA_CODEC_RQ_DECODER_CUH_
#define THINWIRE_CUDA_CODEC_RQ_DECODER_CUH_

#include "cuda/codec/rq_matrix.cuh"

namespace thinwire::cuda {

template <int kBits>
class RqDecoder {
 public:
  // y = the chunk whose planes stand at `scales`. Where random, threads may just have left the
  // signs in the room.
  __device__ static inline void Decode(const uint8_t* scales, int size, bool random, RqRoom& room,
                                       Tile& y) {
    const int lanes = static_cast<int>(rq::Lanes(static_cast<size_t>(size)));
    const uint8_t* const planes = scales + rq::ScaleBytes(lanes);
    const auto from_bytes = [=](int at) {
      return planes[at] | static_cast<uint32_t>(planes[at + 1]) << 8;
    };
    const auto from_halves = [=](int at) -> uint32_t {
      return *reinterpret_cast<const uint16_t*>(planes + at);
    };
    if (lanes == kRqLanes) {
      TransformMiddleBits(kRqLanes, from_halves, room);
    } else {
      TransformMiddleBits(lanes, from_bytes, room);
    }
    __syncthreads();
    TransformLowBits(room);
    __syncthreads();
    Restore(scales, random, room, y);
    if (size != kChunk) RqGather(lanes, size, room, y);
  }

 private:
  // Makes all transformed numbers positive where the level of row 0, which adds to all of them,
  // has it.
  static constexpr uint32_t kBias = 0x8000;
  static constexpr uint32_t kPairBias = kBias << 16 | kBias;

  __device__ static inline int Pair() { return static_cast<int>(threadIdx.x) % kRqPairs; }
  __device__ static inline int Slot() { return static_cast<int>(threadIdx.x) / kRqPairs % 8; }
  __device__ static inline int Group() { return static_cast<int>(threadIdx.x) / (8 * kRqPairs); }

  // Codes to levels, transformed. `load` gives two bytes of the planes.
  template <typename Load>
  __device__ static inline void TransformMiddleBits(int lanes, Load load, RqRoom& room) {
    const int first = Slot() + 64 * Group();
    uint32_t rows[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      // The fields of row first + 8 j in the plane of fields of `bits` bits, which are lowest.
      const auto fields = [&](int bits, int plane_row) {
        const int span = 32 * bits;
        const int row = plane_row + first % span + 8 * j % span;
        return load(row * lanes + 2 * Pair()) >> ((first / span + 8 * j / span) * bits);
      };
      if constexpr (kBits == 3) {
        rows[j] = LevelsOf(fields(2, 0) & 0x0303, fields(1, 64));
      } else {
        const uint32_t codes = fields(kBits, 0);
        constexpr uint32_t kCells = (1u << (kBits - 1)) - 1;
        rows[j] = LevelsOf(codes & kCells * 0x0101, codes >> (kBits - 1));
      }
    }
    if (first == 0) rows[0] += kPairBias;
    RqTransform(rows);
#pragma unroll
    for (int j = 0; j < 8; ++j) room.pairs[RqPairAt(first, Pair()) + j * kRqEightRows] = rows[j];
  }

  // A pair of levels, from two bytes of cells and two whose lowest bits are the signs.
  __device__ static inline uint32_t LevelsOf(uint32_t cells, uint32_t signs) {
    constexpr rq::Table kTable = rq::TableOf(kBits);
    uint32_t words[2] = {};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      words[i / 4] |= static_cast<uint32_t>(kTable.level[i]) << (i % 4 * 8);
    }
    const uint32_t levels = __byte_perm(words[0], words[1], cells) & 0x00ff00ff;
    const uint32_t negative = (__byte_perm(signs, 0, 0x4140) & 0x00010001) * 0xffff;
    return (levels ^ negative) - negative;
  }

  __device__ static inline void TransformLowBits(RqRoom& room) {
    uint32_t* const first = room.pairs + RqPairAt(8 * Slot() + 64 * Group(), Pair());
    uint32_t rows[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) rows[j] = first[j * kRqPairs];
    RqTransform(rows);
#pragma unroll
    for (int j = 0; j < 8; ++j) first[j * kRqPairs] = rows[j];
  }

  __device__ static inline void Restore(const uint8_t* scales, bool random, const RqRoom& room,
                                        Tile& y) {
    const int lane = FirstOf(0) % kRqLanes;
    const int at = RqPairAt(FirstOf(0) / kRqLanes, lane / 2);
    uint32_t lower[kQuads];
    uint32_t upper[kQuads];
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const uint2 pairs = *reinterpret_cast<const uint2*>(room.pairs + at + 8 * q * kRqEightRows);
      lower[q] = pairs.x;
      upper[q] = pairs.y;
    }
    RqTransform(lower);
    RqTransform(upper);
    const uint2 words = *reinterpret_cast<const uint2*>(scales + 2 * lane);
    bool guarded = false;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const rq::Scaling scaling = ScalingOf(words, i);
      guarded = guarded || scaling.guarded;
#pragma unroll
      for (int q = 0; q < kQuads; ++q) {
        const float integer = NumberOf(i < 2 ? lower[q] : upper[q], i % 2);
        y.quads[q][i] = rq::Restored(integer, RqFlip(q, random, room), scaling.scale);
      }
    }
    if (guarded) Guard(words, y);
  }

  // Of the quads' lane i, whose scales are two halves of two words.
  __device__ static inline rq::Scaling ScalingOf(uint2 words, int i) {
    return rq::ScalingOf(static_cast<uint16_t>((i < 2 ? words.x : words.y) >> (i % 2 * 16)));
  }

  __device__ static inline void Guard(uint2 words, Tile& y) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const rq::Scaling scaling = ScalingOf(words, i);
#pragma unroll
      for (int q = 0; q < kQuads; ++q) {
        const auto bits = BitCast<int32_t>(y.quads[q][i]);
        y.quads[q][i] = BitCast<float>(rq::Guarded(bits, scaling.keep, scaling.instead));
      }
    }
  }

  // One of a pair, less the bias. In the lower bits of 2^23 it is a float.
  __device__ static inline float NumberOf(uint32_t pair, int upper) {
    const uint32_t bits = __byte_perm(pair, 0x4b000000, upper ? 0x7632 : 0x7610);
    return BitCast<float>(bits) - (8388608.0f + static_cast<float>(kBias));
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_RQ_DECODER_CUH_
