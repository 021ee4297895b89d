/* SPDX-License-Identifier: Apache-2.0
 *
 * The NCCL-shaped API of Thinwire: declarations of our own writing, compatible in names, values and
 * calling convention with NCCL's. Programs compiled against this header or NCCL's own run on
 * libnccl.so.2 of this project. docs/nccl-compat.md says what works. Buffers are device memory, in
 * the order of streams, or host memory, for calls that return when they are done.
 *
 * Results are exact unless THINWIRE_POLICY names a codec. The functions of thinwire/thinwire.h take
 * an ncclComm_t too (it is a thinwireComm_t), e.g. for statistics.
 */
#ifndef NCCL_H_
#define NCCL_H_

#include <limits.h>
#include <stddef.h>

#define NCCL_MAJOR 2
#define NCCL_MINOR 28
#define NCCL_PATCH 9
#define NCCL_SUFFIX ""
#define NCCL_VERSION_CODE 22809
#define NCCL_VERSION(X, Y, Z) \
  (((X) <= 2 && (Y) <= 8) ? (X) * 1000 + (Y) * 100 + (Z) : (X) * 10000 + (Y) * 100 + (Z))

#ifdef __cplusplus
extern "C" {
#endif

/* Opaque, so that no CUDA header is needed; the same declaration as the CUDA runtime's. */
typedef struct CUstream_st* cudaStream_t;

typedef struct thinwireComm* ncclComm_t;

#define NCCL_UNIQUE_ID_BYTES 128
typedef struct {
  char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;

typedef enum {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7,
  ncclNumResults = 8
} ncclResult_t;

typedef enum {
  ncclSum = 0,
  ncclProd = 1,
  ncclMax = 2,
  ncclMin = 3,
  ncclAvg = 4,
  ncclNumOps = 5,
  ncclMaxRedOp = 0x7fffffff
} ncclRedOp_t;

typedef enum {
  ncclInt8 = 0,
  ncclChar = 0,
  ncclUint8 = 1,
  ncclInt32 = 2,
  ncclInt = 2,
  ncclUint32 = 3,
  ncclInt64 = 4,
  ncclUint64 = 5,
  ncclFloat16 = 6,
  ncclHalf = 6,
  ncclFloat32 = 7,
  ncclFloat = 7,
  ncclFloat64 = 8,
  ncclDouble = 8,
  ncclBfloat16 = 9,
  ncclFloat8e4m3 = 10,
  ncclFloat8e5m2 = 11,
  ncclNumTypes = 12
} ncclDataType_t;

/* Every ncclX is weak and has a strong twin pncclX, for profilers that interpose. */
#define THINWIRE_NCCL_API(result, name, parameters) \
  result name parameters;                           \
  result p##name parameters

THINWIRE_NCCL_API(ncclResult_t, ncclGetVersion, (int* version));
THINWIRE_NCCL_API(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * uniqueId));
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitRank,
                  (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank));
/* `devlist` is ignored: buffers are host memory. */
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitAll,
                  (ncclComm_t * comm, int ndev, const int* devlist));
THINWIRE_NCCL_API(ncclResult_t, ncclCommDestroy, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommAbort, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommGetAsyncError,
                  (ncclComm_t comm, ncclResult_t* asyncError));
THINWIRE_NCCL_API(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int* count));
THINWIRE_NCCL_API(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int* rank));
THINWIRE_NCCL_API(const char*, ncclGetErrorString, (ncclResult_t result));
THINWIRE_NCCL_API(const char*, ncclGetLastError, (ncclComm_t comm));

THINWIRE_NCCL_API(ncclResult_t, ncclAllReduce,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclReduce,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclBroadcast,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclBcast,
                  (void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
                   cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclAllGather,
                  (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
                   ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclReduceScatter,
                  (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclSend,
                  (const void* sendbuff, size_t count, ncclDataType_t datatype, int peer,
                   ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclRecv,
                  (void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
                   cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclGroupStart, (void));
THINWIRE_NCCL_API(ncclResult_t, ncclGroupEnd, (void));

#undef THINWIRE_NCCL_API

#ifdef __cplusplus
}
#endif

#endif /* NCCL_H_ */
