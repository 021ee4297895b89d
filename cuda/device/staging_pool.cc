// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/staging_pool.h"

#include <cuda_runtime.h>

#include <bit>

namespace thinwire::cuda {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kSlabBytes = size_t{32} << 20;

// Sizes come in steps of a quarter of a power of two: few kinds, and little is wasted.
size_t RoundedUp(size_t bytes) {
  if (bytes <= 4 * kLine) return (bytes + kLine - 1) / kLine * kLine + (bytes == 0 ? kLine : 0);
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

}  // namespace

StagingPool::~StagingPool() {
  for (std::byte* slab : slabs_) cudaFreeHost(slab);
}

std::byte* StagingPool::Take(size_t bytes) {
  const size_t size = RoundedUp(bytes);
  const std::lock_guard lock(mutex_);
  std::vector<std::byte*>& free = free_[size];
  if (!free.empty()) {
    std::byte* const piece = free.back();
    free.pop_back();
    return piece;
  }
  std::byte* const piece = size > kSlabBytes / 4 ? AllocateSlab(size) : Carve(size);
  if (piece != nullptr) sizes_[piece] = size;
  return piece;
}

void StagingPool::Give(std::byte* piece) {
  if (piece == nullptr) return;
  const std::lock_guard lock(mutex_);
  free_[sizes_.at(piece)].push_back(piece);
}

std::byte* StagingPool::Carve(size_t bytes) {
  if (room_bytes_ < bytes) {
    std::byte* const slab = AllocateSlab(kSlabBytes);
    if (slab == nullptr) return nullptr;
    room_ = slab;
    room_bytes_ = kSlabBytes;
  }
  std::byte* const piece = room_;
  room_ += bytes;
  room_bytes_ -= bytes;
  return piece;
}

std::byte* StagingPool::AllocateSlab(size_t bytes) {
  void* slab = nullptr;
  const unsigned flags = cudaHostAllocPortable | cudaHostAllocMapped;
  if (cudaHostAlloc(&slab, bytes, flags) != cudaSuccess) {
    (void)cudaGetLastError();
    return nullptr;
  }
  slabs_.push_back(static_cast<std::byte*>(slab));
  return slabs_.back();
}

}  // namespace thinwire::cuda
