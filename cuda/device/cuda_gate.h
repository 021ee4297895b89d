// SPDX-License-Identifier: Apache-2.0
#ifndef THINWIRE_CUDA_DEVICE_CUDA_GATE_H_
#define THINWIRE_CUDA_DEVICE_CUDA_GATE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/device/stream_signals.h"
#include "device/device.h"

namespace thinwire::cuda {

// The words of gates. A stream may still be on its way past a gate when nobody holds that any more,
// not even its communicator: so the words belong to the process, and are given again only once the
// stream has taken the release back.
class GatePool {
 public:
  static GatePool& Instance();
  // Null where CUDA has no memory left.
  GateWords* Take();
  void Give(GateWords* words);

 private:
  bool Grow();
  std::mutex mutex_;
  std::vector<GateWords*> left_;
};

class CudaGate final : public StreamGate {
 public:
  CudaGate(GateWords* words, const StreamSignals& signals, int device, cudaStream_t stream,
           bool repeats)
      : words_(words), signals_(signals), device_(device), stream_(stream), repeats_(repeats) {}
  ~CudaGate() override { GatePool::Instance().Give(words_); }
  CudaGate(const CudaGate&) = delete;
  CudaGate& operator=(const CudaGate&) = delete;

  Status Hold() override;
  bool Reached() override;
  void Release() override;
  bool repeats() const override { return repeats_; }
  bool over() const override { return over_.load(std::memory_order_acquire); }

  // Makes the gate live as long as the graph that is being captured, and know when it is gone.
  static cudaError_t KeepBy(cudaGraph_t graph, const std::shared_ptr<CudaGate>& gate);

 private:
  GateWords* const words_;
  const StreamSignals signals_;
  const int device_;  // which default stream is meant, where it is one
  const cudaStream_t stream_;
  const bool repeats_;
  std::atomic<bool> over_{false};
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_DEVICE_CUDA_GATE_H_
