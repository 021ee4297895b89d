// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/staging_pool.h"

#include <cuda_runtime.h>

#include <algorithm>
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

bool StagingPool::Reserve(size_t bytes) {
  const std::lock_guard lock(mutex_);
  size_t there = 0;
  for (const Room& room : rooms_) there += room.bytes;
  for (const auto& [size, pieces] : free_) there += size * pieces.size();
  for (; there < bytes; there += kSlabBytes) {
    if (!AddRoom()) return false;
  }
  return true;
}

bool StagingPool::AddRoom() {
  std::byte* const slab = AllocateSlab(kSlabBytes);
  if (slab == nullptr) return false;
  rooms_.push_back({slab, kSlabBytes});
  return true;
}

std::byte* StagingPool::Carve(size_t bytes) {
  auto room = std::find_if(rooms_.begin(), rooms_.end(),
                           [&](const Room& one) { return one.bytes >= bytes; });
  if (room == rooms_.end()) {
    if (!AddRoom()) return nullptr;
    room = rooms_.end() - 1;
  }
  std::byte* const piece = room->begin;
  *room = {room->begin + bytes, room->bytes - bytes};
  if (room->bytes == 0) rooms_.erase(room);
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
