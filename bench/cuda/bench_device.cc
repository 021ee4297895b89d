// SPDX-License-Identifier: Apache-2.0
#include "bench_device.h"

#include <algorithm>
#include <utility>

namespace thinwire::cuda {
namespace {

constexpr int kWarmUps = 3;

// Events in a row on a stream.
class Events {
 public:
  explicit Events(size_t count) : events_(count) {}
  ~Events() {
    for (const cudaEvent_t event : events_) {
      if (event != nullptr) cudaEventDestroy(event);
    }
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  Status Record(size_t i, cudaStream_t stream) {
    TW_TRY(CheckCuda(cudaEventCreateWithFlags(&events_[i], cudaEventDefault), "making an event"));
    return CheckCuda(cudaEventRecord(events_[i], stream), "recording an event");
  }
  // From event i to the next one.
  Result<double> Seconds(size_t i) const {
    float milliseconds = 0;
    TW_TRY(CheckCuda(cudaEventElapsedTime(&milliseconds, events_[i], events_[i + 1]), "timing"));
    return static_cast<double>(milliseconds) / 1e3;
  }

 private:
  std::vector<cudaEvent_t> events_;
};

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

Result<DeviceBuffer> DeviceBuffer::Make(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error != cudaSuccess) cudaGetLastError();  // it is reported here
  TW_TRY(CheckCuda(error, fmt::format("getting {} bytes", bytes).c_str()));
  return DeviceBuffer(memory, bytes);
}
DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}
DeviceBuffer::~DeviceBuffer() {
  if (memory_ != nullptr) cudaFree(memory_);
}

Result<std::unique_ptr<BenchDevice>> BenchDevice::Make() {
  std::unique_ptr<BenchDevice> device(new BenchDevice());
  int number = 0;
  TW_TRY(CheckCuda(cudaGetDevice(&number), "finding a device"));
  cudaDeviceProp properties;
  TW_TRY(CheckCuda(cudaGetDeviceProperties(&properties, number), "asking for the device's name"));
  device->name_ = properties.name;
  device->multiprocessors_ = properties.multiProcessorCount;
  TW_TRY(CheckCuda(cudaStreamCreateWithFlags(&device->stream_, cudaStreamNonBlocking),
                   "making a stream"));
  void* fault = nullptr;
  TW_TRY(CheckCuda(cudaHostAlloc(&fault, sizeof(uint32_t), cudaHostAllocMapped),
                   "getting mapped memory"));
  device->fault_ = static_cast<uint32_t*>(fault);
  *device->fault_ = 0;
  return device;
}

BenchDevice::~BenchDevice() {
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
  if (fault_ != nullptr) cudaFreeHost(fault_);
}

Result<double> BenchDevice::Time(int repeats, const std::function<Status(int visit)>& launch) {
  const auto timed = static_cast<size_t>(repeats);
  Events events(timed + 1);
  const auto visit = [&](int number) {
    scratch_taken_ = 0;
    return launch(number);
  };
  for (int i = 0; i < kWarmUps; ++i) TW_TRY(visit(i));
  TW_TRY(events.Record(0, stream_));
  for (size_t i = 0; i < timed; ++i) {
    TW_TRY(visit(kWarmUps + static_cast<int>(i)));
    TW_TRY(events.Record(i + 1, stream_));
  }
  TW_TRY(Finish());
  scratch_.clear();
  std::vector<double> seconds(timed);
  for (size_t i = 0; i < timed; ++i) {
    TW_ASSIGN(seconds[i], events.Seconds(i));
  }
  return Median(std::move(seconds));
}

Status BenchDevice::Finish() {
  TW_TRY(CheckCuda(cudaStreamSynchronize(stream_), "running kernels"));
  if (std::exchange(*fault_, 0) == 0) return {};
  return Status(Code::kInternal, "a kernel refused bytes that another one wrote");
}

void* BenchDevice::Take(size_t bytes) {
  // What the same launches took before is taken again; other launches may need more.
  const bool is_new = scratch_taken_ == scratch_.size();
  if (is_new || scratch_[scratch_taken_].size() < bytes) {
    auto buffer = DeviceBuffer::Make(bytes);
    if (!buffer.ok()) return nullptr;
    if (is_new) {
      scratch_.push_back(std::move(buffer).value());
    } else {
      scratch_[scratch_taken_] = std::move(buffer).value();
    }
  }
  return scratch_[scratch_taken_++].data();
}

}  // namespace thinwire::cuda
