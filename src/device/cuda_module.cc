// SPDX-License-Identifier: Apache-2.0
#include "device/cuda_module.h"

#include "base/module.h"

namespace thinwire {

Result<std::unique_ptr<Device>> MakeCudaDevice(const CudaOptions& options) {
  TW_ASSIGN(void* const symbol,
            LoadFromModule(kCudaModuleFile, kCudaModuleSymbol, options.modules));
  Result<std::unique_ptr<Device>> made = std::unique_ptr<Device>();
  reinterpret_cast<MakeCudaDeviceFunction*>(symbol)(&options, &made);
  return made;
}

}  // namespace thinwire
