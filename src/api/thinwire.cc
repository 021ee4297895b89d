// SPDX-License-Identifier: Apache-2.0
//
// The native C API: checks arguments and fills a Call; everything else happens below.

#include "thinwire/thinwire.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "api/guard.h"
#include "base/env.h"
#include "bootstrap/launch.h"
#include "comm/communicator.h"
#include "comm/group.h"

struct thinwireComm {
  std::shared_ptr<thinwire::Communicator> communicator;
};

struct thinwireRequest {
  std::unique_ptr<thinwire::Pending> pending;  // set when the operation has been handed in
};

namespace thinwire {
namespace {

static_assert(sizeof(thinwireUniqueId) == sizeof(UniqueId));

UniqueId FromC(const thinwireUniqueId& id) {
  UniqueId copy;
  std::memcpy(copy.bytes.data(), id.internal, sizeof(id.internal));
  return copy;
}

void Override(const char* value, std::string* target) {
  if (value != nullptr) *target = value;
}
void Override(double value, double* target) {
  if (value > 0) *target = value;
}

// The environment, overridden by what `config` sets.
Result<Env> EnvFor(const thinwireConfig_t* config) {
  TW_ASSIGN(Env env, Env::Read());
  if (config == nullptr) return env;
  if (config->magic != THINWIRE_CONFIG_MAGIC || config->size != sizeof(thinwireConfig_t)) {
    return InvalidArgument("config was not initialised with THINWIRE_CONFIG_INITIALIZER");
  }
  Override(config->transport, &env.transport);
  Override(config->policy, &env.policy);
  Override(config->link, &env.link);
  Override(config->shape, &env.shape);
  Override(config->netInterface, &env.interface);
  Override(config->timeoutSeconds, &env.timeout_seconds);
  Override(config->connectTimeoutSeconds, &env.connect_timeout_seconds);
  Override(config->silenceSeconds, &env.silence_seconds);
  if (config->segmentBytes > 0) env.segment_bytes = config->segmentBytes;
  if (config->measureError >= 0) env.measure_error = config->measureError != 0;
  if (config->stateBytes > 0) env.state_bytes = config->stateBytes;
  Override(config->stateFolder, &env.state_folder);
  if (config->threads > 0) env.threads = config->threads;
  Override(config->device, &env.device);
  Override(config->sites, &env.sites);
  return env;
}

Status CheckComm(thinwireComm_t comm) {
  if (comm == nullptr) return InvalidArgument("the communicator is NULL");
  return {};
}

// Checks what a Call can't hold: values outside their enums, unknown options.
Result<Call> MakeCall(Operation operation, const void* send, void* recv, size_t count,
                      thinwireDataType_t dtype, thinwireRedOp_t op, int root,
                      const thinwireCallOptions_t* options) {
  if (static_cast<unsigned>(dtype) >= kDataTypes) {
    return InvalidArgument("{}: {} is no data type", NameOf(operation), static_cast<int>(dtype));
  }
  if (static_cast<unsigned>(op) >= kReductions) {
    return InvalidArgument("{}: {} is no reduction", NameOf(operation), static_cast<int>(op));
  }
  Call call;
  call.operation = operation;
  call.send = send;
  call.recv = recv;
  call.count = count;
  call.dtype = static_cast<DataType>(dtype);
  call.reduction = static_cast<Reduction>(op);
  call.root = root;
  if (options == nullptr) return call;
  if (options->magic != THINWIRE_CALL_MAGIC || options->size != sizeof(thinwireCallOptions_t)) {
    return InvalidArgument("options were not initialised with THINWIRE_CALL_OPTIONS_INITIALIZER");
  }
  call.stream = options->stream;
  call.policy = options->policy;
  if (options->tensor != nullptr) call.tensor = options->tensor;
  call.key = options->key;
  return call;
}

thinwireResult_t Issue(thinwireComm_t comm, Operation operation, const void* send, void* recv,
                       size_t count, thinwireDataType_t dtype, thinwireRedOp_t op, int root,
                       const thinwireCallOptions_t* options) {
  return Guard([&]() -> Status {
    Group& group = Group::Current();
    if (comm == nullptr) return group.Refuse(CheckComm(comm));
    Result<Call> call = MakeCall(operation, send, recv, count, dtype, op, root, options);
    if (!call.ok()) return group.Refuse(call.status());
    if (options == nullptr || options->request == nullptr) {
      return group.Issue(comm->communicator, call.value(), nullptr);
    }
    auto request = std::make_unique<thinwireRequest>();
    TW_TRY(group.Issue(comm->communicator, call.value(), &request->pending));
    *options->request = request.release();
    return {};
  });
}

Status InitRank(thinwireComm_t* comm, int nranks, const UniqueId& id, int rank, const Env& env) {
  TW_ASSIGN(auto communicator, Communicator::Create(id, rank, nranks, env));
  *comm = new thinwireComm{std::move(communicator)};
  return {};
}

Status StreamStatus(thinwireResult_t result, const char* what, size_t bytes) {
  if (result == thinwireSuccess) return {};
  return SystemError("the caller could not {} {} bytes of state: {}", what, bytes,
                     thinwireGetErrorString(result));
}

template <size_t kSize>
void CopyText(const std::string& text, char (&target)[kSize]) {
  const size_t length = std::min(text.size(), kSize - 1);
  std::memcpy(target, text.data(), length);
  target[length] = '\0';
}

void Fill(const Statistics& from, thinwireStatistics_t* to) {
  const RunFigures& figures = from.figures;
  to->calls = from.calls;
  to->rawBytes = figures.raw_bytes;
  to->wireBytes = figures.wire_bytes;
  to->ratio = figures.wire_bytes == 0 ? 1
                                      : static_cast<double>(figures.raw_bytes) /
                                            static_cast<double>(figures.wire_bytes);
  to->encodeSeconds = figures.encode_seconds;
  to->decodeSeconds = figures.decode_seconds;
  to->wireSeconds = figures.wire_seconds;
  to->waitSeconds = figures.wait_seconds;
  to->totalSeconds = figures.total_seconds;
  const SquaredError& error = figures.error;
  to->relativeError = -1;
  if (figures.error_measured) {
    to->relativeError = error.energy > 0 ? std::sqrt(error.error / error.energy) : 0;
  }
  CopyText(from.codec, to->codec);
  CopyText(from.algorithm, to->algorithm);
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are the API itself

extern "C" {

thinwireResult_t thinwireGetVersion(int* version) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(version, "version"));
    *version = THINWIRE_VERSION_CODE;
    return {};
  });
}

thinwireResult_t thinwireGetUniqueId(thinwireUniqueId* id) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(id, "id"));
    TW_ASSIGN(const Env env, Env::Read());
    TW_ASSIGN(const UniqueId created, Communicator::NewId(env));
    std::memcpy(id->internal, created.bytes.data(), sizeof(id->internal));
    return {};
  });
}

thinwireResult_t thinwireCommInitRank(thinwireComm_t* comm, int nranks, thinwireUniqueId id,
                                      int rank, const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comm, "comm"));
    *comm = nullptr;
    TW_ASSIGN(const Env env, EnvFor(config));
    return InitRank(comm, nranks, FromC(id), rank, env);
  });
}

thinwireResult_t thinwireCommInitAll(thinwireComm_t* comms, int nranks,
                                     const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comms, "comms"));
    if (nranks < 1) return InvalidArgument("nranks is {}; it must be at least 1", nranks);
    std::fill(comms, comms + nranks, nullptr);
    TW_ASSIGN(const Env env, EnvFor(config));
    TW_ASSIGN(const UniqueId id, Communicator::NewId(env));
    std::vector<Status> statuses(static_cast<size_t>(nranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < nranks; ++rank) {
      threads.emplace_back([&, rank] {
        Env own = env;
        own.cuda_device = rank;
        statuses[static_cast<size_t>(rank)] = InitRank(&comms[rank], nranks, id, rank, own);
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto failed = std::find_if(statuses.begin(), statuses.end(),
                                     [](const Status& status) { return !status.ok(); });
    if (failed == statuses.end()) return {};
    for (int rank = 0; rank < nranks; ++rank) delete std::exchange(comms[rank], nullptr);
    return *failed;
  });
}

thinwireResult_t thinwireCommInitFromEnvironment(thinwireComm_t* comm,
                                                 const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comm, "comm"));
    *comm = nullptr;
    TW_ASSIGN(const Env env, EnvFor(config));
    TW_ASSIGN(const std::optional<Launch> launch, LaunchFromEnvironment(env));
    if (launch) return InitRank(comm, launch->nranks, launch->id, launch->rank, env);
    TW_ASSIGN(const UniqueId id, Communicator::NewId(env));
    return InitRank(comm, 1, id, 0, env);
  });
}

thinwireResult_t thinwireCommDestroy(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    if (comm == nullptr) return {};
    comm->communicator->Close();
    delete comm;
    return {};
  });
}

thinwireResult_t thinwireCommAbort(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    if (comm == nullptr) return {};
    comm->communicator->Abort("thinwireCommAbort was called");
    comm->communicator->Close();
    delete comm;
    return {};
  });
}

thinwireResult_t thinwireCommCount(thinwireComm_t comm, int* nranks) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(nranks, "nranks"));
    *nranks = comm->communicator->ranks();
    return {};
  });
}

thinwireResult_t thinwireCommUserRank(thinwireComm_t comm, int* rank) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(rank, "rank"));
    *rank = comm->communicator->rank();
    return {};
  });
}

thinwireResult_t thinwireCommGetAsyncError(thinwireComm_t comm, thinwireResult_t* error) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(error, "error"));
    *error = static_cast<thinwireResult_t>(comm->communicator->error().code());
    return {};
  });
}

thinwireResult_t thinwireCommGetLink(thinwireComm_t comm, int from, int to, thinwireLink_t* link) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(link, "link"));
    if (link->size != sizeof(thinwireLink_t)) {
      return InvalidArgument("link->size must be set to sizeof(thinwireLink_t)");
    }
    const Communicator& communicator = *comm->communicator;
    const int ranks = communicator.ranks();
    if (from < 0 || from >= ranks || to < 0 || to >= ranks || from == to) {
      return InvalidArgument("there is no link from rank {} to rank {} among {} ranks", from, to,
                             ranks);
    }
    const Link& known = communicator.links().at(from, to);
    link->bitsPerSecond = known.rate * 8;
    link->delaySeconds = known.delay;
    link->loss = known.loss;
    link->ageSeconds = ToSeconds(Now() - communicator.links_since());
    link->origin = static_cast<thinwireLinkOrigin_t>(known.origin);
    return {};
  });
}

const char* thinwireGetErrorString(thinwireResult_t result) {
  switch (result) {
    case thinwireSuccess:
      return "no error";
    case thinwireUnhandledCudaError:
      return "a CUDA call failed";
    case thinwireSystemError:
      return "the operating system refused something";
    case thinwireInternalError:
      return "internal error: please report it";
    case thinwireInvalidArgument:
      return "invalid argument";
    case thinwireInvalidUsage:
      return "invalid usage";
    case thinwireRemoteError:
      return "a peer or the way to it failed";
    case thinwireInProgress:
      return "operation in progress";
    case thinwireTimeout:
      return "peers did not come in time";
  }
  return "unknown result code";
}

const char* thinwireGetLastError(thinwireComm_t comm) {
  if (comm != nullptr) {
    const Status status = comm->communicator->error();
    if (!status.ok()) LastError() = status.message();
  }
  return LastError().c_str();
}

thinwireResult_t thinwireAllReduce(const void* send, void* recv, size_t count,
                                   thinwireDataType_t dtype, thinwireRedOp_t op,
                                   thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kAllReduce, send, recv, count, dtype, op, 0, options);
}

thinwireResult_t thinwireReduceScatter(const void* send, void* recv, size_t recvCount,
                                       thinwireDataType_t dtype, thinwireRedOp_t op,
                                       thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kReduceScatter, send, recv, recvCount, dtype, op, 0, options);
}

thinwireResult_t thinwireAllGather(const void* send, void* recv, size_t sendCount,
                                   thinwireDataType_t dtype, thinwireComm_t comm,
                                   const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kAllGather, send, recv, sendCount, dtype, thinwireSum, 0, options);
}

thinwireResult_t thinwireAllToAll(const void* send, void* recv, size_t count,
                                  thinwireDataType_t dtype, thinwireComm_t comm,
                                  const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kAllToAll, send, recv, count, dtype, thinwireSum, 0, options);
}

thinwireResult_t thinwireBroadcast(const void* send, void* recv, size_t count,
                                   thinwireDataType_t dtype, int root, thinwireComm_t comm,
                                   const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kBroadcast, send, recv, count, dtype, thinwireSum, root, options);
}

thinwireResult_t thinwireReduce(const void* send, void* recv, size_t count,
                                thinwireDataType_t dtype, thinwireRedOp_t op, int root,
                                thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kReduce, send, recv, count, dtype, op, root, options);
}

thinwireResult_t thinwireSend(const void* send, size_t count, thinwireDataType_t dtype, int peer,
                              thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kSend, send, nullptr, count, dtype, thinwireSum, peer, options);
}

thinwireResult_t thinwireRecv(void* recv, size_t count, thinwireDataType_t dtype, int peer,
                              thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kRecv, nullptr, recv, count, dtype, thinwireSum, peer, options);
}

thinwireResult_t thinwireBarrier(thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kBarrier, nullptr, nullptr, 0, thinwireUint8, thinwireSum, 0,
               options);
}

thinwireResult_t thinwireGroupStart(void) {
  return Guard([]() -> Status {
    Group::Current().Start();
    return {};
  });
}

thinwireResult_t thinwireGroupEnd(void) {
  return Guard([]() -> Status { return Group::Current().End(); });
}

thinwireResult_t thinwireRequestTest(thinwireRequest_t request, int* done) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(request, "request"));
    TW_TRY(CheckPointer(done, "done"));
    *done = request->pending != nullptr && request->pending->completion->done() ? 1 : 0;
    return {};
  });
}

thinwireResult_t thinwireRequestWait(thinwireRequest_t request) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(request, "request"));
    if (request->pending == nullptr) {
      return InvalidUsage("the request stands in a group that has not ended");
    }
    const std::unique_ptr<thinwireRequest> owned(request);
    return owned->pending->Wait();
  });
}

thinwireResult_t thinwirePolicyCheck(const char* policy) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(policy, "policy"));
    return Policy::Parse(policy).status();
  });
}

thinwireResult_t thinwireCodecErrorBound(const char* codec, double* relative, double* ofBlock,
                                         double* ofChunk, double* absolute) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(codec, "codec"));
    TW_TRY(CheckPointer(relative, "relative"));
    TW_TRY(CheckPointer(ofBlock, "ofBlock"));
    TW_TRY(CheckPointer(ofChunk, "ofChunk"));
    TW_TRY(CheckPointer(absolute, "absolute"));
    TW_ASSIGN(const Codec* found, FindCodec(codec));
    const Codec::ErrorBound bound = found->bound();
    *relative = bound.relative;
    *ofBlock = bound.of_block;
    *ofChunk = bound.of_chunk;
    *absolute = bound.absolute;
    return {};
  });
}

thinwireResult_t thinwireStateSave(thinwireComm_t comm, thinwireWrite_t write, void* context) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(reinterpret_cast<const void*>(write), "write"));
    return comm->communicator->store().Save([&](const void* data, size_t bytes) {
      return StreamStatus(write(context, data, bytes), "write", bytes);
    });
  });
}

thinwireResult_t thinwireStateRestore(thinwireComm_t comm, thinwireRead_t read, void* context) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(reinterpret_cast<const void*>(read), "read"));
    return comm->communicator->store().Restore([&](void* data, size_t bytes) {
      return StreamStatus(read(context, data, bytes), "read", bytes);
    });
  });
}

thinwireResult_t thinwireStatePrefetch(thinwireComm_t comm, const uint64_t* keys, size_t nkeys) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    if (nkeys > 0) TW_TRY(CheckPointer(keys, "keys"));
    comm->communicator->store().Prefetch({keys, nkeys});
    return {};
  });
}

thinwireResult_t thinwireStateForget(thinwireComm_t comm, uint64_t key) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    return comm->communicator->store().Forget(key);
  });
}

thinwireResult_t thinwireCommGetStatistics(thinwireComm_t comm, thinwireOperation_t operation,
                                           thinwireStatistics_t* statistics) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    TW_TRY(CheckPointer(statistics, "statistics"));
    if (statistics->size != sizeof(thinwireStatistics_t)) {
      return InvalidArgument("statistics->size must be set to sizeof(thinwireStatistics_t)");
    }
    if (static_cast<unsigned>(operation) >= kOperations) {
      return InvalidArgument("{} is no operation", static_cast<int>(operation));
    }
    Fill(comm->communicator->ledger().Of(static_cast<Operation>(operation)), statistics);
    return {};
  });
}

thinwireResult_t thinwireCommResetStatistics(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    TW_TRY(CheckComm(comm));
    comm->communicator->ledger().Reset();
    return {};
  });
}

}  // extern "C"
