/* SPDX-License-Identifier: Apache-2.0
 *
 * Thinwire: collective communication for thin, long wires. Native C API.
 *
 * From simple to detailed: set-up, operations, groups and requests, policy, statistics.
 *
 * Conventions
 *  - Every function returns a thinwireResult_t; nothing is printed, nothing exits, nothing is
 *    thrown. thinwireGetLastError gives the text of the calling thread's last failure.
 *  - `count` is in elements. Collectives of one communicator are issued in the same order on all
 *    ranks; sends and receives of an ordered pair match in the order issued.
 *  - Buffers are host memory, of any alignment. In place where NCCL allows it: all-reduce, reduce
 *    and broadcast with send == recv, all-gather with send == recv + rank * count, reduce-scatter
 *    with recv == send + rank * count.
 *  - A call returns when its result is there, unless it stands in a group or was given a request.
 *  - One thread at a time uses a communicator; thinwireCommAbort, Revoke, GetAsyncError and
 *    WriteFlight or WriteReport may be called from any thread at any time.
 *  - All ranks end with the same bits, whatever the codec, the algorithm or the order of arrival.
 *  - Exact unless asked: without a policy that names a codec, no result differs from an
 *    uncompressed one.
 */
#ifndef THINWIRE_THINWIRE_H_
#define THINWIRE_THINWIRE_H_

#include <stddef.h>
#include <stdint.h>

#include "thinwire/version.h"

#if defined(__GNUC__)
#define THINWIRE_API __attribute__((visibility("default")))
#else
#define THINWIRE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ---------------------------------------------------------------------------------- */

typedef struct thinwireComm* thinwireComm_t;
typedef struct thinwireRequest* thinwireRequest_t;

/* Values equal those of ncclResult_t. docs/errors.md says what to do about each. */
typedef enum {
  thinwireSuccess = 0,
  thinwireUnhandledCudaError = 1,
  thinwireSystemError = 2,     /* the operating system refused something */
  thinwireInternalError = 3,   /* a bug of ours */
  thinwireInvalidArgument = 4, /* the caller's mistake: nothing happened */
  thinwireInvalidUsage = 5,    /* likewise, about the order or state of calls */
  thinwireRemoteError = 6,     /* a peer or the way to it failed: abort and rebuild */
  thinwireInProgress = 7,      /* not done yet */
  thinwireTimeout = 8          /* peers did not come in time: abort and rebuild */
} thinwireResult_t;

/* Values equal those of ncclDataType_t. The last of each enum that goes into a call is no value:
 * with it a compiler may not assume what numbers callers pass, and wrong ones can be refused. */
typedef enum {
  thinwireInt8 = 0,
  thinwireUint8 = 1,
  thinwireInt32 = 2,
  thinwireUint32 = 3,
  thinwireInt64 = 4,
  thinwireUint64 = 5,
  thinwireFloat16 = 6,
  thinwireFloat32 = 7,
  thinwireFloat64 = 8,
  thinwireBfloat16 = 9,
  thinwireFloat8e4m3 = 10,
  thinwireFloat8e5m2 = 11,
  thinwireMaxDataType = 0x7fffffff
} thinwireDataType_t;

/* Values equal those of ncclRedOp_t. Arithmetic: docs/codecs.md, "Reduction". */
typedef enum {
  thinwireSum = 0,
  thinwireProd = 1,
  thinwireMax = 2,
  thinwireMin = 3,
  thinwireAvg = 4,
  thinwireMaxRedOp = 0x7fffffff
} thinwireRedOp_t;

typedef enum {
  thinwireOpBarrier = 0,
  thinwireOpAllReduce = 1,
  thinwireOpReduceScatter = 2,
  thinwireOpAllGather = 3,
  thinwireOpBroadcast = 4,
  thinwireOpReduce = 5,
  thinwireOpSend = 6,
  thinwireOpRecv = 7,
  thinwireOpAllToAll = 8,
  thinwireMaxOperation = 0x7fffffff
} thinwireOperation_t;

/* Names a communicator to be. 128 opaque bytes, to be carried to every rank by any means. */
typedef struct {
  char internal[128];
} thinwireUniqueId;

/* ---- Set-up --------------------------------------------------------------------------------- */

/* Settings of a communicator. Start from THINWIRE_CONFIG_INITIALIZER; what is left at NULL, 0 or a
 * negative number comes from the environment variable named beside it, then from its default. */
typedef struct {
  size_t size;
  unsigned magic;
  unsigned version;
  const char* transport;    /* THINWIRE_TRANSPORT: "ucx", "tcp", "loopback", "mpi", "auto" */
  const char* policy;       /* THINWIRE_POLICY: see Policy below */
  const char* link;         /* THINWIRE_LINK: "rate=500mbit,delay=20ms", "file=PATH", "measure" */
  const char* shape;        /* THINWIRE_SHAPE: emulate such links in this process */
  const char* netInterface; /* THINWIRE_INTERFACE: "eth0" */
  double timeoutSeconds;    /* THINWIRE_TIMEOUT: longest wait of an operation for its peers */
  double connectTimeoutSeconds; /* THINWIRE_CONNECT_TIMEOUT: longest wait of set-up */
  double silenceSeconds;        /* THINWIRE_SILENCE: a silent peer is given up after this */
  size_t segmentBytes;          /* THINWIRE_SEGMENT: wire bytes a segment aims at */
  int measureError;        /* THINWIRE_MEASURE_ERROR: 1 fills thinwireStatistics_t.relativeError */
  size_t stateBytes;       /* THINWIRE_STATE_BYTES: memory for the state of codecs */
  const char* stateFolder; /* THINWIRE_STATE_FOLDER: where state beyond that goes */
  int threads;             /* THINWIRE_THREADS: threads that encode, decode and reduce */
  const char* device;      /* THINWIRE_DEVICE: "host", "cuda", "auto" */
  const char* sites;       /* THINWIRE_SITES: "8" or "0-3;4-7": ranks that share a fast network */
  int blocking; /* 0: functions that make communicators return thinwireInProgress at once */
} thinwireConfig_t;

#define THINWIRE_CONFIG_MAGIC 0x74776366u
#define THINWIRE_CONFIG_INITIALIZER                                                           \
  {                                                                                           \
    sizeof(thinwireConfig_t), THINWIRE_CONFIG_MAGIC, THINWIRE_VERSION_CODE, NULL, NULL, NULL, \
        NULL, NULL, -1.0, -1.0, -1.0, 0, -1, 0, NULL, 0, NULL, NULL, -1                       \
  }

/* *version = THINWIRE_VERSION_CODE of the library that was loaded. */
THINWIRE_API thinwireResult_t thinwireGetVersion(int* version);

/* Creates the id of a new communicator and starts to listen for its ranks in this process, which
 * must live until all have joined. */
THINWIRE_API thinwireResult_t thinwireGetUniqueId(thinwireUniqueId* id);

/* Joins as `rank` of `nranks`; returns when all have joined and all links are open. `config` may be
 * NULL. On failure *comm is NULL and the text names the rank, address or setting at fault. */
THINWIRE_API thinwireResult_t thinwireCommInitRank(thinwireComm_t* comm, int nranks,
                                                   thinwireUniqueId id, int rank,
                                                   const thinwireConfig_t* config);

/* All `nranks` ranks of a communicator in this process: comms[nranks]. Each communicator may then
 * be used by a thread of its own, or all by one thread inside groups. Rank r is bound to the CUDA
 * device r modulo how many there are. */
THINWIRE_API thinwireResult_t thinwireCommInitAll(thinwireComm_t* comms, int nranks,
                                                  const thinwireConfig_t* config);
/* The same, with rank r bound to devices[r] (modulo how many there are); NULL: to r. */
THINWIRE_API thinwireResult_t thinwireCommInitDevices(thinwireComm_t* comms, int nranks,
                                                      const int* devices,
                                                      const thinwireConfig_t* config);

/* Joins the job this process was started in: by torchrun (RANK, WORLD_SIZE, MASTER_ADDR,
 * MASTER_PORT) or by mpirun. A process started alone becomes rank 0 of 1. */
THINWIRE_API thinwireResult_t thinwireCommInitFromEnvironment(thinwireComm_t* comm,
                                                              const thinwireConfig_t* config);

/* ---- Communicators from others. Their ranks meet by themselves: the parent may have operations in
 * flight, have been revoked or have failed. They plan by the links of the parent; state stays with
 * it. `config`: NULL: as the parent. Within a group they begin when it ends, and those of a parent
 * run one after another; a group can't both make and use communicators.
 *
 * With config->blocking 0, and for the children of such communicators, functions return
 * thinwireInProgress, and thinwireCommGetAsyncError of `comm` - of the parent, whose child is NULL
 * until then - tells when it is done and how it ended. */

#define THINWIRE_NO_COLOR (-1)

/* Every rank of `comm` calls it. Those of one color (>= 0) become a communicator together, in the
 * order of key, then of rank. Of THINWIRE_NO_COLOR: *child = NULL. */
THINWIRE_API thinwireResult_t thinwireCommSplit(thinwireComm_t comm, int color, int key,
                                                thinwireComm_t* child,
                                                const thinwireConfig_t* config);

/* Every rank of `comm` but excluded[nexcluded] calls it, with the same list; they keep their order.
 * For going on when ranks are lost. */
THINWIRE_API thinwireResult_t thinwireCommShrink(thinwireComm_t comm, const int* excluded,
                                                 int nexcluded, thinwireComm_t* child,
                                                 const thinwireConfig_t* config);

/* Every rank of `comm` calls it and keeps its rank among `nranks`; one brings `id`, of
 * thinwireGetUniqueId, the others NULL. New ranks join by thinwireCommInitRank with that id. Links
 * are found anew. */
THINWIRE_API thinwireResult_t thinwireCommGrow(thinwireComm_t comm, int nranks,
                                               const thinwireUniqueId* id, thinwireComm_t* child,
                                               const thinwireConfig_t* config);

/* Ends what is in flight, on every rank, with an error; from any thread. What is called on `comm`
 * afterwards is refused (thinwireInvalidUsage), but for the functions above, and
 * thinwireCommDestroy. Once. */
THINWIRE_API thinwireResult_t thinwireCommRevoke(thinwireComm_t comm);

/* Waits for what is in flight and leaves; thinwireCommDestroy then takes no time. */
THINWIRE_API thinwireResult_t thinwireCommFinalize(thinwireComm_t comm);

/* Leaves in good order: waits for what is in flight, tells the peers, frees. NULL is fine. */
THINWIRE_API thinwireResult_t thinwireCommDestroy(thinwireComm_t comm);

/* Gives up: operations in flight fail on every rank, then frees. From any thread. NULL is fine.
 * No other thread may be inside a call on `comm` when this returns; those that are return first. */
THINWIRE_API thinwireResult_t thinwireCommAbort(thinwireComm_t comm);

THINWIRE_API thinwireResult_t thinwireCommCount(thinwireComm_t comm, int* nranks);
THINWIRE_API thinwireResult_t thinwireCommUserRank(thinwireComm_t comm, int* rank);
/* *device = the number of the CUDA device that `comm` is bound to; -1: it has none. */
THINWIRE_API thinwireResult_t thinwireCommDevice(thinwireComm_t comm, int* device);

/* *error = the failure that stopped the communicator, or thinwireSuccess. From any thread. */
THINWIRE_API thinwireResult_t thinwireCommGetAsyncError(thinwireComm_t comm,
                                                        thinwireResult_t* error);

/* Writes what the last calls on `comm` were, and how far they came, to a file: JSON in the layout
 * of PyTorch's flight recorder. From any thread. THINWIRE_FLIGHT_FILE does it on every failure. */
THINWIRE_API thinwireResult_t thinwireCommWriteFlight(thinwireComm_t comm, const char* path);

/* Writes, as text for people, whether compression is on and what it saved; and, where
 * THINWIRE_REPORT_FILE, THINWIRE_METRICS_FILE or THINWIRE_TRACE_FILE was set when `comm` was made,
 * how long calls took against what was predicted, and what bounds them (docs/observability.md).
 * From any thread. */
THINWIRE_API thinwireResult_t thinwireCommWriteReport(thinwireComm_t comm, const char* path);

/* Never NULL. */
THINWIRE_API const char* thinwireGetErrorString(thinwireResult_t result);
/* Text of the last failure: of `comm` where it has failed, else of the calling thread; "" if none.
 * Valid until this thread's next call. `comm` may be NULL. */
THINWIRE_API const char* thinwireGetLastError(thinwireComm_t comm);

/* What is known of the link from one rank to another. */
typedef enum {
  thinwireLinkUnknown = 0,
  thinwireLinkGiven = 1,    /* THINWIRE_LINK or THINWIRE_SHAPE says so */
  thinwireLinkMeasured = 2, /* probed when the communicator was made */
  thinwireLinkInferred = 3, /* from probes of other pairs */
  thinwireLinkLearned = 4,  /* from traffic since */
  thinwireLinkAtLeast = 5,  /* a lower bound: its probe lost packets, or had too little time */
  thinwireLinkOriginForceInt = 0x7fffffff
} thinwireLinkOrigin_t;

typedef struct {
  size_t size;          /* set to sizeof(thinwireLink_t) before the call */
  double bitsPerSecond; /* on the wire, headers included; 0: not known */
  double delaySeconds;  /* one way */
  double loss;          /* probability of a packet; 0 where the transport can't tell */
  double ageSeconds;    /* since it was found */
  thinwireLinkOrigin_t origin;
} thinwireLink_t;

/* What operations on `comm` are planned by: the same on all ranks between two collectives. */
THINWIRE_API thinwireResult_t thinwireCommGetLink(thinwireComm_t comm, int from, int to,
                                                  thinwireLink_t* link);

/* ---- Memory ---------------------------------------------------------------------------------- */

/* `bytes` of the current CUDA device; of the host where there is none. Any memory will do for
 * operations: this is for programs that would else need CUDA for nothing else. */
THINWIRE_API thinwireResult_t thinwireMemAlloc(void** memory, size_t bytes);
/* Frees what thinwireMemAlloc gave. NULL is fine. */
THINWIRE_API thinwireResult_t thinwireMemFree(void* memory);

/* ---- Operations -----------------------------------------------------------------------------
 * Memory and streams. A communicator is bound to the CUDA device that is current when it is made,
 * if there is one. Calls on buffers in its memory return at once and take place in the order of
 * `options->stream` (NULL: the legacy default stream): they start when the stream comes to them,
 * and what the stream does next finds them done. They may be captured in a CUDA graph, on all ranks
 * alike; the graph must be destroyed before the communicator. Host memory from cudaHostAlloc or
 * cudaHostRegister is treated so where a stream is given. Calls on other host memory return when
 * their result is there. Ranks of both kinds may meet in one call, and get the same bits.
 * A call on a stream that fails lets the stream go on, with buffers in no defined state;
 * thinwireCommGetAsyncError tells.
 */

/* Options of one call. NULL stands for the defaults. */
typedef struct {
  size_t size;
  unsigned magic;
  unsigned version;
  const char* policy;         /* for this call instead of the communicator's; NULL: that one */
  thinwireRequest_t* request; /* set: return at once, *request completes later */
  void* stream;               /* a cudaStream_t; see Memory and streams below */
  const char* tensor;         /* name that policies select by, such as "layers.3.bias"; or NULL */
  uint64_t key;               /* whose state this call advances; see State below */
} thinwireCallOptions_t;

#define THINWIRE_NO_KEY UINT64_MAX
#define THINWIRE_CALL_MAGIC 0x74776f70u
#define THINWIRE_CALL_OPTIONS_INITIALIZER                                                        \
  {                                                                                              \
    sizeof(thinwireCallOptions_t), THINWIRE_CALL_MAGIC, THINWIRE_VERSION_CODE, NULL, NULL, NULL, \
        NULL, THINWIRE_NO_KEY                                                                    \
  }

/* Makes a reduction for `comm` and `dtype`: the sum of what each rank multiplies first by a scalar
 * of its own, in the arithmetic of sums; for half, bfloat16 and 8-bit floats in binary32, rounded
 * once. On the host the scalar is read at once; in memory of the device, while an operation runs.
 * It may be destroyed as soon as the calls that use it have returned. */
typedef enum {
  thinwireScalarDevice = 0,
  thinwireScalarHost = 1,
  thinwireMaxScalarPlace = 0x7fffffff
} thinwireScalarPlace_t;
THINWIRE_API thinwireResult_t thinwireRedOpCreateScaledSum(thinwireRedOp_t* op, const void* scalar,
                                                           thinwireDataType_t dtype,
                                                           thinwireScalarPlace_t place,
                                                           thinwireComm_t comm);
THINWIRE_API thinwireResult_t thinwireRedOpDestroy(thinwireRedOp_t op, thinwireComm_t comm);

/* recv[i] = op over r of send_r[i], i < count, on every rank. */
THINWIRE_API thinwireResult_t thinwireAllReduce(const void* send, void* recv, size_t count,
                                                thinwireDataType_t dtype, thinwireRedOp_t op,
                                                thinwireComm_t comm,
                                                const thinwireCallOptions_t* options);

/* recv[i] = op over r of send_r[rank * recvCount + i], i < recvCount. send holds
 * nranks * recvCount elements. */
THINWIRE_API thinwireResult_t thinwireReduceScatter(const void* send, void* recv, size_t recvCount,
                                                    thinwireDataType_t dtype, thinwireRedOp_t op,
                                                    thinwireComm_t comm,
                                                    const thinwireCallOptions_t* options);

/* recv[r * sendCount + i] = send_r[i], i < sendCount. recv holds nranks * sendCount elements. */
THINWIRE_API thinwireResult_t thinwireAllGather(const void* send, void* recv, size_t sendCount,
                                                thinwireDataType_t dtype, thinwireComm_t comm,
                                                const thinwireCallOptions_t* options);

/* recv[r * count + i] = send_r[rank * count + i], i < count: part `rank` of every rank's input.
 * Both buffers hold nranks * count elements, and must not overlap. */
THINWIRE_API thinwireResult_t thinwireAllToAll(const void* send, void* recv, size_t count,
                                               thinwireDataType_t dtype, thinwireComm_t comm,
                                               const thinwireCallOptions_t* options);

/* recv[i] = send_root[i] on every rank; `send` is read on the root only. */
THINWIRE_API thinwireResult_t thinwireBroadcast(const void* send, void* recv, size_t count,
                                                thinwireDataType_t dtype, int root,
                                                thinwireComm_t comm,
                                                const thinwireCallOptions_t* options);

/* recv[i] = op over r of send_r[i] on the root; `recv` is not touched elsewhere. */
THINWIRE_API thinwireResult_t thinwireReduce(const void* send, void* recv, size_t count,
                                             thinwireDataType_t dtype, thinwireRedOp_t op, int root,
                                             thinwireComm_t comm,
                                             const thinwireCallOptions_t* options);

/* The k-th send to a peer meets that peer's k-th receive from this rank; counts and types must be
 * equal. To oneself only within a group. */
THINWIRE_API thinwireResult_t thinwireSend(const void* send, size_t count, thinwireDataType_t dtype,
                                           int peer, thinwireComm_t comm,
                                           const thinwireCallOptions_t* options);
THINWIRE_API thinwireResult_t thinwireRecv(void* recv, size_t count, thinwireDataType_t dtype,
                                           int peer, thinwireComm_t comm,
                                           const thinwireCallOptions_t* options);

/* recv[r * count + i] = send_r[i], i < count, on the root; `recv` is not touched elsewhere. In
 * place with send == recv + root * count on the root. */
THINWIRE_API thinwireResult_t thinwireGather(const void* send, void* recv, size_t count,
                                             thinwireDataType_t dtype, int root,
                                             thinwireComm_t comm,
                                             const thinwireCallOptions_t* options);

/* recv[i] = send_root[rank * count + i], i < count; `send` is read on the root only. In place with
 * recv == send + root * count on the root. */
THINWIRE_API thinwireResult_t thinwireScatter(const void* send, void* recv, size_t count,
                                              thinwireDataType_t dtype, int root,
                                              thinwireComm_t comm,
                                              const thinwireCallOptions_t* options);

/* Returns when every rank has called it. */
THINWIRE_API thinwireResult_t thinwireBarrier(thinwireComm_t comm,
                                              const thinwireCallOptions_t* options);

/* ---- Groups and requests -------------------------------------------------------------------- */

/* Calls of this thread between the outermost Start and End start together at End and make progress
 * together; End returns when all those without a request are done. May span communicators. A call
 * refused inside a group makes End fail with its error, and none of the group's calls run. */
THINWIRE_API thinwireResult_t thinwireGroupStart(void);
THINWIRE_API thinwireResult_t thinwireGroupEnd(void);
/* Ends the group, and instead of running it tells how long it would take, by the planner's model of
 * the links (docs/simulation.md); 0: nothing is known of them. On all ranks alike. */
THINWIRE_API thinwireResult_t thinwireGroupPredict(double* seconds);

/* *done = 1 when the operation has ended, well or not. */
THINWIRE_API thinwireResult_t thinwireRequestTest(thinwireRequest_t request, int* done);
/* Waits for the end, frees the request and returns how the operation ended. */
THINWIRE_API thinwireResult_t thinwireRequestWait(thinwireRequest_t request);

/* ---- Policy ---------------------------------------------------------------------------------
 * Text saying which codec and algorithm which operations use (docs/policy.md):
 *   ""                                  everything exact, algorithm by the planner
 *   "q8"                                sums and averages of floating types of at least 32 KiB
 *   "all_reduce float >=1M: q8 algo=sra; all_gather: bf16"
 * Rules are tried from left to right. An operation that moves data without reducing is compressed
 * only by a rule that names it. What a communicator's policy can't compress (integers, max ...)
 * stays exact and shows as `raw` in the statistics; a per-call policy that can't be honoured is
 * refused.
 */

/* Checks a policy; thinwireGetLastError explains what is wrong with it. */
THINWIRE_API thinwireResult_t thinwirePolicyCheck(const char* policy);

/* How far one encode by `codec`, such as "q8", may move an element x:
 *   relative * |x| + ofBlock * max |x_i| over its block + ofChunk * max |x_i| over its chunk
 *   + absolute
 * (docs/codecs.md has blocks and chunks). All 0 for an exact codec. Magnitudes that bf16 or fp16
 * round to Inf are not covered. */
THINWIRE_API thinwireResult_t thinwireCodecErrorBound(const char* codec, double* relative,
                                                      double* ofBlock, double* ofChunk,
                                                      double* absolute);

/* ---- State ----------------------------------------------------------------------------------
 * Codecs such as "rq4+ef" (error feedback) and "delta(rq2)" (differences against what both ends
 * hold) keep state from call to call, under thinwireCallOptions_t.key or, where that is
 * THINWIRE_NO_KEY, under the tensor's name; with neither, a communicator's policy stays exact and a
 * call's policy is refused. All ranks give the same key. One call of a key runs at a time. State
 * advances when a call ends well and stays as it was when it fails. docs/state.md has the rest.
 */

/* Take or give the next `bytes` bytes of a stream; anything but thinwireSuccess ends it. */
typedef thinwireResult_t (*thinwireWrite_t)(void* context, const void* data, size_t bytes);
typedef thinwireResult_t (*thinwireRead_t)(void* context, void* data, size_t bytes);

/* Writes all state of this rank; no call that keeps state may be in flight. */
THINWIRE_API thinwireResult_t thinwireStateSave(thinwireComm_t comm, thinwireWrite_t write,
                                                void* context);
/* Replaces all state of this rank by what thinwireStateSave wrote, in a communicator of as many
 * ranks. Checked to the last byte first: after an error the state is as it was. */
THINWIRE_API thinwireResult_t thinwireStateRestore(thinwireComm_t comm, thinwireRead_t read,
                                                   void* context);
/* Reads state that was spilled to stateFolder back into memory, in the background, before the calls
 * that need it. */
THINWIRE_API thinwireResult_t thinwireStatePrefetch(thinwireComm_t comm, const uint64_t* keys,
                                                    size_t nkeys);
/* Drops the state of a key on this rank. The other ranks must do the same, but for references:
 * there the next call sends all of the elements. */
THINWIRE_API thinwireResult_t thinwireStateForget(thinwireComm_t comm, uint64_t key);

/* ---- Statistics ----------------------------------------------------------------------------- */

/* Sums over the calls of one operation since the communicator began or was reset. Times are those
 * of this rank and overlap, so they don't add up to totalSeconds. */
typedef struct {
  size_t size; /* set to sizeof(thinwireStatistics_t) before the call */
  uint64_t calls;
  uint64_t rawBytes;  /* payload this rank sent, before encoding */
  uint64_t wireBytes; /* frames this rank sent for it, headers included */
  double ratio;       /* rawBytes / wireBytes; 1 where nothing was sent */
  double encodeSeconds;
  double decodeSeconds; /* decoding and reducing */
  double wireSeconds;   /* from the first frame sent to the last received */
  double waitSeconds;   /* with nothing to do but wait for peers */
  double totalSeconds;  /* from the call to its end */
  double relativeError; /* sqrt(sum (x - x')^2 / sum x^2) over what was encoded in host memory;
                           -1: unmeasured */
  char codec[64];       /* of the last call */
  char algorithm[32];   /* of the last call */
} thinwireStatistics_t;

THINWIRE_API thinwireResult_t thinwireCommGetStatistics(thinwireComm_t comm,
                                                        thinwireOperation_t operation,
                                                        thinwireStatistics_t* statistics);
THINWIRE_API thinwireResult_t thinwireCommResetStatistics(thinwireComm_t comm);

#ifdef __cplusplus
}
#endif

#endif /* THINWIRE_THINWIRE_H_ */
