// SPDX-License-Identifier: Apache-2.0
//
// What kernel_bench needs of a device: memory, a place to launch at, and times of launches.

#ifndef THINWIRE_BENCH_CUDA_BENCH_DEVICE_H_
#define THINWIRE_BENCH_CUDA_BENCH_DEVICE_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cuda/codec/launch_passes.h"

namespace thinwire::cuda {

class DeviceBuffer {
 public:
  static Result<DeviceBuffer> Make(size_t bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  ~DeviceBuffer();

  std::byte* data() const { return static_cast<std::byte*>(memory_); }
  size_t size() const { return bytes_; }
  std::span<const std::byte> bytes() const { return {data(), bytes_}; }

 private:
  DeviceBuffer(void* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}

  void* memory_;
  size_t bytes_;
};

// The current device, with a stream of its own.
class BenchDevice : private Scratch {
 public:
  static Result<std::unique_ptr<BenchDevice>> Make();
  ~BenchDevice() override;
  BenchDevice(const BenchDevice&) = delete;
  BenchDevice& operator=(const BenchDevice&) = delete;

  const std::string& name() const { return name_; }
  int multiprocessors() const { return multiprocessors_; }
  cudaStream_t stream() const { return stream_; }
  PassTarget target() {
    return {.queue = {stream_, multiprocessors_}, .scratch = this, .fault = fault_};
  }

  // Calls launch(visit) for some visits to warm up and then `repeats` more, in a row on the stream.
  // The median time of one, in seconds, as events see it. Fails where a kernel met bytes that no
  // encoder wrote.
  Result<double> Time(int repeats, const std::function<Status(int visit)>& launch);
  // Waits for the stream.
  Status Finish();

 private:
  BenchDevice() = default;
  // Scratch memory: each visit takes the same again.
  void* Take(size_t bytes) override;

  std::string name_;
  int multiprocessors_ = 1;
  cudaStream_t stream_ = nullptr;
  uint32_t* fault_ = nullptr;
  std::vector<DeviceBuffer> scratch_;
  size_t scratch_taken_ = 0;
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_BENCH_CUDA_BENCH_DEVICE_H_
