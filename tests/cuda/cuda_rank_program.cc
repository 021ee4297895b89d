// SPDX-License-Identifier: Apache-2.0
//
// One rank as a process with tensors in device memory; RANK, WORLD_SIZE, MASTER_ADDR and
// MASTER_PORT say which. Ranks may share a device. All-reduces on a stream, by several codecs, then
// in a graph; exits with 0 where each sum was right, else prints what was wrong.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "thinwire/thinwire.h"

namespace {

constexpr size_t kCount = 20'000;
constexpr int kCalls = 4;

void Must(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::printf("CUDA: %s\n", cudaGetErrorString(error));
  std::exit(3);
}
void Must(thinwireResult_t result, thinwireComm_t comm) {
  if (result == thinwireSuccess) return;
  std::printf("%s\n", thinwireGetLastError(comm));
  std::exit(3);
}

// A device tensor, the stream of its calls, and the communicator.
class SummedTensor {
 public:
  SummedTensor() {
    thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
    config.device = "cuda";
    config.timeoutSeconds = 60;
    config.connectTimeoutSeconds = 60;
    Must(thinwireCommInitFromEnvironment(&comm_, &config), nullptr);
    Must(thinwireCommUserRank(comm_, &rank_), comm_);
    Must(thinwireCommCount(comm_, &ranks_), comm_);
    Must(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    Must(cudaMallocAsync(reinterpret_cast<void**>(&device_), kBytes, stream_));
    for (size_t i = 0; i < kCount; ++i) input_[i] = static_cast<float>(rank_ + Ramp(i));
  }
  ~SummedTensor() {
    Must(cudaFreeAsync(device_, stream_));
    Must(thinwireCommDestroy(comm_), nullptr);
    Must(cudaStreamDestroy(stream_));
  }
  SummedTensor(const SummedTensor&) = delete;
  SummedTensor& operator=(const SummedTensor&) = delete;

  // Calls that take place one after the other; false where one errs by more than `tolerance` of
  // the largest sum, or another codec ran.
  bool SumsAreRight(const std::string& codec, double tolerance) {
    for (int call = 0; call < kCalls; ++call) {
      Issue(codec);
      if (!IsSum(tolerance)) return Report(codec);
    }
    thinwireStatistics_t used = {};
    used.size = sizeof(used);
    Must(thinwireCommGetStatistics(comm_, thinwireOpAllReduce, &used), comm_);
    return used.codec == codec || Report(codec + ", for which ran " + used.codec);
  }

  bool ReplayedSumsAreRight() {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t replayed = nullptr;
    Must(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
    Issue("raw");
    Must(cudaStreamEndCapture(stream_, &graph));
    Must(cudaGraphInstantiate(&replayed, graph, 0));
    bool right = true;
    for (int replay = 0; replay < kCalls; ++replay) {
      Must(cudaGraphLaunch(replayed, stream_));
      right = IsSum(0) && right;
    }
    Must(cudaGraphExecDestroy(replayed));
    Must(cudaGraphDestroy(graph));
    return right || Report("a graph");
  }

 private:
  static constexpr size_t kBytes = kCount * sizeof(float);
  static int Ramp(size_t i) { return static_cast<int>(i % 61); }

  void Issue(const std::string& codec) {
    const std::string policy = "* >=0: " + codec;
    thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
    options.stream = stream_;
    options.policy = policy.c_str();
    options.key = 1;
    Must(cudaMemcpyAsync(device_, input_.data(), kBytes, cudaMemcpyDefault, stream_));
    Must(thinwireAllReduce(device_, device_, kCount, thinwireFloat32, thinwireSum, comm_, &options),
         comm_);
  }

  bool IsSum(double tolerance) {
    std::vector<float> sum(kCount);
    Must(cudaMemcpyAsync(sum.data(), device_, kBytes, cudaMemcpyDefault, stream_));
    Must(cudaStreamSynchronize(stream_));
    thinwireResult_t failure = thinwireSuccess;
    Must(thinwireCommGetAsyncError(comm_, &failure), comm_);
    Must(failure, comm_);
    const double of_ranks = ranks_ * (ranks_ - 1) / 2.0;
    const double largest = of_ranks + ranks_ * Ramp(60);
    for (size_t i = 0; i < kCount; ++i) {
      const double error = std::fabs(sum[i] - (of_ranks + ranks_ * Ramp(i)));
      if (!(error <= tolerance * largest)) return false;
    }
    return true;
  }

  bool Report(const std::string& what) const {
    std::printf("rank %d of %d: a wrong sum by %s\n", rank_, ranks_, what.c_str());
    return false;
  }

  thinwireComm_t comm_ = nullptr;
  int rank_ = 0;
  int ranks_ = 0;
  cudaStream_t stream_ = nullptr;
  float* device_ = nullptr;
  std::vector<float> input_ = std::vector<float>(kCount);
};

}  // namespace

int main() {
  SummedTensor tensor;
  // Twice what both hops may lose (docs/codecs.md), and what residuals add.
  const bool right = tensor.SumsAreRight("raw", 0) && tensor.SumsAreRight("q8", 0.02) &&
                     tensor.SumsAreRight("q4+ef", 0.4) && tensor.ReplayedSumsAreRight();
  return right ? 0 : 1;
}
