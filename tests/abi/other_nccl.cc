// SPDX-License-Identifier: Apache-2.0
//
// Another NCCL for nccl_fallback_test: every operation on it writes kMark into its output, so that
// a test sees who did it. OTHER_NCCL_FAILS=RANK: no communicator is made on that rank.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "nccl.h"

// Its own, whatever else the process has loaded.
struct thinwireComm {
  int rank;
};

namespace {

constexpr float kMark = 42;
std::atomic<int> alive{0};
std::atomic<int> calls{0};
thread_local int depth = 0;

ncclResult_t Mark(void* output) {
  ++calls;
  if (output != nullptr) std::memcpy(output, &kMark, sizeof(kMark));
  return ncclSuccess;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int other_nccl_alive() { return alive; }
EXPORT int other_nccl_calls() { return calls; }
EXPORT int other_nccl_depth() { return depth; }

EXPORT ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 7, sizeof(*id));
  return ncclSuccess;
}
EXPORT ncclResult_t ncclCommInitRank(ncclComm_t* comm, int /*ranks*/, ncclUniqueId id, int rank) {
  const char* const fails = std::getenv("OTHER_NCCL_FAILS");
  if (id.internal[0] != 7 || (fails != nullptr && std::atoi(fails) == rank)) {
    return ncclSystemError;
  }
  ++alive;
  *comm = new thinwireComm{rank};
  return ncclSuccess;
}
EXPORT ncclResult_t ncclCommInitAll(ncclComm_t* comms, int count, const int* /*devices*/) {
  ncclUniqueId id;
  (void)ncclGetUniqueId(&id);
  for (int rank = 0; rank < count; ++rank) {
    const ncclResult_t made = ncclCommInitRank(&comms[rank], count, id, rank);
    if (made != ncclSuccess) return made;
  }
  return ncclSuccess;
}
EXPORT ncclResult_t ncclCommFinalize(ncclComm_t /*comm*/) { return Mark(nullptr); }
EXPORT ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  --alive;
  delete comm;
  return ncclSuccess;
}
EXPORT ncclResult_t ncclCommAbort(ncclComm_t comm) { return ncclCommDestroy(comm); }
EXPORT ncclResult_t ncclCommGetAsyncError(ncclComm_t /*comm*/, ncclResult_t* error) {
  *error = ncclSuccess;
  return Mark(nullptr);
}
EXPORT const char* ncclGetLastError(ncclComm_t /*comm*/) { return "the other library says no"; }

EXPORT ncclResult_t ncclAllReduce(const void* /*send*/, void* recv, size_t count,
                                  ncclDataType_t /*type*/, ncclRedOp_t /*op*/, ncclComm_t /*comm*/,
                                  cudaStream_t /*stream*/) {
  return count == 13 ? ncclInvalidArgument : Mark(recv);
}
EXPORT ncclResult_t ncclReduce(const void* /*send*/, void* recv, size_t, ncclDataType_t,
                               ncclRedOp_t, int /*root*/, ncclComm_t, cudaStream_t) {
  return Mark(recv);
}
EXPORT ncclResult_t ncclBroadcast(const void* /*send*/, void* recv, size_t, ncclDataType_t,
                                  int /*root*/, ncclComm_t, cudaStream_t) {
  return Mark(recv);
}
EXPORT ncclResult_t ncclAllGather(const void* /*send*/, void* recv, size_t, ncclDataType_t,
                                  ncclComm_t, cudaStream_t) {
  return Mark(recv);
}
EXPORT ncclResult_t ncclReduceScatter(const void* /*send*/, void* recv, size_t, ncclDataType_t,
                                      ncclRedOp_t, ncclComm_t, cudaStream_t) {
  return Mark(recv);
}
EXPORT ncclResult_t ncclAlltoAll(const void* /*send*/, void* recv, size_t, ncclDataType_t,
                                 ncclComm_t, cudaStream_t) {
  return Mark(recv);
}
// No gather and scatter, as before 2.28.
EXPORT ncclResult_t ncclSend(const void* /*send*/, size_t, ncclDataType_t, int /*peer*/, ncclComm_t,
                             cudaStream_t) {
  return Mark(nullptr);
}
EXPORT ncclResult_t ncclRecv(void* recv, size_t, ncclDataType_t, int /*peer*/, ncclComm_t,
                             cudaStream_t) {
  return Mark(recv);
}
EXPORT ncclResult_t ncclRedOpCreatePreMulSum(ncclRedOp_t* op, void* /*scalar*/, ncclDataType_t,
                                             ncclScalarResidence_t, ncclComm_t) {
  *op = static_cast<ncclRedOp_t>(99);
  return Mark(nullptr);
}
EXPORT ncclResult_t ncclRedOpDestroy(ncclRedOp_t op, ncclComm_t) {
  return static_cast<int>(op) == 99 ? Mark(nullptr) : ncclInvalidArgument;
}
EXPORT ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
EXPORT ncclResult_t ncclGroupEnd() {
  --depth;
  return ncclSuccess;
}
