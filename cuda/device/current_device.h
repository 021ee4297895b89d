// SPDX-License-Identifier: Apache-2.0
#ifndef THINWIRE_CUDA_DEVICE_CURRENT_DEVICE_H_
#define THINWIRE_CUDA_DEVICE_CURRENT_DEVICE_H_

#include <cuda_runtime.h>

namespace thinwire::cuda {

// Makes a device current, and the one before again at its end.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    (void)cudaGetDevice(&before_);
    if (before_ != device) (void)cudaSetDevice(device);
    changed_ = before_ != device;
  }
  ~CurrentDevice() {
    if (changed_) (void)cudaSetDevice(before_);
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_CURRENT_DEVICE_H_
