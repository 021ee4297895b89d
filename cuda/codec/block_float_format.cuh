// SPDX-License-Identifier: Apache-2.0
//
// Chunks of the codecs `fp8`, `mxfp8`, `mxfp6`, `mxfp4` and `nvfp4`, for each layout L of
// codec/block_float_math.h. A block is the quads of 4 to 32 lanes in a row.

#ifndef THINWIRE_CUDA_CODEC_BLOCK_FLOAT_FORMAT_CUH_
#define THINWIRE_CUDA_CODEC_BLOCK_FLOAT_FORMAT_CUH_

#include "codec/block_float_math.h"
#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

template <typename L>
struct BlockFloatFormat {
  using Element = typename L::Element;
  using Scale = typename L::Scale;
  static constexpr int kMaxChunkBytes = static_cast<int>(L::ChunkBytes(kChunk));
  static constexpr int kBlock = static_cast<int>(L::kBlock);
  static constexpr int kLanes = kBlock / 4;  // of a block
  static constexpr int kCodeBits = static_cast<int>(L::kCodeBits);
  static constexpr bool kHasHead = L::kHeadBytes != 0;
  struct Room {
    BlockRoom most;
  };

  __device__ static inline int ChunkBytes(const CodecShape&, int size) {
    return static_cast<int>(L::ChunkBytes(static_cast<size_t>(size)));
  }

  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext&, uint8_t* chunk,
                                       Room& room) {
    unsigned maxima[kQuads];
    const unsigned specials = FiniteMaxima(x, maxima);
    const float chunk_step = WriteHead(maxima, chunk, room);
    const float inverse = WriteScale(maxima, specials, chunk_step, size, chunk);
    const int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      const float of_quad = __shfl_sync(kAllLanes, inverse, lane - lane % kQuads + quad);
      const bool special = (specials >> quad & 1) != 0;
      WriteCodes(CodesOf(x.quads[quad], of_quad, special), quad, size, chunk);
    }
    __syncthreads();
  }

  __device__ static inline bool Decode(int size, const ChunkContext&, const uint8_t* chunk, Room&,
                                       Tile& y) {
    float chunk_step = 1.0f;
    bool known = ReadHead(chunk, &chunk_step);
    const auto* const scales = reinterpret_cast<const Scale*>(chunk + L::kHeadBytes);
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      const Scale scale = scales[FirstOf(quad) / kBlock];
      if (FirstOf(quad) < size) known = known && L::IsScale(scale);
      const float step = L::Step(scale, chunk_step);
      const bool nan = step != step;
      const uint32_t codes = ReadCodes(quad, Codes(size, chunk));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint32_t code = codes >> (kCodeBits * i) & ((1u << kCodeBits) - 1);
        const float value = block_float::Value<Element>(code, step);
        y.quads[quad][i] = nan ? BitCast<float>(block_float::kNanBits) : value;
      }
    }
    return known;
  }

 private:
  // maxima[q] = the largest finite magnitude of quad q's block; bit q of the result: it has
  // elements that are not finite.
  __device__ static inline unsigned FiniteMaxima(const Tile& x, unsigned (&maxima)[kQuads]) {
    const unsigned most = GroupMaxima<kLanes, false>(x, maxima);
    if (!__any_sync(kAllLanes, most >= block_float::kInfBits)) return 0;
    unsigned specials = 0;
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      if (maxima[quad] >= block_float::kInfBits) specials |= 1u << quad;
    }
    GroupMaxima<kLanes, true>(x, maxima);
    return specials;
  }

  // The head, if the layout has one; gives the chunk's step.
  __device__ static inline float WriteHead(const unsigned (&maxima)[kQuads], uint8_t* chunk,
                                           Room& room) {
    if constexpr (kHasHead) {
      unsigned most = maxima[0];
#pragma unroll
      for (int quad = 1; quad < kQuads; ++quad) most = max(most, maxima[quad]);
      const float step = L::ChunkStep(static_cast<int32_t>(BlockMax(most, room.most)));
      if (threadIdx.x == 0) {
        *reinterpret_cast<uint4*>(chunk) = make_uint4(BitCast<uint32_t>(step), 0, 0, 0);
      }
      return step;
    } else {
      return 1.0f;
    }
  }
  __device__ static inline bool ReadHead(const uint8_t* chunk, float* chunk_step) {
    if constexpr (kHasHead) {
      const uint4 head = *reinterpret_cast<const uint4*>(chunk);
      *chunk_step = BitCast<float>(head.x);
      return L::IsChunkStep(*chunk_step) && (head.y | head.z | head.w) == 0;
    } else {
      return true;
    }
  }

  // Scales take divisions, so each lane finds one: that of its quad number `lane % kQuads`, on
  // behalf of its neighbours. Gives the inverse of that block's step.
  __device__ static inline float WriteScale(const unsigned (&maxima)[kQuads], unsigned specials,
                                            float chunk_step, int size, uint8_t* chunk) {
    const int mine = static_cast<int>(threadIdx.x % kQuads);
    unsigned most = maxima[0];
#pragma unroll
    for (int quad = 1; quad < kQuads; ++quad) {
      if (quad == mine) most = maxima[quad];
    }
    Scale scale = L::ScaleOf(static_cast<int32_t>(most), chunk_step);
    const float inverse = L::InverseStep(scale, chunk_step);
    if constexpr (!Element::kHasNan) {
      if (specials >> mine & 1) scale = L::kNanScale;
    }
    const int block = FirstOf(mine) / kBlock;
    const int end = static_cast<int>(L::ScaleBytes(static_cast<size_t>(size)) / sizeof(Scale));
    if (static_cast<int>(threadIdx.x % kLanes) < kQuads && block < end) {
      // The plane is padded with zeros.
      reinterpret_cast<Scale*>(chunk + L::kHeadBytes)[block] = block * kBlock < size ? scale : 0;
    }
    return inverse;
  }

  // Codes of a quad, kCodeBits each. In a block with special values they stay where they are, or
  // the whole block is NaN by its scale.
  __device__ static inline uint32_t CodesOf(const float (&x)[4], float inverse, bool special) {
    uint32_t codes = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      codes |= block_float::Code<Element>(x[i], inverse) << (kCodeBits * i);
    }
    if (!special) return codes;
    codes = 0;
    if constexpr (Element::kHasNan) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        codes |= block_float::CodeOrSpecial<Element>(x[i], inverse) << (kCodeBits * i);
      }
    }
    return codes;
  }

  // ---- The code plane ----

  template <typename Byte>
  __device__ static inline Byte* Codes(int size, Byte* chunk) {
    return chunk + L::kHeadBytes + L::ScaleBytes(static_cast<size_t>(size));
  }

  // The codes of a quad stand in 4, 3 or 2 bytes from here on.
  __device__ static inline int PlaceOf(int quad) { return FirstOf(quad) * kCodeBits / 8; }

  __device__ static inline void WriteCodes(uint32_t codes, int quad, int size, uint8_t* chunk) {
    const int bytes = static_cast<int>(L::CodeBytes(static_cast<size_t>(size)));
    uint8_t* const plane = Codes(size, chunk);
    int at = PlaceOf(quad);
    if constexpr (kCodeBits == 8) {
      if (at < bytes) *reinterpret_cast<uint32_t*>(plane + at) = codes;
    } else if constexpr (kCodeBits == 4) {
      if (at < bytes) *reinterpret_cast<uint16_t*>(plane + at) = static_cast<uint16_t>(codes);
    } else {
      // Four lanes have three words: each but the last fills up its own with its neighbour's bits.
      const int lane = static_cast<int>(threadIdx.x % 4);
      const uint32_t next = __shfl_down_sync(kAllLanes, codes, 1);
      at += lane;
      if (lane < 3 && at < bytes) {
        *reinterpret_cast<uint32_t*>(plane + at) = codes >> (8 * lane) | next << (24 - 8 * lane);
      }
    }
  }
  __device__ static inline uint32_t ReadCodes(int quad, const uint8_t* plane) {
    const int at = PlaceOf(quad);
    if constexpr (kCodeBits == 8) return *reinterpret_cast<const uint32_t*>(plane + at);
    if constexpr (kCodeBits == 4) return *reinterpret_cast<const uint16_t*>(plane + at);
    const auto* const words = reinterpret_cast<const uint32_t*>(plane);
    const uint64_t both = static_cast<uint64_t>(words[(at + 2) / 4]) << 32 | words[at / 4];
    return static_cast<uint32_t>(both >> (at % 4 * 8));
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_BLOCK_FLOAT_FORMAT_CUH_
