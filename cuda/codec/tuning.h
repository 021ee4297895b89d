// SPDX-License-Identifier: Apache-2.0
//
// How large grids are. A thread block works on one chunk at a time; more blocks than a device holds
// at once only wait, so the rest of the chunks come to the same blocks in turn.

#ifndef THINWIRE_CUDA_CODEC_TUNING_H_
#define THINWIRE_CUDA_CODEC_TUNING_H_

#include <algorithm>
#include <cstddef>

namespace thinwire::cuda {

// Blocks of 256 threads that a multiprocessor holds where registers allow it.
inline constexpr int kBlocksPerMultiprocessor = 8;
// Registers are capped so that this many fit; more threads hide more of memory's latency. A thread
// with state reads twice as much at a time, and needs more registers.
constexpr int ResidentBlocks(bool with_state) { return with_state ? 2 : 3; }

inline unsigned GridFor(size_t chunks, int multiprocessors) {
  const auto most = static_cast<size_t>(multiprocessors) * kBlocksPerMultiprocessor;
  return static_cast<unsigned>(std::min(std::max<size_t>(chunks, 1), most));
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_TUNING_H_
