/* SPDX-License-Identifier: Apache-2.0
 *
 * The NCCL-shaped API of Thinwire: declarations of our own writing, compatible in names, values and
 * calling convention with NCCL's. Programs compiled against this header or NCCL's own run on
 * libnccl.so.2 of this project. docs/nccl-compat.md says what works. Buffers are device memory, in
 * the order of streams, or host memory, for calls that return when they are done.
 *
 * Every function of NCCL 2.31 is declared here. Those that can't work across long links return
 * ncclInvalidUsage, and ncclGetLastError says why.
 *
 * Results are exact unless THINWIRE_POLICY names a codec. The functions of thinwire/thinwire.h take
 * an ncclComm_t too (it is a thinwireComm_t), e.g. for statistics.
 */
#ifndef NCCL_H_
#define NCCL_H_

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* As NCCL's header brings CUDA's with it, this one does where they are, unless it is told not to. */
#if defined(__has_include) && !defined(THINWIRE_NCCL_NO_CUDA_HEADERS)
#if __has_include(<cuda_runtime.h>) && __has_include(<cuda_fp16.h>) && __has_include(<cuda_bf16.h>)
#define THINWIRE_NCCL_HAS_CUDA
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#endif
#endif

#define NCCL_MAJOR 2
#define NCCL_MINOR 31
#define NCCL_PATCH 2
#define NCCL_SUFFIX ""
#define NCCL_VERSION_CODE 23102
#define NCCL_VERSION(X, Y, Z) \
  (((X) <= 2 && (Y) <= 8) ? (X)*1000 + (Y)*100 + (Z) : (X)*10000 + (Y)*100 + (Z))

#ifdef __cplusplus
extern "C" {
#endif

#ifndef THINWIRE_NCCL_HAS_CUDA
/* Opaque, so that no CUDA header is needed; the same declaration as the CUDA runtime's. */
typedef struct CUstream_st* cudaStream_t;
#endif

typedef struct thinwireComm* ncclComm_t;
typedef struct ncclWindow_vidmem* ncclWindow_t;
#define NCCL_COMM_NULL NULL

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
  ncclTimeout = 8, /* never returned: programs older than 2.29 do not know it */
  ncclNumResults = 9
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

/* Where the scalar of a reduction is, and when it is read. */
typedef enum {
  ncclScalarDevice = 0,       /* memory of the device; while the operation runs */
  ncclScalarHostImmediate = 1 /* memory of the host; at once */
} ncclScalarResidence_t;

/* What of the memory that a communicator allocated ncclCommMemStats tells. */
typedef enum {
  ncclStatGpuMemSuspend = 0,
  ncclStatGpuMemSuspended = 1,
  ncclStatGpuMemPersist = 2,
  ncclStatGpuMemTotal = 3
} ncclCommMemStat_t;

/* ---- Configurations --------------------------------------------------------------------------
 * Made by an initializer, which leaves all fields undefined; of an undefined field the default
 * holds. Programs compiled with older headers bring shorter ones.
 */

#define NCCL_CONFIG_UNDEF_INT INT_MIN
#define NCCL_CONFIG_UNDEF_PTR NULL
#define NCCL_UNDEF_FLOAT -1.0f
#define NCCL_API_MAGIC 0xcafebeef

#define NCCL_SPLIT_NOCOLOR -1
#define NCCL_SHRINK_DEFAULT 0x00
#define NCCL_SHRINK_ABORT 0x01
#define NCCL_REVOKE_DEFAULT 0x00
#define NCCL_SUSPEND_MEM 0x01
#define NCCL_WIN_DEFAULT 0x00
#define NCCL_WIN_COLL_SYMMETRIC 0x01
#define NCCL_WIN_STRICT_ORDERING 0x02
#define NCCL_WIN_REQUIRED_ALIGNMENT 4096
#define NCCL_CTA_POLICY_DEFAULT 0x00
#define NCCL_CTA_POLICY_EFFICIENCY 0x01
#define NCCL_CTA_POLICY_ZERO 0x02

/* Of a communicator. Thinwire heeds `blocking`; the others are checked and left. */
typedef struct ncclConfig_v23100 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  int blocking; /* 0: functions that take time return ncclInProgress; ncclCommGetAsyncError tells */
  int cgaClusterSize;
  int minCTAs;
  int maxCTAs;
  const char* netName;
  int splitShare;
  int trafficClass;
  const char* commName;
  int collnetEnable;
  int CTAPolicy;
  int shrinkShare;
  int nvlsCTAs;
  int nChannelsPerNetPeer;
  int nvlinkCentricSched;
  int graphUsageMode;
  int numRmaCtx;
  int maxP2pPeers;
  int graphStreamOrdering;
  int launchOrderImplicit;
  int numRmaSig;
  int rmaEagerInit;
  int hostCftMode;
} ncclConfig_t;

#define NCCL_CONFIG_INITIALIZER                                                     \
  {                                                                                 \
    sizeof(ncclConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, NCCL_CONFIG_UNDEF_INT, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_PTR, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_PTR, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,        \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT         \
  }

/* An option of one call that other libraries ignore; in a list. */
typedef struct ncclConfigExt {
  struct ncclConfigExt* next;
  struct {
    int vendorId;
    int optionId;
  } key;
  union {
    int i;
    const char* s;
    void* raw;
  } val;
} ncclConfigExt_t;

/* Of one call, equal on all ranks. Thinwire heeds `ext`: its own options are below. */
typedef struct ncclCollConfig_v23100 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  ncclConfigExt_t* ext;
  int minCTAs;
  int maxCTAs;
  int nvlsCTAs;
  int cgaClusterSize;
  const char* algSelection;
  int forceAlgSelection;
  int CTAPolicy;
  uint64_t userProfilerTag;
} ncclCollConfig_t;

#define NCCL_COLLCONFIG_INITIALIZER                                                     \
  {                                                                                     \
    sizeof(ncclCollConfig_t), NCCL_API_MAGIC, NCCL_VERSION_CODE, NCCL_CONFIG_UNDEF_PTR, \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_INT,            \
        NCCL_CONFIG_UNDEF_INT, NCCL_CONFIG_UNDEF_PTR, 1, NCCL_CONFIG_UNDEF_INT, 0       \
  }

/* Options of a call for Thinwire (ncclConfigExt_t.key). */
#define THINWIRE_NCCL_VENDOR 0x7e1de7
#define THINWIRE_NCCL_POLICY 1 /* val.s: a policy for this call, such as "q8" (docs/policy.md) */
#define THINWIRE_NCCL_KEY 2    /* val.raw: const uint64_t*, whose state the call advances */
#define THINWIRE_NCCL_TENSOR 3 /* val.s: the name that policies select by */

typedef struct ncclSimInfo_v22200 {
  size_t size;
  unsigned int magic;
  unsigned int version;
  float estimatedTime; /* microseconds */
} ncclSimInfo_t;

#define NCCL_SIM_INFO_INITIALIZER \
  { sizeof(ncclSimInfo_t), 0x74685283, NCCL_VERSION_CODE, NCCL_UNDEF_FLOAT }

typedef struct {
  int opCnt;
  int peer;
  int sigIdx;
  int ctx;
} ncclWaitSignalDesc_t;

typedef struct ncclParamHandle* ncclParamHandle_t;

/* Of the device API, whose kernels can't cross long links: enough to name its host functions. */
typedef struct ncclTeam {
  int nRanks, rank, stride;
} ncclTeam_t;

/* ---- Functions ------------------------------------------------------------------------------ */

/* Every ncclX is weak and has a strong twin pncclX, for profilers that interpose. */
#define THINWIRE_NCCL_API(result, name, parameters) \
  result name parameters;                           \
  result p##name parameters

/* Versions and errors. */
THINWIRE_NCCL_API(ncclResult_t, ncclGetVersion, (int* version));
THINWIRE_NCCL_API(const char*, ncclGetErrorString, (ncclResult_t result));
THINWIRE_NCCL_API(const char*, ncclGetLastError, (ncclComm_t comm));
THINWIRE_NCCL_API(void, ncclResetDebugInit, (void));

/* Communicators. Set-up functions may stand in a group, but not with operations. */
THINWIRE_NCCL_API(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * uniqueId));
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitRank,
                  (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank));
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitRankConfig,
                  (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank,
                   ncclConfig_t* config));
/* Of several ids the first is used. */
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitRankScalable,
                  (ncclComm_t * newcomm, int nranks, int myrank, int nId, ncclUniqueId* commIds,
                   ncclConfig_t* config));
/* Devices may be named more than once. */
THINWIRE_NCCL_API(ncclResult_t, ncclCommInitAll, (ncclComm_t * comm, int ndev, const int* devlist));
THINWIRE_NCCL_API(ncclResult_t, ncclCommSplit,
                  (ncclComm_t comm, int color, int key, ncclComm_t* newcomm, ncclConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclCommShrink,
                  (ncclComm_t comm, int* excludeRanksList, int excludeRanksCount,
                   ncclComm_t* newcomm, ncclConfig_t* config, int shrinkFlags));
THINWIRE_NCCL_API(ncclResult_t, ncclCommGetUniqueId, (ncclComm_t comm, ncclUniqueId* uniqueId));
THINWIRE_NCCL_API(ncclResult_t, ncclCommGrow,
                  (ncclComm_t comm, int nRanks, const ncclUniqueId* uniqueId, int rank,
                   ncclComm_t* newcomm, ncclConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclCommRevoke, (ncclComm_t comm, int revokeFlags));
THINWIRE_NCCL_API(ncclResult_t, ncclCommFinalize, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommDestroy, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommAbort, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t* asyncError));
THINWIRE_NCCL_API(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int* count));
THINWIRE_NCCL_API(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int* rank));
THINWIRE_NCCL_API(ncclResult_t, ncclCommCuDevice, (const ncclComm_t comm, int* device));

/* Operations, and the same with a configuration of the call. */
THINWIRE_NCCL_API(ncclResult_t, ncclAllReduce,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclReduce,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclBroadcast,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclAllGather,
                  (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
                   ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclReduceScatter,
                  (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclAlltoAll,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclGather,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclScatter,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclBcast,
                  (void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
                   cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclSend,
                  (const void* sendbuff, size_t count, ncclDataType_t datatype, int peer,
                   ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclRecv,
                  (void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
                   cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclAllReduceConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream,
                   const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclReduceConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream,
                   const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclBroadcastConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclAllGatherConfig,
                  (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
                   ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclReduceScatterConfig,
                  (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
                   ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream,
                   const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclAlltoAllConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclGatherConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config));
THINWIRE_NCCL_API(ncclResult_t, ncclScatterConfig,
                  (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                   int root, ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config));

/* Groups. */
THINWIRE_NCCL_API(ncclResult_t, ncclGroupStart, (void));
THINWIRE_NCCL_API(ncclResult_t, ncclGroupEnd, (void));
THINWIRE_NCCL_API(ncclResult_t, ncclGroupSimulateEnd, (ncclSimInfo_t * simInfo));

/* Sums of what each rank multiplies first by a scalar of its own. */
THINWIRE_NCCL_API(ncclResult_t, ncclRedOpCreatePreMulSum,
                  (ncclRedOp_t * op, void* scalar, ncclDataType_t datatype,
                   ncclScalarResidence_t residence, ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclRedOpDestroy, (ncclRedOp_t op, ncclComm_t comm));

/* Memory. Registrations are tokens: registered memory is no quicker here than other memory. */
THINWIRE_NCCL_API(ncclResult_t, ncclMemAlloc, (void** ptr, size_t size));
THINWIRE_NCCL_API(ncclResult_t, ncclMemFree, (void* ptr));
THINWIRE_NCCL_API(ncclResult_t, ncclCommRegister,
                  (const ncclComm_t comm, void* buff, size_t size, void** handle));
THINWIRE_NCCL_API(ncclResult_t, ncclCommDeregister, (const ncclComm_t comm, void* handle));
THINWIRE_NCCL_API(ncclResult_t, ncclCommWindowRegister,
                  (ncclComm_t comm, void* buff, size_t size, ncclWindow_t* win, int winFlags));
THINWIRE_NCCL_API(ncclResult_t, ncclCommWindowDeregister, (ncclComm_t comm, ncclWindow_t win));
THINWIRE_NCCL_API(ncclResult_t, ncclWinGetUserPtr,
                  (ncclComm_t comm, ncclWindow_t win, void** outUserPtr));
THINWIRE_NCCL_API(ncclResult_t, ncclCommSuspend, (ncclComm_t comm, int flags));
THINWIRE_NCCL_API(ncclResult_t, ncclCommResume, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommMemStats,
                  (ncclComm_t comm, ncclCommMemStat_t stat, uint64_t* value));

/* What is not there: ncclInvalidUsage. One-sided communication; */
THINWIRE_NCCL_API(ncclResult_t, ncclPutSignal,
                  (const void* localbuff, size_t count, ncclDataType_t datatype, int peer,
                   ncclWindow_t peerWin, size_t peerWinOffset, int sigIdx, int ctx,
                   unsigned int flags, ncclComm_t comm, cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclSignal,
                  (int peer, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm,
                   cudaStream_t stream));
THINWIRE_NCCL_API(ncclResult_t, ncclWaitSignal,
                  (int nDesc, ncclWaitSignalDesc_t* signalDescs, ncclComm_t comm,
                   cudaStream_t stream));
/* NCCL's own parameters; */
THINWIRE_NCCL_API(ncclResult_t, ncclParamBind, (ncclParamHandle_t * out, const char* key));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetI8, (ncclParamHandle_t h, int8_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetI16, (ncclParamHandle_t h, int16_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetI32, (ncclParamHandle_t h, int32_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetI64, (ncclParamHandle_t h, int64_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetU8, (ncclParamHandle_t h, uint8_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetU16, (ncclParamHandle_t h, uint16_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetU32, (ncclParamHandle_t h, uint32_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetU64, (ncclParamHandle_t h, uint64_t* out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetStr, (ncclParamHandle_t h, const char** out));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGet,
                  (ncclParamHandle_t h, void* out, int maxLen, int* len));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetParameter,
                  (const char* key, const char** value, int* valueLen));
THINWIRE_NCCL_API(ncclResult_t, ncclParamGetAllParameterKeys, (const char*** table, int* tableLen));
THINWIRE_NCCL_API(void, ncclParamDumpAll, (void));
/* the device API, of which teams tell the truth: all ranks, or this one alone. */
THINWIRE_NCCL_API(ncclTeam_t, ncclTeamWorld, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclTeam_t, ncclTeamLsa, (ncclComm_t comm));
THINWIRE_NCCL_API(ncclTeam_t, ncclTeamRail, (ncclComm_t comm));
THINWIRE_NCCL_API(int, ncclTeamRankToWorld, (ncclComm_t comm, ncclTeam_t team, int rank));
THINWIRE_NCCL_API(int, ncclTeamRankToLsa, (ncclComm_t comm, ncclTeam_t team, int rank));
THINWIRE_NCCL_API(ncclResult_t, ncclDevCommCreate,
                  (ncclComm_t comm, const void* requirements, void* devComm));
THINWIRE_NCCL_API(ncclResult_t, ncclDevCommDestroy, (ncclComm_t comm, const void* devComm));
THINWIRE_NCCL_API(ncclResult_t, ncclCommQueryProperties, (ncclComm_t comm, void* properties));
THINWIRE_NCCL_API(ncclResult_t, ncclGetLsaMultimemDevicePointer,
                  (ncclWindow_t window, size_t offset, void** outPtr));
THINWIRE_NCCL_API(ncclResult_t, ncclGetMultimemDevicePointer,
                  (ncclWindow_t window, size_t offset, void* multimem, void** outPtr));
THINWIRE_NCCL_API(ncclResult_t, ncclGetLsaDevicePointer,
                  (ncclWindow_t window, size_t offset, int lsaRank, void** outPtr));
THINWIRE_NCCL_API(ncclResult_t, ncclGetPeerDevicePointer,
                  (ncclWindow_t window, size_t offset, int peer, void** outPtr));
THINWIRE_NCCL_API(int, ncclLLA2ACalcSlots, (int maxElts, int maxEltSize));
THINWIRE_NCCL_API(ncclResult_t, ncclLLA2ACreateRequirement,
                  (int nBlocks, int nSlots, void* outHandle, void* outReq));
THINWIRE_NCCL_API(ncclResult_t, ncclLsaBarrierCreateRequirement,
                  (ncclTeam_t team, int nBarriers, void* outHandle, void* outReq));
THINWIRE_NCCL_API(ncclResult_t, ncclGinBarrierCreateRequirement,
                  (ncclComm_t comm, ncclTeam_t team, int nBarriers, void* outHandle, void* outReq));

#undef THINWIRE_NCCL_API

#ifdef __cplusplus
}
#endif

#endif /* NCCL_H_ */
