// SPDX-License-Identifier: Apache-2.0
//
// What Thinwire uses of the CUDA runtime, emulated on a CPU, so that its kernels, its device and
// its graph captures are tested where no GPU is. Found in place of the toolkit's header by builds
// that emulate. Streams are threads, device memory is memory that only their work may touch, and
// kernels run thread by thread (block_emulator.h).
//
// Stricter than a GPU where that finds mistakes: threads of a block that wait at different places
// end the program; host code that touches device memory crashes; cudaFree waits for all streams.

#ifndef THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_
#define THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

#include "cuda/emulation/block_emulator.h"

#define THINWIRE_CUDA_EMULATED 1
#define __host__
#define __device__
#define __global__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
// The blocks of a stream run one after the other, on its thread.
#define __shared__ static thread_local

// ---- Kernels: vectors ----

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// ---- Kernels: barriers, exchanges within a warp, atomics ----

inline void __syncthreads() { thinwire::emulation::SyncBlock(); }
inline int __syncthreads_count(int value) {
  return static_cast<int>(thinwire::emulation::SyncBlock(value != 0));
}
inline int __syncthreads_or(int value) { return __syncthreads_count(value) != 0; }

namespace thinwire::emulation {

template <typename T>
uint64_t Pack(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T>
T Unpack(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
inline unsigned Lane() { return threadIdx.x % kWarpSize; }

}  // namespace thinwire::emulation

inline void __syncwarp(unsigned mask = 0xffffffffu) { thinwire::emulation::ShareInWarp(mask, 0); }
template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
  namespace e = thinwire::emulation;
  return e::Unpack<T>(e::ShareInWarp(mask, e::Pack(value))[lane & 31]);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return __shfl_sync(mask, value, static_cast<int>(thinwire::emulation::Lane()) ^ lanes);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
  const unsigned lane = thinwire::emulation::Lane();
  const T other = __shfl_sync(mask, value, static_cast<int>(lane < lanes ? lane : lane - lanes));
  return other;
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes) {
  const unsigned lane = thinwire::emulation::Lane();
  return __shfl_sync(mask, value, static_cast<int>(lane + lanes > 31 ? lane : lane + lanes));
}
inline unsigned __ballot_sync(unsigned mask, int value) {
  const uint64_t* values = thinwire::emulation::ShareInWarp(mask, value != 0);
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane) ballot |= static_cast<unsigned>(values[lane]) << lane;
  return ballot;
}
inline int __any_sync(unsigned mask, int value) { return __ballot_sync(mask, value) != 0; }
inline unsigned __reduce_max_sync(unsigned mask, unsigned value) {
  const uint64_t* values = thinwire::emulation::ShareInWarp(mask, value);
  uint64_t most = 0;
  for (unsigned lane = 0; lane < 32; ++lane) most = values[lane] > most ? values[lane] : most;
  return static_cast<unsigned>(most);
}
inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
  const uint64_t* values = thinwire::emulation::ShareInWarp(mask, value);
  uint64_t sum = 0;
  for (unsigned lane = 0; lane < 32; ++lane) sum += values[lane];
  return static_cast<unsigned>(sum);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  const uint64_t* values = thinwire::emulation::ShareInWarp(mask, value);
  uint64_t all = 0;
  for (unsigned lane = 0; lane < 32; ++lane) all |= values[lane];
  return static_cast<unsigned>(all);
}

template <typename T>
T atomicAdd(T* target, T value) {
  return __atomic_fetch_add(target, value, __ATOMIC_RELAXED);
}
inline unsigned atomicMax(unsigned* target, unsigned value) {
  unsigned seen = __atomic_load_n(target, __ATOMIC_RELAXED);
  while (seen < value && !__atomic_compare_exchange_n(target, &seen, value, false, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED)) {
  }
  return seen;
}
inline unsigned atomicOr(unsigned* target, unsigned value) {
  return __atomic_fetch_or(target, value, __ATOMIC_RELAXED);
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __nanosleep(unsigned nanoseconds);

template <typename T>
T max(T a, T b) {
  return a < b ? b : a;
}
template <typename T>
T min(T a, T b) {
  return b < a ? b : a;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
// Byte i of the result is that byte of x (0 to 3) or y (4 to 7) which nibble i of `selector` names.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = x | static_cast<uint64_t>(y) << 32;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    result |= static_cast<unsigned>(bytes >> (8 * (selector >> 4 * i & 7)) & 0xff) << 8 * i;
  }
  return result;
}
// sum + the products of four pairs of bytes.
inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
  for (unsigned i = 0; i < 32; i += 8) sum += (a >> i & 0xff) * (b >> i & 0xff);
  return sum;
}
template <typename T>
T __ldcs(const T* from) {
  return *from;
}
template <typename T>
T __ldg(const T* from) {
  return *from;
}
template <typename T>
void __stcs(T* to, T value) {
  *to = value;
}

// ---- The runtime ----

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
};
using cudaStream_t = struct CUstream_st*;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;
using cudaGraphNode_t = struct CUgraphNode_st*;
using cudaGraphEdgeData = struct CUgraphEdgeData_st;
using cudaUserObject_t = struct CUuserObject_st*;
using cudaEvent_t = struct CUevent_st*;
using cudaHostFn_t = void (*)(void*);
inline const cudaStream_t cudaStreamLegacy = nullptr;

enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum { cudaHostAllocDefault = 0, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2 };
enum { cudaEventDefault = 0, cudaEventDisableTiming = 2 };
enum { cudaUserObjectNoDestructorSync = 1 };
enum { cudaGraphUserObjectMove = 1 };
enum { cudaEnableDefault = 0 };
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3,
};
struct cudaPointerAttributes {
  cudaMemoryType type = cudaMemoryTypeUnregistered;
  int device = 0;
  void* devicePointer = nullptr;
  void* hostPointer = nullptr;
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed,
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone,
  cudaStreamCaptureStatusActive,
  cudaStreamCaptureStatusInvalidated,
};
enum cudaDriverEntryPointQueryResult {
  cudaDriverEntryPointSuccess,
  cudaDriverEntryPointSymbolNotFound,
};
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
};
struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
};

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest);
cudaError_t cudaDeviceSynchronize();
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaGetLastError();

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory);
cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* argument);

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id = nullptr, cudaGraph_t* graph = nullptr,
                                     const cudaGraphNode_t** dependencies = nullptr,
                                     const cudaGraphEdgeData** edges = nullptr,
                                     size_t* count = nullptr);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaUserObjectCreate(cudaUserObject_t* object, void* memory, cudaHostFn_t destroy,
                                 unsigned references, unsigned flags);
cudaError_t cudaGraphRetainUserObject(cudaGraph_t graph, cudaUserObject_t object,
                                      unsigned references = 1, unsigned flags = 0);
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned version,
                                             unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* result = nullptr);

template <typename T>
cudaError_t cudaMalloc(T** memory, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(memory), bytes);
}

// ---- Launches ----

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

struct cudaFuncAttributes {
  int numRegs = 0;
};
template <typename... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, void (*kernel)(Parameters...)) {
  return kernel == nullptr ? cudaErrorInvalidValue : cudaSuccess;
}

namespace thinwire::emulation {

cudaError_t Enqueue(cudaStream_t stream, std::function<void()> work);
// For tests: how many devices there are, at first 1.
void SetDeviceCount(int count);

}  // namespace thinwire::emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  std::tuple<std::remove_const_t<Parameters>...> copies(std::forward<Arguments>(arguments)...);
  return thinwire::emulation::Enqueue(
      config->stream, [=, blocks = config->gridDim.x, threads = config->blockDim.x] {
        thinwire::emulation::RunGrid(blocks, threads, [&] { std::apply(kernel, copies); });
      });
}

#endif  // THINWIRE_CUDA_EMULATION_INCLUDE_CUDA_RUNTIME_H_
