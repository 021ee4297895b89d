// SPDX-License-Identifier: Apache-2.0
//
// How every kernel of this folder is launched, or loaded.

#ifndef THINWIRE_CUDA_CODEC_LAUNCH_CUH_
#define THINWIRE_CUDA_CODEC_LAUNCH_CUH_

#include "cuda/codec/kernels.h"
#include "cuda/codec/tile.cuh"
#include "cuda/codec/tuning.h"

namespace thinwire::cuda {

// For `portions` that one thread block each could take.
template <typename Arguments>
cudaError_t LaunchOn(const Queue& queue, size_t portions, void (*kernel)(Arguments),
                     const Arguments& arguments) {
  if (queue.only_loads) {
    cudaFuncAttributes attributes;
    return cudaFuncGetAttributes(&attributes, kernel);
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(GridFor(portions, queue.multiprocessors));
  config.blockDim = dim3(kThreads);
  config.stream = queue.stream;
  return cudaLaunchKernelEx(&config, kernel, arguments);
}

// One of two kernels.
template <typename Arguments>
cudaError_t LaunchEither(const Queue& queue, size_t portions, bool first, void (*kernel)(Arguments),
                         void (*other)(Arguments), const Arguments& arguments) {
  if (queue.only_loads) {
    const cudaError_t loaded = LaunchOn(queue, portions, kernel, arguments);
    if (loaded != cudaSuccess) return loaded;
    return LaunchOn(queue, portions, other, arguments);
  }
  return LaunchOn(queue, portions, first ? kernel : other, arguments);
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_LAUNCH_CUH_
