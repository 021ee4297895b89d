// SPDX-License-Identifier: Apache-2.0
//
// What libthinwire_cuda.so shows of itself (device/cuda_module.h).

#include "cuda/device/cuda_device.h"
#include "device/cuda_module.h"

extern "C" __attribute__((visibility("default"))) void thinwire_make_cuda_device(
    const thinwire::CudaOptions* options,
    thinwire::Result<std::unique_ptr<thinwire::Device>>* made) {
  *made = thinwire::cuda::MakeDevice(*options);
}

extern "C" __attribute__((visibility("default"))) void thinwire_allocate_cuda_memory(
    size_t bytes, void** memory, thinwire::Status* status) {
  const thinwire::Result<void*> allocated = thinwire::cuda::AllocateMemory(bytes);
  *status = allocated.status();
  if (allocated.ok()) *memory = allocated.value();
}

extern "C" __attribute__((visibility("default"))) void thinwire_free_cuda_memory(
    void* memory, thinwire::Status* status) {
  *status = thinwire::cuda::FreeMemory(memory);
}
