// SPDX-License-Identifier: Apache-2.0
#include "tensor_memory.h"

#include <cstring>

#include "rank.h"

namespace thinwire::perf {
namespace {

class HostMemory final : public TensorMemory {
 public:
  std::byte* Allocate(size_t bytes) override { return new std::byte[bytes]; }
  void Free(std::byte* tensor) override { delete[] tensor; }
  void Copy(const void* source, void* target, size_t bytes) override {
    std::memcpy(target, source, bytes);
  }
  void* stream() const override { return nullptr; }
  void Synchronize() override {}
};

}  // namespace

std::unique_ptr<TensorMemory> MakeTensorMemory(const std::string& device) {
  if (device == "host") return std::make_unique<HostMemory>();
#if THINWIRE_PERF_HAS_CUDA
  return MakeCudaMemory();
#else
  throw PerfError("--device cuda: this thinwire-perf was built without CUDA");
#endif
}

}  // namespace thinwire::perf
