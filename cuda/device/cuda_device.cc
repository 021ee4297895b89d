// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/cuda_device.h"

#include <cuda_runtime.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cuda/codec/launch_passes.h"
#include "cuda/device/cuda_gate.h"
#include "cuda/device/current_device.h"
#include "cuda/device/nccl_site.h"
#include "cuda/device/signal_kernels.h"
#include "cuda/device/staging_pool.h"
#include "cuda/device/stream_signals.h"
#include "device/cuda_module.h"

namespace thinwire::cuda {
namespace {

constexpr double kLookSeconds = 0.01;  // how often a busy stream is asked whether it has failed

// Lets calls that a capture elsewhere in the process forbids pass: nothing here is captured.
class OutsideCaptures {
 public:
  OutsideCaptures() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~OutsideCaptures() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  OutsideCaptures(const OutsideCaptures&) = delete;
  OutsideCaptures& operator=(const OutsideCaptures&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

// Device memory that is free again once the work launched so far is done.
class StreamScratch final : public Scratch {
 public:
  explicit StreamScratch(cudaStream_t stream) : stream_(stream) {}
  ~StreamScratch() override {
    for (void* room : rooms_) (void)cudaFreeAsync(room, stream_);
  }
  void* Take(size_t bytes) override {
    void* room = nullptr;
    if (cudaMallocAsync(&room, bytes, stream_) != cudaSuccess) {
      (void)cudaGetLastError();
      return nullptr;
    }
    rooms_.push_back(room);
    return room;
  }

 private:
  const cudaStream_t stream_;
  std::vector<void*> rooms_;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int device, int multiprocessors, cudaStream_t stream, const StreamSignals& signals,
             std::string nccl)
      : device_(device),
        multiprocessors_(multiprocessors),
        stream_(stream),
        signals_(signals),
        nccl_(std::move(nccl)) {
    finished_ = reinterpret_cast<uint32_t*>(memory_.Take(sizeof(uint32_t)));
    if (finished_ != nullptr) *finished_ = 0;
  }
  ~CudaDevice() override {
    const CurrentDevice current(device_);
    Drain();
    (void)cudaStreamDestroy(stream_);
  }

  bool usable() const { return finished_ != nullptr; }
  std::string_view name() const override { return "cuda"; }
  int number() const override { return device_; }

  std::byte* AllocateStaging(size_t bytes) override {
    const CurrentDevice current(device_);
    const OutsideCaptures outside;
    return memory_.Take(bytes);
  }
  void FreeStaging(std::byte* staging) override { memory_.Give(staging); }
  Status Reserve(size_t bytes) override {
    const CurrentDevice current(device_);
    const OutsideCaptures outside;
    if (memory_.Reserve(bytes)) return {};
    return Status(Code::kCuda, fmt::format("there are no {} bytes of pinned memory", bytes));
  }

  bool Reaches(const void* memory) const override {
    return AttributesOf(memory).type != cudaMemoryTypeUnregistered;
  }
  bool Owns(const void* memory) const override {
    const cudaMemoryType type = AttributesOf(memory).type;
    return type == cudaMemoryTypeDevice || type == cudaMemoryTypeManaged;
  }
  Status CheckTensor(const void* memory) const override {
    const cudaPointerAttributes attributes = AttributesOf(memory);
    if (attributes.type == cudaMemoryTypeUnregistered) {
      return InvalidArgument(
          "it is host memory that the device can't reach; use device memory, or cudaHostAlloc");
    }
    if (attributes.type == cudaMemoryTypeDevice && attributes.device != device_) {
      return InvalidArgument("it is memory of device {}; the communicator is bound to device {}",
                             attributes.device, device_);
    }
    return {};
  }

  Result<Ticket> Encode(const EncodePass& pass) override {
    return Launch({}, [&](const PassTarget& on) { return LaunchEncode(pass, on); });
  }
  Result<Ticket> Decode(const DecodePass& pass) override {
    return Launch({{pass.codec, pass.bytes, pass.dtype, pass.count}},
                  [&](const PassTarget& on) { return LaunchDecode(pass, on); });
  }
  Result<Ticket> Reduce(const ReducePass& pass) override {
    std::vector<Coded> coded;
    for (const Term& term : pass.terms) {
      coded.push_back({term.codec, term.bytes, pass.dtype, pass.count});
    }
    return Launch(std::move(coded), [&](const PassTarget& on) { return LaunchReduce(pass, on); });
  }
  Result<Ticket> MeasureSteps(const Codec& codec, const void* source, DataType dtype, size_t count,
                              uint16_t* steps) override {
    return Launch({}, [&](const PassTarget& on) {
      return LaunchMeasureSteps(codec, source, dtype, count, steps, on);
    });
  }
  Result<Ticket> Copy(const void* source, void* target, size_t bytes) override {
    return Launch({}, [&](const PassTarget& on) -> Status {
      if (source == target || bytes == 0) return {};
      return CheckCuda(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, on.queue.stream),
                       "a copy");
    });
  }

  Result<bool> Finished(Ticket ticket) override {
    const uint32_t finished = __atomic_load_n(finished_, __ATOMIC_ACQUIRE);
    if (static_cast<int32_t>(finished - static_cast<uint32_t>(ticket)) < 0) {
      TW_TRY(LookForFailure());
      return false;
    }
    auto entry = checks_.extract(ticket);
    if (entry.empty()) return true;
    const bool fault = *entry.mapped().fault != 0;
    memory_.Give(reinterpret_cast<std::byte*>(entry.mapped().fault));
    if (fault) return Explain(entry.mapped().coded);
    return true;
  }

  void Drain() override {
    const CurrentDevice current(device_);
    const OutsideCaptures outside;
    (void)cudaStreamSynchronize(stream_);
    for (auto& [ticket, check] : checks_) {
      memory_.Give(reinterpret_cast<std::byte*>(check.fault));
    }
    checks_.clear();
  }

  Result<std::shared_ptr<StreamGate>> Enter(void* stream) override {
    const CurrentDevice current(device_);
    const auto callers = static_cast<cudaStream_t>(stream);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaGraph_t graph = nullptr;
    unsigned long long id = 0;
    TW_TRY(CheckCuda(cudaStreamGetCaptureInfo(callers, &status, &id, &graph),
                     "asking whether the stream is captured"));
    if (status == cudaStreamCaptureStatusInvalidated) {
      return InvalidUsage("the stream's capture has failed before this call");
    }
    const bool captured = status == cudaStreamCaptureStatusActive;
    GateWords* words = nullptr;
    {
      const OutsideCaptures outside;
      words = GatePool::Instance().Take();
    }
    if (words == nullptr)
      return Status(Code::kCuda, "no mapped memory is left for a stream's gate");
    auto gate = std::make_shared<CudaGate>(words, signals_, device_, callers, captured);
    if (captured) TW_TRY(CheckCuda(CudaGate::KeepBy(graph, gate), "keeping a gate by its graph"));
    TW_TRY(CheckCuda(signals_.ArriveAt(callers, words), "entering the stream"));
    return std::shared_ptr<StreamGate>(std::move(gate));
  }

  Result<SiteId> NewSiteId() override {
    const CurrentDevice current(device_);
    return NewNcclSiteId(nccl_);
  }
  Result<std::unique_ptr<Site>> JoinSite(const SiteId& id, int rank, int ranks) override {
    const CurrentDevice current(device_);
    return JoinNcclSite(nccl_, id, rank, ranks);
  }

 private:
  struct Coded {
    const Codec* codec;
    std::span<const std::byte> bytes;
    DataType dtype;
    size_t count;
  };
  // Of a pass that decodes: whether its kernels met bytes that no encoder wrote.
  struct Check {
    uint32_t* fault;
    std::vector<Coded> coded;
  };

  static cudaPointerAttributes AttributesOf(const void* memory) {
    cudaPointerAttributes attributes = {};
    if (cudaPointerGetAttributes(&attributes, memory) == cudaSuccess) return attributes;
    (void)cudaGetLastError();
    return {};
  }

  Result<Ticket> Launch(std::vector<Coded> coded,
                        const std::function<Status(const PassTarget&)>& launch) {
    const CurrentDevice current(device_);
    const OutsideCaptures outside;
    StreamScratch scratch(stream_);
    PassTarget on = {.queue = {stream_, multiprocessors_}, .scratch = &scratch};
    const Ticket ticket = last_ + 1;
    if (!coded.empty()) {
      on.fault = reinterpret_cast<uint32_t*>(memory_.Take(sizeof(uint32_t)));
      if (on.fault == nullptr) return Status(Code::kCuda, "no mapped memory is left");
      *on.fault = 0;
      checks_[ticket] = {on.fault, std::move(coded)};
    }
    last_ = ticket;
    TW_TRY(launch(on));
    TW_TRY(CheckCuda(signals_.Write(stream_, finished_, static_cast<uint32_t>(ticket)),
                     "numbering a pass"));
    return ticket;
  }

  // A kernel that crashed never lets its ticket finish.
  Status LookForFailure() {
    const TimePoint now = Now();
    if (now < next_look_) return {};
    next_look_ = now + FromSeconds(kLookSeconds);
    const OutsideCaptures outside;
    const cudaError_t state = cudaStreamQuery(stream_);
    return state == cudaErrorNotReady ? Status() : CheckCuda(state, "a pass");
  }

  // The host's decoder says what is wrong.
  static Status Explain(const std::vector<Coded>& coded) {
    for (const Coded& run : coded) {
      if (run.codec == nullptr || run.bytes.empty()) continue;
      std::vector<std::byte> room(run.count * SizeOf(run.dtype));
      TW_TRY(run.codec->Decode(run.bytes, run.dtype, run.count, room.data()));
    }
    return InternalError("a kernel refused bytes that the host accepts");
  }

  const int device_;
  const int multiprocessors_;
  const cudaStream_t stream_;
  const StreamSignals signals_;
  const std::string nccl_;
  StagingPool memory_;
  uint32_t* finished_;  // the last ticket that is done
  Ticket last_ = kDoneTicket;
  std::map<Ticket, Check> checks_;
  TimePoint next_look_{};
};

}  // namespace

Result<std::unique_ptr<Device>> MakeDevice(const CudaOptions& options) {
  int count = 0;
  TW_TRY(CheckCuda(cudaGetDeviceCount(&count), "looking for devices"));
  if (count == 0) return Status(Code::kCuda, "there is no CUDA device");
  int device = 0;
  int multiprocessors = 0;
  TW_TRY(CheckCuda(cudaGetDevice(&device), "asking for the current device"));
  if (options.device >= 0) device = options.device % count;
  const CurrentDevice current(device);
  TW_TRY(CheckCuda(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
                   "asking for the device's size"));
  TW_ASSIGN(const StreamSignals signals, StreamSignals::Make(options.wait));
  TW_TRY(CheckCuda(LoadKernels(), "loading kernels"));
  TW_TRY(CheckCuda(LoadSignalKernels(), "loading kernels"));
  // Streams of the highest priority have hardware queues of their own: kernels that let a caller's
  // stream go on must never stand behind its wait.
  int least = 0;
  int greatest = 0;
  TW_TRY(CheckCuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "asking for priorities"));
  cudaStream_t stream = nullptr;
  TW_TRY(CheckCuda(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest),
                   "making a stream"));
  auto made = std::make_unique<CudaDevice>(device, multiprocessors, stream, signals, options.nccl);
  if (!made->usable()) return Status(Code::kCuda, "there is no mapped memory");
  return std::unique_ptr<Device>(std::move(made));
}

Result<void*> AllocateMemory(size_t bytes) {
  void* memory = nullptr;
  // An empty tensor has an address too.
  const cudaError_t error = cudaMalloc(&memory, std::max<size_t>(bytes, 1));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    return SystemError("the device has no memory of {} bytes left", bytes);
  }
  TW_TRY(CheckCuda(error, "allocating memory"));
  return memory;
}

Status FreeMemory(void* memory) { return CheckCuda(cudaFree(memory), "freeing memory"); }

}  // namespace thinwire::cuda
