// SPDX-License-Identifier: Apache-2.0
//
// Chunks of the codecs `q8` and `q4`. Formulas: codec/q_math.h. A block of 32 elements is the quads
// of 8 lanes in a row.

#ifndef THINWIRE_CUDA_CODEC_Q_FORMAT_CUH_
#define THINWIRE_CUDA_CODEC_Q_FORMAT_CUH_

#include "codec/q_math.h"
#include "cuda/codec/philox_bytes.cuh"
#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

template <typename F>
struct QFormat {
  static constexpr int kMaxChunkBytes = static_cast<int>(q::ChunkBytes<F>(kChunk));
  static constexpr int kLanes = q::kBlock / 4;  // of a block
  struct Room {
    BlockRoom most;
    BlockRoom most_finite;
  };

  __device__ static inline int ChunkBytes(const CodecShape&, int size) {
    return static_cast<int>(q::ChunkBytes<F>(static_cast<size_t>(size)));
  }

  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext& context,
                                       uint8_t* chunk, Room& room) {
    unsigned maxima[kQuads];
    const unsigned most = BlockMax(GroupMaxima<kLanes, false>(x, maxima), room.most);
    const bool guarded = most >= q::kGuardBits;
    unsigned finite = most;
    if (guarded) finite = BlockMax(GroupMaxima<kLanes, true>(x, maxima), room.most_finite);
    // Scales order as magnitudes do.
    const uint32_t top = q::ScaleOf<F>(finite, guarded);
    WriteHead(size, top, guarded, chunk);
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      const int first = FirstOf(quad);
      const uint32_t byte = q::ScaleByte(q::ScaleOf<F>(maxima[quad], guarded), top);
      const float inverse = q::InverseStep(q::ScaleFromByte(byte, top));
      if (first % q::kBlock == 0 && first < size) {
        chunk[q::kHeadBytes + first / q::kBlock] = static_cast<uint8_t>(byte);
      }
      uint32_t random = 0;
      if (context.shape.random) random = RandomBytesOf(context.noise, first);
      uint32_t codes = 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float element = x.quads[quad][i];
        int code = context.shape.random ? q::NoisyCode(element, inverse, random >> (8 * i) & 0xff)
                                        : q::Code(element, inverse);
        if (guarded) code = q::GuardedCode<F>(element, code);
        codes |= (static_cast<uint32_t>(code) & 0xffu) << (8 * i);
      }
      WriteCodes(codes, quad, size, Codes(size, chunk));
    }
    __syncthreads();
  }

  __device__ static inline bool Decode(int size, const ChunkContext&, const uint8_t* chunk, Room&,
                                       Tile& y) {
    const uint32_t top = chunk[0] | static_cast<uint32_t>(chunk[1]) << 8;
    const bool guarded = chunk[2] == 1;
    bool known = chunk[2] <= 1 && top >= q::kMinScale && top <= q::MaxScale<F>(guarded);
    for (size_t i = 3; i < q::kHeadBytes; ++i) known = known && chunk[i] == 0;
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      const int first = FirstOf(quad);
      const bool inside = first < size;
      const uint32_t byte = inside ? chunk[q::kHeadBytes + first / q::kBlock] : 0;
      const float step = q::Step(q::ScaleFromByte(byte, top));
      const uint32_t codes = inside ? ReadCodes(quad, Codes(size, chunk)) : 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int code = static_cast<int8_t>(codes >> (8 * i));
        y.quads[quad][i] = guarded ? q::GuardedValue<F>(code, step)
                                   : q::Value(static_cast<float>(code), step);
      }
    }
    return known;
  }

 private:
  __device__ static inline void WriteHead(int size, uint32_t top, bool guarded, uint8_t* chunk) {
    const int bytes = static_cast<int>(q::kHeadBytes + q::ScaleBytes(static_cast<size_t>(size)));
    const int blocks = (size + q::kBlock - 1) / static_cast<int>(q::kBlock);
    for (int i = threadIdx.x; i < bytes; i += kThreads) {
      const uint32_t head = i == 0 ? top & 0xff : i == 1 ? top >> 8 : i == 2 ? guarded : 0;
      // What stands between are the scales.
      if (i < static_cast<int>(q::kHeadBytes) || i >= static_cast<int>(q::kHeadBytes) + blocks) {
        chunk[i] = static_cast<uint8_t>(head);
      }
    }
  }

  template <typename Byte>
  __device__ static inline Byte* Codes(int size, Byte* chunk) {
    return chunk + q::kHeadBytes + q::ScaleBytes(static_cast<size_t>(size));
  }

  // Four codes, one a byte of `codes`, to and from their place in the plane.
  __device__ static inline void WriteCodes(uint32_t codes, int quad, int size, uint8_t* plane) {
    const int first = FirstOf(quad);
    if constexpr (F::kBits == 8) {
      if (first < static_cast<int>(q::CodeBytes<F>(static_cast<size_t>(size)))) {
        *reinterpret_cast<uint32_t*>(plane + first) = codes;
      }
    } else {
      // The first four lanes of a block hold what goes to the lower halves of its bytes.
      const uint32_t upper = __shfl_xor_sync(kAllLanes, codes, kLanes / 2);
      const int block = first / static_cast<int>(q::kBlock);
      const int at = first % static_cast<int>(q::kBlock);
      const int blocks = (size + q::kBlock - 1) / static_cast<int>(q::kBlock);
      if (at < static_cast<int>(q::kBlock) / 2 && block < blocks) {
        *reinterpret_cast<uint32_t*>(plane + block * F::kBlockBytes + at) =
            (codes & 0x0f0f0f0fu) | (upper & 0x0f0f0f0fu) << 4;
      }
    }
  }
  __device__ static inline uint32_t ReadCodes(int quad, const uint8_t* plane) {
    const int first = FirstOf(quad);
    if constexpr (F::kBits == 8) return *reinterpret_cast<const uint32_t*>(plane + first);
    const int block = first / static_cast<int>(q::kBlock);
    const int at = first % static_cast<int>(q::kBlock);
    const int half = q::kBlock / 2;
    const uint32_t bytes =
        *reinterpret_cast<const uint32_t*>(plane + block * F::kBlockBytes + at % half);
    const uint32_t codes = (at < half ? bytes : bytes >> 4) & 0x0f0f0f0fu;
    // Nibbles are signed: those with their upper bit set get all bits above it.
    return codes | (codes & 0x08080808u) * 0x1e;
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_Q_FORMAT_CUH_
