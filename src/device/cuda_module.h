// SPDX-License-Identifier: Apache-2.0
//
// The optional module libthinwire_cuda.so: the CUDA device and all that links to CUDA, in one
// function, so that the library itself runs where CUDA is not installed.

#ifndef THINWIRE_DEVICE_CUDA_MODULE_H_
#define THINWIRE_DEVICE_CUDA_MODULE_H_

#include <memory>

#include "base/status.h"
#include "device/device.h"

namespace thinwire {

inline constexpr const char* kCudaModuleFile = "libthinwire_cuda.so";
inline constexpr const char* kCudaModuleSymbol = "thinwire_make_cuda_device";

// The device, or why there is none, in *made. Module and library are of one build.
using MakeCudaDeviceFunction = void(const CudaOptions* options,
                                    Result<std::unique_ptr<Device>>* made);

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_CUDA_MODULE_H_
