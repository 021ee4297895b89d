// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/signal_kernels.h"

namespace thinwire::cuda {
namespace {

__device__ inline uint32_t LoadWord(const uint32_t* word) {
  return *static_cast<const volatile uint32_t*>(word);
}
__device__ inline void StoreWord(uint32_t* word, uint32_t value) {
  __threadfence_system();
  *static_cast<volatile uint32_t*>(word) = value;
}

__global__ void WriteKernel(uint32_t* word, uint32_t value) { StoreWord(word, value); }

__global__ void WaitKernel(uint32_t* released) {
  while (LoadWord(released) != 1) __nanosleep(2000);
  __threadfence_system();
  StoreWord(released, 0);
}

template <typename... Parameters>
cudaError_t LaunchOne(cudaStream_t stream, void (*kernel)(Parameters...), Parameters... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(1);
  config.blockDim = dim3(1);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace

cudaError_t LoadSignalKernels() {
  cudaFuncAttributes attributes;
  const cudaError_t loaded = cudaFuncGetAttributes(&attributes, WriteKernel);
  return loaded == cudaSuccess ? cudaFuncGetAttributes(&attributes, WaitKernel) : loaded;
}

cudaError_t LaunchWrite(cudaStream_t stream, uint32_t* word, uint32_t value) {
  return LaunchOne(stream, WriteKernel, word, value);
}

cudaError_t LaunchWait(cudaStream_t stream, uint32_t* released) {
  return LaunchOne(stream, WaitKernel, released);
}

}  // namespace thinwire::cuda
