// SPDX-License-Identifier: Apache-2.0
//
// Chunks of the codecs `rq4`, `rq3`, `rq2` and `rq1`. Formulas: codec/rq_math.h.

#ifndef THINWIRE_CUDA_CODEC_RQ_FORMAT_CUH_
#define THINWIRE_CUDA_CODEC_RQ_FORMAT_CUH_

#include "cuda/codec/rq_decoder.cuh"
#include "cuda/codec/rq_encoder.cuh"
#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

template <int kBits>
struct RqFormat {
  static constexpr int kMaxChunkBytes =
      static_cast<int>(rq::kHeadBytes + rq::PlaneBytes(kChunk, kBits));
  using Room = RqRoom;

  __device__ static inline int ChunkBytes(const CodecShape& shape, int size) {
    return HeadBytes(shape) + static_cast<int>(rq::PlaneBytes(static_cast<size_t>(size), kBits));
  }

  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext& context,
                                       uint8_t* chunk, Room& room) {
    const bool random = context.shape.random;
    if (random) {
      if (threadIdx.x < 2) {
        const uint32_t seed = rq::SeedOf(context.noise.key, context.noise.first);
        if (threadIdx.x == 0) *reinterpret_cast<uint4*>(chunk) = make_uint4(seed, 0, 0, 0);
        rq::SetHalf(seed, threadIdx.x, room.signs);
      }
    } else if (threadIdx.x == 0) {
      room.signs = rq::kSigns;
    }
    __syncthreads();
    RqEncoder<kBits>::Encode(x, size, random, chunk + HeadBytes(context.shape), room);
  }

  __device__ static inline bool Decode(int size, const ChunkContext& context, const uint8_t* chunk,
                                       Room& room, Tile& y) {
    const bool random = context.shape.random;
    bool known = true;
    if (random) {
      const uint4 head = *reinterpret_cast<const uint4*>(chunk);
      known = (head.y | head.z | head.w) == 0;
      if (threadIdx.x < 2) rq::SetHalf(head.x, threadIdx.x, room.signs);
    }
    RqDecoder<kBits>::Decode(chunk + HeadBytes(context.shape), size, random, room, y);
    return known;
  }

 private:
  __device__ static inline int HeadBytes(const CodecShape& shape) {
    return shape.random ? static_cast<int>(rq::kHeadBytes) : 0;
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_RQ_FORMAT_CUH_
