// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/stream_signals.h"

#include <cuda.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include "cuda/device/signal_kernels.h"

namespace thinwire::cuda {
namespace {

using BatchMemOp = CUresult(CUstream, unsigned, CUstreamBatchMemOpParams*, unsigned);

// ---- Memory operations ----

CUstreamBatchMemOpParams WriteOf(uint32_t* word, uint32_t value) {
  CUstreamBatchMemOpParams operation = {};
  operation.writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
  operation.writeValue.address = reinterpret_cast<CUdeviceptr>(word);
  operation.writeValue.value = value;
  return operation;
}
CUstreamBatchMemOpParams WaitOf(uint32_t* word, uint32_t value) {
  CUstreamBatchMemOpParams operation = {};
  operation.waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
  operation.waitValue.address = reinterpret_cast<CUdeviceptr>(word);
  operation.waitValue.value = value;
  operation.waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
  return operation;
}

template <size_t kCount>
cudaError_t Run(void* batch, cudaStream_t stream,
                std::array<CUstreamBatchMemOpParams, kCount> operations) {
  const auto run = reinterpret_cast<BatchMemOp*>(batch);
  const CUresult result = run(stream, kCount, operations.data(), 0);
  return result == CUDA_SUCCESS ? cudaSuccess : cudaErrorNotSupported;
}

// ---- Host functions ----

struct WordWrite {
  uint32_t* word;
  uint32_t value;
};
void WriteOnHost(void* argument) {
  const std::unique_ptr<const WordWrite> write(static_cast<WordWrite*>(argument));
  __atomic_store_n(write->word, write->value, __ATOMIC_RELEASE);
}
void ArriveOnHost(void* argument) {
  __atomic_store_n(&static_cast<GateWords*>(argument)->reached, 1, __ATOMIC_RELEASE);
}
void WaitOnHost(void* argument) {
  auto* const gate = static_cast<GateWords*>(argument);
  while (__atomic_load_n(&gate->released, __ATOMIC_ACQUIRE) != 1) {
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  __atomic_store_n(&gate->released, 0, __ATOMIC_RELEASE);
}

}  // namespace

Result<StreamSignals> StreamSignals::Make(const std::string& way) {
  if (way == "kernel") return StreamSignals(Way::kKernel, nullptr);
  if (way == "hostfunc") return StreamSignals(Way::kHostFunction, nullptr);
  if (way != "auto" && way != "memops") {
    return InvalidArgument(
        "THINWIRE_CUDA_WAIT is '{}'; it must be auto, memops, kernel or hostfunc", way);
  }
  void* batch = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t asked = cudaGetDriverEntryPointByVersion("cuStreamBatchMemOp", &batch, 12000,
                                                             cudaEnableDefault, &found);
  if (asked == cudaSuccess && found == cudaDriverEntryPointSuccess && batch != nullptr) {
    return StreamSignals(Way::kMemoryOperations, batch);
  }
  (void)cudaGetLastError();
  if (way == "auto") return StreamSignals(Way::kKernel, nullptr);
  return Status(Code::kCuda, "THINWIRE_CUDA_WAIT is memops, which this driver does not have");
}

cudaError_t StreamSignals::Write(cudaStream_t stream, uint32_t* word, uint32_t value) const {
  switch (way_) {
    case Way::kMemoryOperations:
      return Run<1>(batch_, stream, {WriteOf(word, value)});
    case Way::kKernel:
      return LaunchWrite(stream, word, value);
    case Way::kHostFunction:
      return cudaLaunchHostFunc(stream, WriteOnHost, new WordWrite{word, value});
  }
  return cudaErrorInvalidValue;
}

cudaError_t StreamSignals::ArriveAt(cudaStream_t stream, GateWords* gate) const {
  if (way_ == Way::kHostFunction) return cudaLaunchHostFunc(stream, ArriveOnHost, gate);
  return Write(stream, &gate->reached, 1);
}

cudaError_t StreamSignals::WaitAt(cudaStream_t stream, GateWords* gate) const {
  switch (way_) {
    case Way::kMemoryOperations:
      return Run<2>(batch_, stream, {WaitOf(&gate->released, 1), WriteOf(&gate->released, 0)});
    case Way::kKernel:
      return LaunchWait(stream, &gate->released);
    case Way::kHostFunction:
      return cudaLaunchHostFunc(stream, WaitOnHost, gate);
  }
  return cudaErrorInvalidValue;
}

}  // namespace thinwire::cuda
