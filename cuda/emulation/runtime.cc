// SPDX-License-Identifier: Apache-2.0
//
// The emulated CUDA runtime: memory, streams, events, graphs.

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cuda.h"
#include "cuda_runtime.h"

namespace {

using Work = std::function<void()>;

// ---- Memory ----

constexpr size_t kAlignment = 256;
constexpr size_t kPage = 4096;

struct Allocation {
  size_t bytes = 0;
  cudaMemoryType type = cudaMemoryTypeUnregistered;
  int device = 0;
  void* pages = nullptr;
  size_t page_bytes = 0;
};

// Device memory may be touched only while some stream is at work, and ends at a page that nobody
// may touch.
class Memory {
 public:
  cudaError_t Allocate(void** memory, size_t bytes, cudaMemoryType type, int device) {
    const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    const size_t inside = (rounded + kPage - 1) / kPage * kPage;
    const std::lock_guard lock(mutex_);
    void* pages = mmap(nullptr, inside + kPage, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
    Allocation made = {bytes, type, device, pages, inside};
    auto* begin = static_cast<std::byte*>(pages) + inside - rounded;
    mprotect(pages, inside, PROT_READ | PROT_WRITE);
    if (type == cudaMemoryTypeDevice) {
      std::memset(pages, 0xa5, inside);
      Protect(made, working_ > 0);
    }
    allocations_[begin] = made;
    *memory = begin;
    return cudaSuccess;
  }

  cudaError_t Free(void* memory) {
    const std::lock_guard lock(mutex_);
    const auto found = allocations_.find(static_cast<std::byte*>(memory));
    if (found == allocations_.end()) return cudaErrorInvalidValue;
    munmap(found->second.pages, found->second.page_bytes + kPage);
    allocations_.erase(found);
    return cudaSuccess;
  }

  cudaPointerAttributes AttributesOf(const void* memory) {
    const auto* at = static_cast<const std::byte*>(memory);
    const std::lock_guard lock(mutex_);
    auto next = allocations_.upper_bound(const_cast<std::byte*>(at));
    if (next == allocations_.begin()) return {};
    const auto& [begin, allocation] = *--next;
    if (at >= begin + std::max<size_t>(allocation.bytes, 1)) return {};
    return {allocation.type, allocation.device, const_cast<void*>(memory),
            allocation.type == cudaMemoryTypeHost ? const_cast<void*>(memory) : nullptr};
  }

  void BeginWork() {
    const std::lock_guard lock(mutex_);
    if (working_++ == 0) ProtectAll(true);
  }
  void EndWork() {
    const std::lock_guard lock(mutex_);
    if (--working_ == 0) ProtectAll(false);
  }

 private:
  void ProtectAll(bool open) {
    for (const auto& [begin, allocation] : allocations_) {
      if (allocation.type == cudaMemoryTypeDevice) Protect(allocation, open);
    }
  }
  static void Protect(const Allocation& allocation, bool open) {
    mprotect(allocation.pages, allocation.page_bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }

  std::mutex mutex_;
  std::map<std::byte*, Allocation> allocations_;
  int working_ = 0;
};

Memory& TheMemory() {
  static auto* memory = new Memory;
  return *memory;
}

class AtWork {
 public:
  AtWork() { TheMemory().BeginWork(); }
  ~AtWork() { TheMemory().EndWork(); }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;
};

std::atomic<int> device_count{1};
thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t Note(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

}  // namespace

// ---- Graphs and streams ----

struct CUuserObject_st {
  void* memory;
  cudaHostFn_t destroy;
  ~CUuserObject_st() { destroy(memory); }
};

// A straight line of work: what one stream captured.
struct CUgraph_st {
  struct Line {
    std::vector<Work> works;
    std::vector<std::shared_ptr<CUuserObject_st>> objects;
  };
  std::shared_ptr<Line> line = std::make_shared<Line>();
};
struct CUgraphExec_st {
  std::shared_ptr<CUgraph_st::Line> line;
};

struct CUstream_st {
  CUstream_st(int device_of, unsigned flags)
      : device(device_of), blocking((flags & cudaStreamNonBlocking) == 0) {
    thread = std::thread([this] { Serve(); });
  }
  ~CUstream_st() {
    Drain();
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    changed.notify_all();
    thread.join();
  }

  void Push(Work work) {
    const std::lock_guard lock(mutex);
    works.push_back(std::move(work));
    changed.notify_all();
  }
  void Drain() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return works.empty() && !running; });
  }
  bool Idle() {
    const std::lock_guard lock(mutex);
    return works.empty() && !running;
  }
  void Serve() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return stop || !works.empty(); });
      if (works.empty()) return;
      running = true;
      const Work work = std::move(works.front());
      works.pop_front();
      lock.unlock();
      work();
      lock.lock();
      running = false;
      changed.notify_all();
    }
  }

  const int device;
  const bool blocking;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Work> works;
  bool running = false;
  bool stop = false;
  std::unique_ptr<CUgraph_st> capture;
  unsigned long long capture_id = 0;
  std::thread thread;
};

struct CUevent_st {
  std::mutex mutex;
  std::condition_variable changed;
  int pending = 0;
  std::chrono::steady_clock::time_point at;
};

namespace {

// Shared with those who wait for a stream that another thread destroys.
using StreamPointer = std::shared_ptr<CUstream_st>;
std::mutex streams_mutex;
std::map<cudaStream_t, StreamPointer> streams;
std::map<int, StreamPointer> legacy_streams;  // by device

cudaStream_t Resolve(cudaStream_t stream) {
  if (stream != nullptr) return stream;
  const std::lock_guard lock(streams_mutex);
  auto& legacy = legacy_streams[current_device];
  if (legacy == nullptr) legacy = std::make_shared<CUstream_st>(current_device, cudaStreamDefault);
  return legacy.get();
}

std::vector<StreamPointer> StreamsOf(int device, bool blocking_only) {
  const std::lock_guard lock(streams_mutex);
  std::vector<StreamPointer> found;
  for (const auto& [handle, stream] : streams) {
    if (stream->device == device && (stream->blocking || !blocking_only)) found.push_back(stream);
  }
  if (const auto legacy = legacy_streams.find(device); legacy != legacy_streams.end()) {
    found.push_back(legacy->second);
  }
  return found;
}

// Work that touches device memory.
Work Touching(Work work) {
  return [work = std::move(work)] {
    const AtWork at_work;
    work();
  };
}

cudaError_t Add(cudaStream_t stream, Work work) {
  stream = Resolve(stream);
  if (stream->capture != nullptr) {
    stream->capture->line->works.push_back(std::move(work));
  } else {
    stream->Push(std::move(work));
  }
  return cudaSuccess;
}

std::atomic<uint32_t>* WordAt(CUdeviceptr address) {
  return reinterpret_cast<std::atomic<uint32_t>*>(address);
}

// cuStreamBatchMemOp. Waits look at memory again and again, as a GPU does.
CUresult BatchMemOp(CUstream stream, unsigned count, CUstreamBatchMemOpParams* operations,
                    unsigned /*flags*/) {
  for (const auto& operation : std::vector(operations, operations + count)) {
    if (operation.operation == CU_STREAM_MEM_OP_WRITE_VALUE_32) {
      Add(stream, [write = operation.writeValue] {
        WordAt(write.address)->store(write.value, std::memory_order_release);
      });
    } else if (operation.operation == CU_STREAM_MEM_OP_WAIT_VALUE_32) {
      Add(stream, [wait = operation.waitValue] {
        const auto reached = [&] {
          const uint32_t value = WordAt(wait.address)->load(std::memory_order_acquire);
          return wait.flags == CU_STREAM_WAIT_VALUE_EQ
                     ? value == wait.value
                     : static_cast<int32_t>(value - wait.value) >= 0;
        };
        while (!reached()) std::this_thread::sleep_for(std::chrono::microseconds(20));
      });
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace

void __nanosleep(unsigned nanoseconds) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(nanoseconds));
}

namespace thinwire::emulation {

cudaError_t Enqueue(cudaStream_t stream, std::function<void()> work) {
  return Add(stream, Touching(std::move(work)));
}

void SetDeviceCount(int count) { device_count = count; }

}  // namespace thinwire::emulation

// ---- Devices ----

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count;
  return *count > 0 ? cudaSuccess : Note(cudaErrorNoDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= device_count) return Note(cudaErrorInvalidDevice);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device < 0 || device >= device_count) return Note(cudaErrorInvalidDevice);
  *value = attribute == cudaDevAttrMultiProcessorCount ? 4 : 8;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count) return Note(cudaErrorInvalidDevice);
  *properties = {"emulated on the CPU", 8, 0, 4};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -1;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  for (const StreamPointer& stream : StreamsOf(current_device, false)) stream->Drain();
  return cudaSuccess;
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess ? "cudaSuccess" : "cudaError";
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    default:
      return "an emulated error";
  }
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

// ---- Memory ----

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return Note(TheMemory().Allocate(memory, bytes, cudaMemoryTypeDevice, current_device));
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  cudaDeviceSynchronize();
  return Note(TheMemory().Free(memory));
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return Note(TheMemory().Allocate(memory, bytes, cudaMemoryTypeHost, current_device));
}
cudaError_t cudaFreeHost(void* memory) {
  return memory == nullptr ? cudaSuccess : Note(TheMemory().Free(memory));
}
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  return Add(stream, [memory] { TheMemory().Free(memory); });
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  *attributes = TheMemory().AttributesOf(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return thinwire::emulation::Enqueue(stream, [=] { std::memmove(target, source, bytes); });
}
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) {
  return thinwire::emulation::Enqueue(stream, [=] { std::memset(target, value, bytes); });
}
// On the legacy stream, which waits for all blocking ones.
cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind) {
  for (const StreamPointer& stream : StreamsOf(current_device, true)) stream->Drain();
  const AtWork at_work;
  std::memmove(target, source, bytes);
  return cudaSuccess;
}

// ---- Streams ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  auto made = std::make_shared<CUstream_st>(current_device, flags);
  *stream = made.get();
  const std::lock_guard lock(streams_mutex);
  streams[*stream] = std::move(made);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  StreamPointer destroyed;
  {
    const std::lock_guard lock(streams_mutex);
    const auto found = streams.find(stream);
    if (found == streams.end()) return Note(cudaErrorInvalidResourceHandle);
    destroyed = std::move(found->second);
    streams.erase(found);
  }
  destroyed->Drain();
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  Resolve(stream)->Drain();
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return Resolve(stream)->Idle() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  *device = Resolve(stream)->device;
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument) {
  return Add(stream, [=] { function(argument); });
}

// ---- Events ----

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  stream = Resolve(stream);
  if (stream->capture != nullptr) return Note(cudaErrorStreamCaptureUnsupported);
  {
    const std::lock_guard lock(event->mutex);
    ++event->pending;
  }
  return Add(stream, [event] {
    const std::lock_guard lock(event->mutex);
    event->at = std::chrono::steady_clock::now();
    --event->pending;
    event->changed.notify_all();
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  std::unique_lock lock(event->mutex);
  event->changed.wait(lock, [event] { return event->pending == 0; });
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
  return cudaSuccess;
}

// ---- Graphs ----

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  static thread_local cudaStreamCaptureMode mine = cudaStreamCaptureModeGlobal;
  std::swap(*mode, mine);
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  static std::atomic<unsigned long long> ids{0};
  if (stream == nullptr || stream->capture != nullptr) {
    return Note(cudaErrorStreamCaptureUnsupported);
  }
  stream->capture = std::make_unique<CUgraph_st>();
  stream->capture_id = ++ids;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (stream == nullptr || stream->capture == nullptr) return Note(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t**, const cudaGraphEdgeData**, size_t*) {
  stream = Resolve(stream);
  const bool capturing = stream->capture != nullptr;
  *status = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  if (id != nullptr) *id = stream->capture_id;
  if (graph != nullptr) *graph = stream->capture.get();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->line};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  stream = Resolve(stream);
  for (const Work& work : exec->line->works) {
    stream->Push([line = exec->line, work] { work(); });
  }
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaUserObjectCreate(cudaUserObject_t* object, void* memory, cudaHostFn_t destroy,
                                 unsigned, unsigned) {
  *object = new CUuserObject_st{memory, destroy};
  return cudaSuccess;
}
cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t object, unsigned,
                                      unsigned) {
  graph->line->objects.emplace_back(object);
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool known = std::string_view(symbol) == "cuStreamBatchMemOp";
  *function = known ? reinterpret_cast<void*>(&BatchMemOp) : nullptr;
  if (result != nullptr) {
    *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  }
  return cudaSuccess;
}
