// SPDX-License-Identifier: Apache-2.0
//
// A sum of tensors in GPU memory, in the order of a CUDA stream, 8 bits an element on the wire: how
// a training step would sum its gradients. One process a rank; ranks may share a GPU:
//
//   torchrun --no-python --nproc-per-node 2 04_cuda_all_reduce [COUNT]
//
// or with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT set by hand. COUNT elements, 16777216
// unless given.
#include <cuda_runtime.h>
#include <thinwire/thinwire.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

void Must(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "04_cuda_all_reduce: %s\n", cudaGetErrorString(error));
  std::exit(1);
}
void Must(thinwireResult_t result, thinwireComm_t comm) {
  if (result == thinwireSuccess) return;
  std::fprintf(stderr, "04_cuda_all_reduce: %s\n", thinwireGetLastError(comm));
  std::exit(1);
}

// The communicator is bound to the device that is current when it is made.
void ChooseDevice() {
  int devices = 0;
  Must(cudaGetDeviceCount(&devices));
  const char* const local_rank = std::getenv("LOCAL_RANK");  // torchrun's
  Must(cudaSetDevice(local_rank == nullptr ? 0 : std::atoi(local_rank) % devices));
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : size_t{1} << 24;
  const size_t bytes = count * sizeof(float);
  ChooseDevice();
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.device = "cuda";  // say so where there is none, rather than leave it out
  thinwireComm_t comm = nullptr;
  Must(thinwireCommInitFromEnvironment(&comm, &config), nullptr);
  int rank = 0, ranks = 0;
  Must(thinwireCommUserRank(comm, &rank), comm);
  Must(thinwireCommCount(comm, &ranks), comm);

  cudaStream_t stream = nullptr;
  Must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  void* tensor = nullptr;
  Must(cudaMallocAsync(&tensor, bytes, stream));
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = static_cast<float>(rank) + static_cast<float>(i % 100);

  // None of these waits for the one before: the stream keeps their order, and the host is free.
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.stream = stream;
  options.policy = "q8";
  Must(cudaMemcpyAsync(tensor, values.data(), bytes, cudaMemcpyDefault, stream));
  Must(thinwireAllReduce(tensor, tensor, count, thinwireFloat32, thinwireSum, comm, &options),
       comm);
  Must(cudaMemcpyAsync(values.data(), tensor, bytes, cudaMemcpyDefault, stream));
  Must(cudaStreamSynchronize(stream));

  // The stream goes on even where a call on it failed, so ask before the result is used.
  thinwireResult_t failure = thinwireSuccess;
  Must(thinwireCommGetAsyncError(comm, &failure), comm);
  Must(failure, comm);

  const double of_ranks = ranks * (ranks - 1) / 2.0;
  const double largest = of_ranks + ranks * 99.0;
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    const double sum = of_ranks + ranks * static_cast<double>(i % 100);
    worst = std::max(worst, std::fabs(values[i] - sum) / largest);
  }
  thinwireStatistics_t used = {};
  used.size = sizeof(used);
  Must(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &used), comm);
  std::printf("rank %d of %d: codec %s: sent %llu bytes for %llu, largest error %.2g %%\n", rank,
              ranks, used.codec, static_cast<unsigned long long>(used.wireBytes),
              static_cast<unsigned long long>(used.rawBytes), 100 * worst);

  // Not cudaFree, which waits for all streams of the device, other ranks' among them.
  Must(cudaFreeAsync(tensor, stream));
  Must(thinwireCommDestroy(comm), nullptr);
  Must(cudaStreamDestroy(stream));
  return worst <= 0.02 ? 0 : 1;
}
