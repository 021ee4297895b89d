// SPDX-License-Identifier: Apache-2.0
#include "device/tensor_memory.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/log.h"
#include "base/module.h"
#include "device/cuda_module.h"

namespace thinwire {
namespace {

constexpr size_t kPageBytes = 4096;  // NCCL_WIN_REQUIRED_ALIGNMENT

// What was given, and how it is freed.
struct Given {
  std::mutex mutex;
  std::map<void*, FreeCudaMemoryFunction*> memory;  // null: the host's
};
Given& All() {
  static auto* given = new Given;  // never freed: callers may free while the process ends
  return *given;
}

struct CudaMemory {
  AllocateCudaMemoryFunction* allocate;
  FreeCudaMemoryFunction* free;
};
Result<CudaMemory> FindCudaMemory(const std::string& modules) {
  TW_ASSIGN(void* const allocate, LoadFromModule(kCudaModuleFile, kCudaAllocateSymbol, modules));
  TW_ASSIGN(void* const free, LoadFromModule(kCudaModuleFile, kCudaFreeSymbol, modules));
  return CudaMemory{reinterpret_cast<AllocateCudaMemoryFunction*>(allocate),
                    reinterpret_cast<FreeCudaMemoryFunction*>(free)};
}

Result<void*> AllocateOnHost(size_t bytes) {
  const size_t pages = bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0);
  if (pages > ~size_t{0} / kPageBytes / 2) return InvalidArgument("{} bytes are too many", bytes);
  void* const memory = std::aligned_alloc(kPageBytes, std::max<size_t>(pages, 1) * kPageBytes);
  if (memory == nullptr) return SystemError("there is no memory of {} bytes", bytes);
  return memory;
}

}  // namespace

Result<void*> TensorMemory::Allocate(size_t bytes, const std::string& device,
                                     const std::string& modules) {
  Given& all = All();
  void* memory = nullptr;
  FreeCudaMemoryFunction* free = nullptr;
  if (device != "host") {
    const Result<CudaMemory> cuda = FindCudaMemory(modules);
    Status status = cuda.status();
    if (cuda.ok()) cuda.value().allocate(bytes, &memory, &status);
    if (status.ok()) {
      free = cuda.value().free;
    } else if (cuda.ok() && status.code() == Code::kSystem) {
      return status;  // there is a device, but no more of its memory
    } else if (device == "cuda") {
      return status.WithContext("THINWIRE_DEVICE is cuda");
    } else {
      TW_LOG(kInfo, "memory of the host, since there is no CUDA: {}", status.message());
    }
  }
  if (memory == nullptr) {
    TW_ASSIGN(memory, AllocateOnHost(bytes));
  }
  const std::lock_guard lock(all.mutex);
  all.memory[memory] = free;
  return memory;
}

Status TensorMemory::Free(void* memory) {
  if (memory == nullptr) return {};
  FreeCudaMemoryFunction* free = nullptr;
  {
    Given& all = All();
    const std::lock_guard lock(all.mutex);
    const auto found = all.memory.find(memory);
    if (found == all.memory.end()) {
      return InvalidArgument("this memory did not come from thinwireMemAlloc, or was freed before");
    }
    free = found->second;
    all.memory.erase(found);
  }
  Status status;
  free != nullptr ? free(memory, &status) : std::free(memory);
  return status;
}

}  // namespace thinwire
