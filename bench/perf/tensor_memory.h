// SPDX-License-Identifier: Apache-2.0
//
// Where tensors stand, and the stream that calls on them go on: all that differs between devices.

#ifndef THINWIRE_BENCH_PERF_TENSOR_MEMORY_H_
#define THINWIRE_BENCH_PERF_TENSOR_MEMORY_H_

#include <cstddef>
#include <memory>
#include <string>

namespace thinwire::perf {

// One rank's. Throws PerfError where the device fails.
class TensorMemory {
 public:
  virtual ~TensorMemory() = default;
  virtual std::byte* Allocate(size_t bytes) = 0;
  // Once the stream has done what it was given so far.
  virtual void Free(std::byte* tensor) = 0;
  // Between tensors and host memory; done when it returns.
  virtual void Copy(const void* source, void* target, size_t bytes) = 0;
  // For calls of the library; null: they return when they are done.
  virtual void* stream() const = 0;
  // Waits until the stream has done what it was given.
  virtual void Synchronize() = 0;
};

// "host", or "cuda": the CUDA device that is current on the calling thread.
std::unique_ptr<TensorMemory> MakeTensorMemory(const std::string& device);

std::unique_ptr<TensorMemory> MakeCudaMemory();  // only where this is built with CUDA

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_TENSOR_MEMORY_H_
