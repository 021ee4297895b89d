// SPDX-License-Identifier: Apache-2.0
//
// All that this program asks of CUDA. Nothing here waits for the whole device: another rank's
// stream may be waiting on it for a call of ours.
#include <cuda_runtime.h>

#include <algorithm>

#include "rank.h"
#include "tensor_memory.h"

namespace thinwire::perf {
namespace {

void CheckCuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  throw PerfError(std::string(what) + ": " + cudaGetErrorString(error));
}

class CudaMemory final : public TensorMemory {
 public:
  CudaMemory() {
    CheckCuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a CUDA stream");
  }
  ~CudaMemory() override { (void)cudaStreamDestroy(stream_); }
  CudaMemory(const CudaMemory&) = delete;
  CudaMemory& operator=(const CudaMemory&) = delete;

  std::byte* Allocate(size_t bytes) override {
    void* tensor = nullptr;
    CheckCuda(cudaMallocAsync(&tensor, std::max<size_t>(bytes, 1), stream_), "device memory");
    return static_cast<std::byte*>(tensor);
  }
  void Free(std::byte* tensor) override { (void)cudaFreeAsync(tensor, stream_); }
  void Copy(const void* source, void* target, size_t bytes) override {
    CheckCuda(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, stream_), "a copy");
    Synchronize();
  }
  void* stream() const override { return stream_; }
  void Synchronize() override { CheckCuda(cudaStreamSynchronize(stream_), "the stream"); }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace

std::unique_ptr<TensorMemory> MakeCudaMemory() { return std::make_unique<CudaMemory>(); }

}  // namespace thinwire::perf
