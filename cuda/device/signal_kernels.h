// SPDX-License-Identifier: Apache-2.0
//
// Streams that write and wait by kernels of one thread (stream_signals.h).

#ifndef THINWIRE_CUDA_DEVICE_SIGNAL_KERNELS_H_
#define THINWIRE_CUDA_DEVICE_SIGNAL_KERNELS_H_

#include <cuda_runtime.h>

#include <cstdint>

namespace thinwire::cuda {

// Brings both kernels to the device (LoadKernels).
cudaError_t LoadSignalKernels();
// *word = value, after all that the stream did before.
cudaError_t LaunchWrite(cudaStream_t stream, uint32_t* word, uint32_t value);
// Waits until *released is 1, then sets it to 0.
cudaError_t LaunchWait(cudaStream_t stream, uint32_t* released);

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_SIGNAL_KERNELS_H_
