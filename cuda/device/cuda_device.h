// SPDX-License-Identifier: Apache-2.0
//
// CudaDevice: passes as kernels on a stream of its own. That stream never waits for the network: an
// operation's kernels are launched when their inputs are there, so no kernel and no copy of one
// operation stands before those of another, and all work ends soon after it was given.
//
// Callers' streams are joined by gates alone (StreamGate): one place each, where the caller's
// stream says that it has come and waits until the operation has ended. See
// docs/design/008-streams.md.

#ifndef THINWIRE_CUDA_DEVICE_CUDA_DEVICE_H_
#define THINWIRE_CUDA_DEVICE_CUDA_DEVICE_H_

#include <memory>

#include "base/status.h"
#include "device/device.h"

namespace thinwire::cuda {

Result<std::unique_ptr<Device>> MakeDevice(const CudaOptions& options);

// Of the current device (device/tensor_memory.h).
Result<void*> AllocateMemory(size_t bytes);
Status FreeMemory(void* memory);

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_CUDA_DEVICE_H_
