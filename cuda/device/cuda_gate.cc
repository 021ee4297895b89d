// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/cuda_gate.h"

#include <algorithm>
#include <new>

#include "cuda/codec/launch_passes.h"

namespace thinwire::cuda {

GateWords* GatePool::Take() {
  const std::lock_guard lock(mutex_);
  const auto free = std::find_if(left_.begin(), left_.end(), [](const GateWords* words) {
    return __atomic_load_n(&words->released, __ATOMIC_ACQUIRE) == 0;
  });
  if (free != left_.end()) {
    GateWords* const words = *free;
    left_.erase(free);
    *words = {};
    return words;
  }
  std::byte* const memory = memory_->Take(sizeof(GateWords));
  return memory == nullptr ? nullptr : new (memory) GateWords;
}

void GatePool::Give(GateWords* words) {
  const std::lock_guard lock(mutex_);
  left_.push_back(words);
}

Status CudaGate::Hold() {
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
