// SPDX-License-Identifier: Apache-2.0
//
// Memory of the device for tests: filled from the host, poisoned where nothing is given, read back,
// and with a few bytes around it that nobody may write to.

#ifndef THINWIRE_TESTS_CUDA_DEVICE_MEMORY_H_
#define THINWIRE_TESTS_CUDA_DEVICE_MEMORY_H_

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "cuda/codec/launch_passes.h"

namespace thinwire::cuda::test {

using Bytes = std::vector<std::byte>;

inline constexpr size_t kGuardBytes = 256;
inline constexpr std::byte kPoison{0x5a};

class DeviceMemory {
 public:
  // `bytes` of poison, `shift` bytes behind an aligned address.
  explicit DeviceMemory(size_t bytes, size_t shift = 0) : bytes_(bytes), shift_(shift) {
    const Bytes poison(bytes + shift + 2 * kGuardBytes, kPoison);
    EXPECT_EQ(cudaMalloc(&memory_, poison.size()), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(memory_, poison.data(), poison.size(), cudaMemcpyDefault), cudaSuccess);
  }
  template <typename T>
  explicit DeviceMemory(std::span<const T> content, size_t shift = 0)
      : DeviceMemory(content.size_bytes(), shift) {
    Write(std::as_bytes(content));
  }
  ~DeviceMemory() {
    Bytes all(bytes_ + shift_ + 2 * kGuardBytes);
    EXPECT_EQ(cudaMemcpy(all.data(), memory_, all.size(), cudaMemcpyDefault), cudaSuccess);
    const auto is_poison = [](std::byte byte) { return byte == kPoison; };
    const auto begin = all.begin() + static_cast<long>(kGuardBytes + shift_);
    EXPECT_TRUE(std::all_of(all.begin(), begin, is_poison)) << "written before the memory";
    EXPECT_TRUE(std::all_of(begin + static_cast<long>(bytes_), all.end(), is_poison))
        << "written behind the memory";
    cudaFree(memory_);
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(memory_) + kGuardBytes + shift_; }
  std::span<const std::byte> bytes() const { return {data(), bytes_}; }
  void Write(std::span<const std::byte> content) {
    EXPECT_EQ(cudaMemcpy(data(), content.data(), content.size(), cudaMemcpyDefault), cudaSuccess);
  }
  Bytes Read() const {
    Bytes content(bytes_);
    EXPECT_EQ(cudaMemcpy(content.data(), data(), bytes_, cudaMemcpyDefault), cudaSuccess);
    return content;
  }

 private:
  void* memory_ = nullptr;
  const size_t bytes_;
  const size_t shift_;
};

// Where tests launch passes: the legacy stream, with scratch memory until the end.
class LaunchSite : public Scratch {
 public:
  LaunchSite() {
    void* fault = nullptr;
    EXPECT_EQ(cudaHostAlloc(&fault, sizeof(uint32_t), cudaHostAllocMapped), cudaSuccess);
    fault_ = static_cast<uint32_t*>(fault);
    *fault_ = 0;
  }
  ~LaunchSite() override {
    Finish();
    cudaFreeHost(fault_);
  }
  LaunchSite(const LaunchSite&) = delete;
  LaunchSite& operator=(const LaunchSite&) = delete;

  void* Take(size_t bytes) override {
    scratch_.push_back(std::make_unique<DeviceMemory>(bytes));
    return scratch_.back()->data();
  }
  PassTarget target() {
    return {.queue = {.multiprocessors = 2}, .scratch = this, .fault = fault_};
  }

  // Waits for all launches; whether a kernel met bytes that no encoder wrote.
  bool Finish() {
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    scratch_.clear();
    return std::exchange(*fault_, 0) != 0;
  }

 private:
  uint32_t* fault_ = nullptr;
  std::vector<std::unique_ptr<DeviceMemory>> scratch_;
};

}  // namespace thinwire::cuda::test

#endif  // THINWIRE_TESTS_CUDA_DEVICE_MEMORY_H_
