// SPDX-License-Identifier: Apache-2.0
//
// The codecs `bf16`, `fp16` and, of these types and binary32, `raw`: their bytes are elements of a
// type, which go straight from registers to memory and back.

#ifndef THINWIRE_CUDA_CODEC_CAST_CODEC_CUH_
#define THINWIRE_CUDA_CODEC_CAST_CODEC_CUH_

#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

struct CastCodec {
  static constexpr bool kElements = true;
  struct Shared {};
  struct InFlight {};

  // No bytes are coded.
  __device__ static inline size_t Offset(const ChunkContext&, size_t) { return 0; }
  __device__ static inline void Fetch(const uint8_t*, int, const ChunkContext&, InFlight&) {}
  __device__ static inline void Deposit(const InFlight&, int, const ChunkContext&, Shared&) {}
  __device__ static inline bool Decode(int, const ChunkContext&, Shared&, Tile&) { return false; }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_CAST_CODEC_CUH_
