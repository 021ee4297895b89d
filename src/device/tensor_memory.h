// SPDX-License-Identifier: Apache-2.0
//
// TensorMemory: memory for callers' tensors, without a communicator.

#ifndef THINWIRE_DEVICE_TENSOR_MEMORY_H_
#define THINWIRE_DEVICE_TENSOR_MEMORY_H_

#include <cstddef>
#include <string>

#include "base/status.h"

namespace thinwire {

class TensorMemory {
 public:
  // Of the calling thread's current CUDA device; of the host where there is none, or `device`
  // (Env::device) says so.
  static Result<void*> Allocate(size_t bytes, const std::string& device,
                                const std::string& modules);
  // What Allocate gave; null is fine.
  static Status Free(void* memory);
};

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_TENSOR_MEMORY_H_
