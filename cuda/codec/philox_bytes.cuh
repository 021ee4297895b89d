// SPDX-License-Identifier: Apache-2.0
//
// Random bytes for the elements of a tile, the same as the host's loops draw: element i of a run
// has byte i mod 16 of Philox counter i / 16 (codec/philox.h).

#ifndef THINWIRE_CUDA_CODEC_PHILOX_BYTES_CUH_
#define THINWIRE_CUDA_CODEC_PHILOX_BYTES_CUH_

#include "codec/noise.h"
#include "codec/philox.h"
#include "cuda/codec/tile.cuh"

namespace thinwire::cuda {

// Those of four elements from number `first` of the chunk on, the first one lowest.
__device__ inline uint32_t RandomBytesOf(const Noise& noise, int first) {
  const uint64_t element = noise.first + static_cast<uint64_t>(first);
  const auto skipped = static_cast<unsigned>(element % philox::kBytes) * 8;
  const uint64_t counter = element / philox::kBytes;
  const philox::Block block = philox::BlockAt(noise.key, counter);
  uint64_t bytes = skipped < 64 ? block.pairs[0] >> skipped : block.pairs[1] >> (skipped - 64);
  if (skipped % 64 > 32) {  // they end in the next eight bytes
    const uint64_t next =
        skipped < 64 ? block.pairs[1] : philox::BlockAt(noise.key, counter + 1).pairs[0];
    bytes |= next << (64 - skipped % 64);
  }
  return static_cast<uint32_t>(bytes);
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_PHILOX_BYTES_CUH_
