// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/cuda_gate.h"

#include <algorithm>
#include <new>

#include "cuda/codec/launch_passes.h"
#include "cuda/device/current_device.h"

namespace thinwire::cuda {

GatePool& GatePool::Instance() {
  static auto* pool = new GatePool;  // never freed: see above
  return *pool;
}

GateWords* GatePool::Take() {
  const auto is_free = [](const GateWords* words) {
    return __atomic_load_n(&words->released, __ATOMIC_ACQUIRE) == 0;
  };
  const std::lock_guard lock(mutex_);
  auto free = std::find_if(left_.begin(), left_.end(), is_free);
  if (free == left_.end()) {
    if (!Grow()) return nullptr;
    free = left_.end() - 1;
  }
  GateWords* const words = *free;
  left_.erase(free);
  *words = {};
  return words;
}

bool GatePool::Grow() {
  constexpr size_t kMore = 256;
  void* memory = nullptr;
  if (cudaHostAlloc(&memory, kMore * sizeof(GateWords),
                    cudaHostAllocPortable | cudaHostAllocMapped) != cudaSuccess) {
    (void)cudaGetLastError();
    return false;
  }
  auto* const words = new (memory) GateWords[kMore];
  for (size_t i = 0; i < kMore; ++i) left_.push_back(words + i);
  return true;
}

void GatePool::Give(GateWords* words) {
  const std::lock_guard lock(mutex_);
  left_.push_back(words);
}

Status CudaGate::Hold() {
  const CurrentDevice current(device_);
  return CheckCuda(signals_.WaitAt(stream_, words_), "holding the stream");
}

bool CudaGate::Reached() {
  if (__atomic_load_n(&words_->reached, __ATOMIC_ACQUIRE) == 0) return false;
  __atomic_store_n(&words_->reached, 0, __ATOMIC_RELAXED);
  return true;
}

void CudaGate::Release() { __atomic_store_n(&words_->released, 1, __ATOMIC_RELEASE); }

cudaError_t CudaGate::KeepBy(cudaGraph_t graph, const std::shared_ptr<CudaGate>& gate) {
  auto* const kept = new std::shared_ptr<CudaGate>(gate);
  const auto drop = [](void* memory) {
    auto* const dropped = static_cast<std::shared_ptr<CudaGate>*>(memory);
    (*dropped)->over_.store(true, std::memory_order_release);
    delete dropped;
  };
  cudaUserObject_t object = nullptr;
  const cudaError_t made =
      cudaUserObjectCreate(&object, kept, drop, 1, cudaUserObjectNoDestructorSync);
  if (made != cudaSuccess) {
    delete kept;
    return made;
  }
  return cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove);
}

}  // namespace thinwire::cuda
