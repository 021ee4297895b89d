// SPDX-License-Identifier: Apache-2.0
//
// What kernels ask of a codec, and how codecs whose chunks have a fixed size give it.
//
// A chunk format `Format` codes between a tile and a chunk that stands in shared memory:
//
//   kMaxChunkBytes                            of any chunk, at most
//   struct Room                               more shared memory it needs
//   ChunkBytes(shape, size)                   of a chunk of `size` elements
//   Encode(x, size, context, chunk, room)     x, zeros from `size` on, to `chunk`
//   Decode(size, context, chunk, room, y)     back, anything from `size` on; false: no encoder
//                                             wrote this
//
// All threads of the block call together. On entry shared memory may be read and written as
// needed: what was written before can be seen, and nobody reads what stood there before but the
// chunk. On return every thread can see the chunk that was encoded; who wants to write to the chunk
// or the room after decoding must wait for the others first.
//
// Staged<Format> moves the chunk between shared memory and memory, and is what kernels use. Codecs
// without chunks, whose bytes are elements of another type, have kElements instead
// (cast_codec.cuh).

#ifndef THINWIRE_CUDA_CODEC_STAGED_CODEC_CUH_
#define THINWIRE_CUDA_CODEC_STAGED_CODEC_CUH_

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "codec/codec_shape.h"
#include "codec/noise.h"
#include "cuda/codec/block.cuh"
#include "cuda/codec/tile.cuh"

namespace thinwire::cuda {

// Which chunk of which run.
struct ChunkContext {
  CodecShape shape = {};
  Noise noise = {};                 // whose `first` is the chunk's first element
  const uint16_t* steps = nullptr;  // agreed ones of the chunk's blocks; null: its own
  float absent = 0;                 // what an element that was not sent decodes to
};

template <typename Format>
struct Staged {
  static constexpr bool kElements = false;
  struct Shared {
    alignas(16) uint8_t chunk[(Format::kMaxChunkBytes + 15) / 16 * 16];
    typename Format::Room room;
  };
  static constexpr int kMaxInFlight = 2 * 16 * kThreads;  // two parts; more would spill registers
  using InFlight = std::conditional_t<Format::kMaxChunkBytes <= kMaxInFlight,
                                      BytesInFlight<Format::kMaxChunkBytes>, BytesLeftInMemory>;

  __device__ static inline size_t Offset(const ChunkContext& context, size_t chunk) {
    return chunk * static_cast<size_t>(Format::ChunkBytes(context.shape, kChunk));
  }

  // x to the chunk at `target`. After it, Decode gives what a decoder will.
  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext& context,
                                       uint8_t* target, Shared& shared) {
    Format::Encode(x, size, context, shared.chunk, shared.room);
    CopyOut(shared.chunk, Format::ChunkBytes(context.shape, size), target);
  }

  // A chunk comes in three steps: on its way to registers, in shared memory, decoded. The next one
  // may be fetched once this one is deposited.
  __device__ static inline void Fetch(const uint8_t* source, int size, const ChunkContext& context,
                                      InFlight& bytes) {
    bytes.Fetch(source, Format::ChunkBytes(context.shape, size));
  }
  __device__ static inline void Deposit(const InFlight& bytes, int size,
                                        const ChunkContext& context, Shared& shared) {
    bytes.Deposit(Format::ChunkBytes(context.shape, size), shared.chunk);
    __syncthreads();
  }
  // Anything may follow the elements. False: no encoder wrote this.
  __device__ static inline bool Decode(int size, const ChunkContext& context, Shared& shared,
                                       Tile& y) {
    return Format::Decode(size, context, shared.chunk, shared.room, y);
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_STAGED_CODEC_CUH_
