// SPDX-License-Identifier: Apache-2.0
//
// StreamSignals: how streams and host threads tell each other how far they are, by 32-bit words in
// mapped memory. Three ways: memory operations of the stream, which hold no multiprocessor while
// they wait; a kernel of one thread, for devices and virtual GPUs without those; host functions,
// where neither works, one of which at a time can wait in a process.

#ifndef THINWIRE_CUDA_DEVICE_STREAM_SIGNALS_H_
#define THINWIRE_CUDA_DEVICE_STREAM_SIGNALS_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "base/status.h"

namespace thinwire::cuda {

// Of a place where a stream waits.
struct alignas(64) GateWords {
  uint32_t reached = 0;   // the stream sets it to 1, the host back to 0
  uint32_t released = 0;  // the host sets it to 1, the stream back to 0
};

class StreamSignals {
 public:
  enum class Way : uint8_t { kMemoryOperations, kKernel, kHostFunction };

  // `way`: memops, kernel, hostfunc, or auto: the first of them that the driver has.
  static Result<StreamSignals> Make(const std::string& way);

  Way way() const { return way_; }

  // The stream sets the word once all work before is done and can be seen by the host. Not to be
  // captured.
  cudaError_t Write(cudaStream_t stream, uint32_t* word, uint32_t value) const;
  // The stream says that it has come. Captured in a graph, it does with every replay.
  cudaError_t ArriveAt(cudaStream_t stream, GateWords* gate) const;
  // The stream waits to be released, and takes the release back; likewise.
  cudaError_t WaitAt(cudaStream_t stream, GateWords* gate) const;

 private:
  StreamSignals(Way way, void* batch) : way_(way), batch_(batch) {}
  Way way_;
  void* batch_;  // cuStreamBatchMemOp
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_STREAM_SIGNALS_H_
