// SPDX-License-Identifier: Apache-2.0
//
// A plain NCCL program that knows nothing of Thinwire: tensors in GPU memory, calls on a stream, an
// id that rank 0 hands on in a file. Build it with any NCCL,
//
//   g++ -std=c++17 05_nccl_unmodified.cpp -I$CUDA_HOME/include -L$CUDA_HOME/lib64 -lnccl -lcudart
//
// and put Thinwire in NCCL's place as it starts, once a rank (libthinwire.so.0 and
// libthinwire_cuda.so stand beside libnccl.so.2):
//
//   LD_PRELOAD=/opt/thinwire/lib/libnccl.so.2 THINWIRE_POLICY=q8 05_nccl_unmodified RANK RANKS
//   ID_FILE
//
// The build of this project links it to its own libnccl.so.2, which needs no preloading.
#include <cuda_runtime.h>
#include <nccl.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kCount = 50'000;
constexpr size_t kBytes = kCount * sizeof(float);

void Must(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "05_nccl_unmodified: %s\n", cudaGetErrorString(error));
  std::exit(1);
}
void Must(ncclResult_t result) {
  if (result == ncclSuccess) return;
  std::fprintf(stderr, "05_nccl_unmodified: %s\n", ncclGetLastError(nullptr));
  std::exit(1);
}

// Under another name first, so that nobody reads half of it.
void WriteId(const std::string& path, const ncclUniqueId& id) {
  const std::string draft = path + ".draft";
  std::ofstream(draft, std::ios::binary).write(id.internal, sizeof(id.internal));
  if (std::rename(draft.c_str(), path.c_str()) == 0) return;
  std::perror(path.c_str());
  std::exit(1);
}

ncclUniqueId ReadId(const std::string& path) {
  ncclUniqueId id;
  for (int tries = 0; tries < 6000; ++tries) {
    if (std::ifstream(path, std::ios::binary).read(id.internal, sizeof(id.internal))) return id;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::fprintf(stderr, "05_nccl_unmodified: no id came in %s\n", path.c_str());
  std::exit(1);
}

ncclComm_t Join(int rank, int ranks, const std::string& id_file) {
  ncclUniqueId id;
  if (rank == 0) {
    Must(ncclGetUniqueId(&id));
    WriteId(id_file, id);
  } else {
    id = ReadId(id_file);
  }
  ncclComm_t comm = nullptr;
  Must(ncclCommInitRank(&comm, ranks, id, rank));
  return comm;
}

float* NewTensor(cudaStream_t stream) {
  void* tensor = nullptr;
  Must(cudaMallocAsync(&tensor, kBytes, stream));
  return static_cast<float*>(tensor);
}

// Whether tensor[i] is first + factor * (i % 7), but for what a lossy policy may change.
bool Holds(const float* tensor, float first, float factor, cudaStream_t stream) {
  std::vector<float> values(kCount);
  Must(cudaMemcpyAsync(values.data(), tensor, kBytes, cudaMemcpyDefault, stream));
  Must(cudaStreamSynchronize(stream));
  for (size_t i = 0; i < kCount; ++i) {
    const float expected = first + factor * static_cast<float>(i % 7);
    if (!(std::fabs(values[i] - expected) <= 0.02f * (first + 6 * factor))) {
      std::fprintf(stderr, "05_nccl_unmodified: element %zu is %g, not %g\n", i,
                   static_cast<double>(values[i]), static_cast<double>(expected));
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: 05_nccl_unmodified RANK RANKS ID_FILE\n");
    return 2;
  }
  const int rank = std::atoi(argv[1]);
  const int ranks = std::atoi(argv[2]);
  int devices = 0;
  Must(cudaGetDeviceCount(&devices));
  Must(cudaSetDevice(rank % devices));  // NCCL wants a device a rank, Thinwire lets them share
  ncclComm_t comm = Join(rank, ranks, argv[3]);
  cudaStream_t stream = nullptr;
  Must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));

  float* const mine = NewTensor(stream);
  float* const sum = NewTensor(stream);
  float* const neighbours = NewTensor(stream);
  std::vector<float> values(kCount);
  for (size_t i = 0; i < kCount; ++i)
    values[i] = static_cast<float>(rank) + static_cast<float>(i % 7);
  Must(cudaMemcpyAsync(mine, values.data(), kBytes, cudaMemcpyDefault, stream));

  Must(ncclAllReduce(mine, sum, kCount, ncclFloat, ncclSum, comm, stream));
  // Round the ring: sends and receives that wait for each other stand in one group.
  const int next = (rank + 1) % ranks;
  const int previous = (rank + ranks - 1) % ranks;
  Must(ncclGroupStart());
  Must(ncclSend(mine, kCount, ncclFloat, next, comm, stream));
  Must(ncclRecv(neighbours, kCount, ncclFloat, previous, comm, stream));
  Must(ncclGroupEnd());

  const float of_ranks = static_cast<float>(ranks * (ranks - 1)) / 2;
  const bool right = Holds(sum, of_ranks, static_cast<float>(ranks), stream) &&
                     Holds(neighbours, static_cast<float>(previous), 1, stream);
  std::printf("rank %d of %d: %s\n", rank, ranks, right ? "right" : "WRONG");

  for (float* const tensor : {mine, sum, neighbours}) Must(cudaFreeAsync(tensor, stream));
  Must(cudaStreamSynchronize(stream));
  Must(ncclCommDestroy(comm));
  Must(cudaStreamDestroy(stream));
  return right ? 0 : 1;
}
