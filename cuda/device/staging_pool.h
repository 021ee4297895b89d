// SPDX-License-Identifier: Apache-2.0
//
// StagingPool: host memory that kernels read and write through the bus (page-locked, mapped), in
// pieces. To allocate such memory may wait for all streams of a device, which must not happen while
// one of them waits for us: so pieces are kept and given again, and memory is taken from CUDA in
// slabs, the first one at the start. Any thread.

#ifndef THINWIRE_CUDA_DEVICE_STAGING_POOL_H_
#define THINWIRE_CUDA_DEVICE_STAGING_POOL_H_

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace thinwire::cuda {

class StagingPool {
 public:
  StagingPool() = default;
  ~StagingPool();
  StagingPool(const StagingPool&) = delete;
  StagingPool& operator=(const StagingPool&) = delete;

  // Takes slabs from CUDA until there is room for pieces of so many bytes in all. False where it
  // has none left.
  bool Reserve(size_t bytes);
  // A piece on its own cache lines; null where CUDA has no memory left.
  std::byte* Take(size_t bytes);
  void Give(std::byte* piece);

 private:
  struct Room {
    std::byte* begin;
    size_t bytes;
  };
  bool AddRoom();
  std::byte* Carve(size_t bytes);
  std::byte* AllocateSlab(size_t bytes);

  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;  // by size
  std::unordered_map<std::byte*, size_t> sizes_;    // of all pieces
  std::vector<std::byte*> slabs_;
  std::vector<Room> rooms_;  // what is left of slabs
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_STAGING_POOL_H_
