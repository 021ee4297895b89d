// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped API, written on the native one: an ncclComm_t is a thinwireComm_t, and codes,
// types and reductions have equal values. So one program may use both.

#include "nccl_compat/nccl.h"

#include <cstring>

#include "thinwire/thinwire.h"

// Defines pncclX, exported, and ncclX as its weak alias.
#define NCCL_DEFINE(result, name, parameters)                               \
  extern "C" __attribute__((visibility("default"), weak, alias("p" #name))) \
  result name parameters;                                                   \
  extern "C" __attribute__((visibility("default"))) result p##name parameters

namespace {

static_assert(sizeof(ncclUniqueId) == sizeof(thinwireUniqueId));

// ncclResult_t had no timeout before 2.29, and callers throw on codes they don't know.
ncclResult_t ToNccl(thinwireResult_t result) {
  return result == thinwireTimeout ? ncclRemoteError : static_cast<ncclResult_t>(result);
}

thinwireDataType_t Type(ncclDataType_t dtype) { return static_cast<thinwireDataType_t>(dtype); }
thinwireRedOp_t Op(ncclRedOp_t op) { return static_cast<thinwireRedOp_t>(op); }

// The options of a call in the order of a stream.
class OnStream {
 public:
  explicit OnStream(cudaStream_t stream) { options_.stream = stream; }
  operator const thinwireCallOptions_t*() const { return &options_; }  // NOLINT: as an argument

 private:
  thinwireCallOptions_t options_ = THINWIRE_CALL_OPTIONS_INITIALIZER;
};

}  // namespace

NCCL_DEFINE(ncclResult_t, ncclGetVersion, (int* version)) {
  if (version == nullptr) return ToNccl(thinwireGetVersion(nullptr));
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

NCCL_DEFINE(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * uniqueId)) {
  return ToNccl(thinwireGetUniqueId(reinterpret_cast<thinwireUniqueId*>(uniqueId)));
}

NCCL_DEFINE(ncclResult_t, ncclCommInitRank,
            (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank)) {
  thinwireUniqueId id;
  std::memcpy(id.internal, commId.internal, sizeof(id.internal));
  return ToNccl(thinwireCommInitRank(comm, nranks, id, rank, nullptr));
}

NCCL_DEFINE(ncclResult_t, ncclCommInitAll, (ncclComm_t * comm, int ndev, const int* /*devlist*/)) {
  return ToNccl(thinwireCommInitAll(comm, ndev, nullptr));
}

NCCL_DEFINE(ncclResult_t, ncclCommDestroy, (ncclComm_t comm)) {
  return ToNccl(thinwireCommDestroy(comm));
}

NCCL_DEFINE(ncclResult_t, ncclCommAbort, (ncclComm_t comm)) {
  return ToNccl(thinwireCommAbort(comm));
}

NCCL_DEFINE(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t* asyncError)) {
  thinwireResult_t error = thinwireSuccess;
  const thinwireResult_t result =
      thinwireCommGetAsyncError(comm, asyncError == nullptr ? nullptr : &error);
  if (result == thinwireSuccess) *asyncError = ToNccl(error);
  return ToNccl(result);
}

NCCL_DEFINE(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int* count)) {
  return ToNccl(thinwireCommCount(comm, count));
}

NCCL_DEFINE(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int* rank)) {
  return ToNccl(thinwireCommUserRank(comm, rank));
}

NCCL_DEFINE(const char*, ncclGetErrorString, (ncclResult_t result)) {
  if (result >= ncclNumResults) return "unknown result code";
  return thinwireGetErrorString(static_cast<thinwireResult_t>(result));
}

NCCL_DEFINE(const char*, ncclGetLastError, (ncclComm_t comm)) { return thinwireGetLastError(comm); }

NCCL_DEFINE(ncclResult_t, ncclAllReduce,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)) {
  return ToNccl(
      thinwireAllReduce(sendbuff, recvbuff, count, Type(datatype), Op(op), comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclReduce,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream)) {
  return ToNccl(thinwireReduce(sendbuff, recvbuff, count, Type(datatype), Op(op), root, comm,
                               OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclBroadcast,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream)) {
  return ToNccl(
      thinwireBroadcast(sendbuff, recvbuff, count, Type(datatype), root, comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclBcast,
            (void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
             cudaStream_t stream)) {
  return ToNccl(thinwireBroadcast(buff, buff, count, Type(datatype), root, comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclAllGather,
            (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
             ncclComm_t comm, cudaStream_t stream)) {
  return ToNccl(
      thinwireAllGather(sendbuff, recvbuff, sendcount, Type(datatype), comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclReduceScatter,
            (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)) {
  return ToNccl(thinwireReduceScatter(sendbuff, recvbuff, recvcount, Type(datatype), Op(op), comm,
                                      OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclSend,
            (const void* sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
             cudaStream_t stream)) {
  return ToNccl(thinwireSend(sendbuff, count, Type(datatype), peer, comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclRecv,
            (void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
             cudaStream_t stream)) {
  return ToNccl(thinwireRecv(recvbuff, count, Type(datatype), peer, comm, OnStream(stream)));
}

NCCL_DEFINE(ncclResult_t, ncclGroupStart, (void)) { return ToNccl(thinwireGroupStart()); }
NCCL_DEFINE(ncclResult_t, ncclGroupEnd, (void)) { return ToNccl(thinwireGroupEnd()); }
