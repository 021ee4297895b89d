// SPDX-License-Identifier: Apache-2.0
//
// The native C API's operations: checks arguments and fills a Call; everything else happens below.

#include "thinwire/thinwire.h"

#include <cstring>
#include <memory>
#include <string>

#include "api/guard.h"
#include "api/handle.h"
#include "comm/communicator.h"
#include "base/env.h"
#include "comm/group.h"
#include "device/tensor_memory.h"

struct thinwireRequest {
  std::unique_ptr<thinwire::Pending> pending;  // set when the operation has been handed in
};

namespace thinwire {
namespace {

// Checks what a Call can't hold: values outside their enums, unknown options.
Result<Call> MakeCall(const Communicator& communicator, Operation operation, const void* send,
                      void* recv, size_t count, thinwireDataType_t dtype, thinwireRedOp_t op,
                      int root, const thinwireCallOptions_t* options) {
  if (static_cast<unsigned>(dtype) >= kDataTypes) {
    return InvalidArgument("{}: {} is no data type", NameOf(operation), static_cast<int>(dtype));
  }
  Call call;
  call.operation = operation;
  call.send = send;
  call.recv = recv;
  call.count = count;
  call.dtype = static_cast<DataType>(dtype);
  if (static_cast<unsigned>(op) < kReductions) {
    call.reduction = static_cast<Reduction>(op);
  } else {
    Result<Factor> factor = communicator.FindReduction(static_cast<int>(op), call.dtype);
    if (!factor.ok()) return factor.status().WithContext(std::string(NameOf(operation)));
    call.factor = std::move(factor).value();
  }
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
    const auto communicator = Ready(comm);
    if (!communicator.ok()) return group.Refuse(communicator.status());
    Result<Call> call =
        MakeCall(*communicator.value(), operation, send, recv, count, dtype, op, root, options);
    if (!call.ok()) return group.Refuse(call.status());
    if (options == nullptr || options->request == nullptr) {
      return group.Issue(communicator.value(), call.value(), nullptr);
    }
    auto request = std::make_unique<thinwireRequest>();
    TW_TRY(group.Issue(communicator.value(), call.value(), &request->pending));
    *options->request = request.release();
    return {};
  });
}

// Rank r's part of a buffer of the root of a gather or scatter.
std::byte* PartOf(const void* buffer, size_t count, thinwireDataType_t dtype, int rank) {
  const size_t bytes = count * SizeOf(static_cast<DataType>(dtype));
  return static_cast<std::byte*>(const_cast<void*>(buffer)) + static_cast<size_t>(rank) * bytes;
}

// Gather and scatter are sends and receives that start together: `fan` makes the root's, one for
// each rank, `own` everybody's.
template <typename Fan, typename Own>
thinwireResult_t FanOut(const char* name, const void* whole, size_t count, thinwireDataType_t dtype,
                        int root, thinwireComm_t comm, const thinwireCallOptions_t* options,
                        Fan fan, Own own) {
  return Guard([&]() -> Status {
    Group& group = Group::Current();
    const auto communicator = Ready(comm);
    if (!communicator.ok()) return group.Refuse(communicator.status());
    const int ranks = communicator.value()->ranks();
    const int rank = communicator.value()->rank();
    if (root < 0 || root >= ranks) {
      return group.Refuse(
          InvalidArgument("{}: root is {}; it must be from 0 to {}", name, root, ranks - 1));
    }
    if (static_cast<unsigned>(dtype) >= kDataTypes) {
      return group.Refuse(InvalidArgument("{}: {} is no data type", name, static_cast<int>(dtype)));
    }
    if (options != nullptr && options->request != nullptr) {
      return group.Refuse(InvalidUsage("{}: it is many operations and gives no request", name));
    }
    if (rank == root && whole == nullptr && count > 0) {
      return group.Refuse(InvalidArgument("{}: the root's buffer of all parts is NULL", name));
    }
    group.Start();
    // What is refused is told by the group's end.
    for (int peer = 0; rank == root && peer < ranks; ++peer) {
      (void)fan(PartOf(whole, count, dtype, peer), peer);
    }
    (void)own();
    return group.End();
  });
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are the API itself

extern "C" {

thinwireResult_t thinwireAllReduce(const void* send, void* recv, size_t count,
                                   thinwireDataType_t dtype, thinwireRedOp_t op,
                                   thinwireComm_t comm, const thinwireCallOptions_t* options) {
  return Issue(comm, Operation::kAllReduce, send, recv, count, dtype, op, 0, options);
}

thinwireResult_t thinwireRedOpCreateScaledSum(thinwireRedOp_t* op, const void* scalar,
                                              thinwireDataType_t dtype, thinwireScalarPlace_t place,
                                              thinwireComm_t comm) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    TW_TRY(CheckPointer(op, "op"));
    TW_TRY(CheckPointer(scalar, "scalar"));
    if (static_cast<unsigned>(dtype) >= kDataTypes) {
      return InvalidArgument("{} is no data type", static_cast<int>(dtype));
    }
    const auto type = static_cast<DataType>(dtype);
    Factor factor;
    switch (place) {
      case thinwireScalarDevice:
        factor.at = scalar;
        break;
      case thinwireScalarHost:
        std::memcpy(factor.value.data(), scalar, SizeOf(type));
        break;
      default:
        return InvalidArgument("{} is no place of a scalar", static_cast<int>(place));
    }
    *op = static_cast<thinwireRedOp_t>(communicator->AddReduction(type, factor));
    return {};
  });
}

thinwireResult_t thinwireRedOpDestroy(thinwireRedOp_t op, thinwireComm_t comm) {
  return Guard([&]() -> Status {
    if (static_cast<unsigned>(op) < kReductions) {
      return InvalidArgument("reduction {} is built in", static_cast<int>(op));
    }
    TW_ASSIGN(const auto communicator, Ready(comm));
    return communicator->RemoveReduction(static_cast<int>(op));
  });
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

thinwireResult_t thinwireGather(const void* send, void* recv, size_t count,
                                thinwireDataType_t dtype, int root, thinwireComm_t comm,
                                const thinwireCallOptions_t* options) {
  return FanOut(
      "gather", recv, count, dtype, root, comm, options,
      [&](std::byte* part, int peer) {
        return thinwireRecv(part, count, dtype, peer, comm, options);
      },
      [&] { return thinwireSend(send, count, dtype, root, comm, options); });
}

thinwireResult_t thinwireScatter(const void* send, void* recv, size_t count,
                                 thinwireDataType_t dtype, int root, thinwireComm_t comm,
                                 const thinwireCallOptions_t* options) {
  return FanOut(
      "scatter", send, count, dtype, root, comm, options,
      [&](std::byte* part, int peer) {
        return thinwireSend(part, count, dtype, peer, comm, options);
      },
      [&] { return thinwireRecv(recv, count, dtype, root, comm, options); });
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

thinwireResult_t thinwireGroupPredict(double* seconds) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(seconds, "seconds"));
    TW_ASSIGN(*seconds, Group::Current().EndByPredicting());
    return {};
  });
}

thinwireResult_t thinwireMemAlloc(void** memory, size_t bytes) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(memory, "memory"));
    *memory = nullptr;
    TW_ASSIGN(const Env env, Env::Read());
    TW_ASSIGN(*memory, TensorMemory::Allocate(bytes, env.device, env.modules));
    return {};
  });
}

thinwireResult_t thinwireMemFree(void* memory) {
  return Guard([&] { return TensorMemory::Free(memory); });
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

}  // extern "C"
