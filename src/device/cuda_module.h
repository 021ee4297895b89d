// SPDX-License-Identifier: Apache-2.0
//
// The optional module libthinwire_cuda.so: the CUDA device and all that links to CUDA, in one
// function, so that the library itself runs where CUDA is not installed.

#ifndef THINWIRE_DEVICE_CUDA_MODULE_H_
#define THINWIRE_DEVICE_CUDA_MODULE_H_

#include <cstddef>
#include <memory>

#include "base/status.h"
#include "device/device.h"

namespace thinwire {

inline constexpr const char* kCudaModuleFile = "libthinwire_cuda.so";
inline constexpr const char* kCudaModuleSymbol = "thinwire_make_cuda_device";

// The device, or why there is none, in *made. Module and library are of one build.
using MakeCudaDeviceFunction = void(const CudaOptions* options,
                                    Result<std::unique_ptr<Device>>* made);

// Memory of the current device.
inline constexpr const char* kCudaAllocateSymbol = "thinwire_allocate_cuda_memory";
inline constexpr const char* kCudaFreeSymbol = "thinwire_free_cuda_memory";
using AllocateCudaMemoryFunction = void(size_t bytes, void** memory, Status* status);
using FreeCudaMemoryFunction = void(void* memory, Status* status);

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_CUDA_MODULE_H_
