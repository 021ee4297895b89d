// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped API: operations and groups.

#include <string>

#include "api/nccl_config.h"
#include "api/nccl_fallback.h"
#include "api/nccl_shim.h"

using namespace thinwire::nccl;  // NOLINT: the functions below are the API itself

namespace {

constexpr ncclSimInfo_t kSimInfo = NCCL_SIM_INFO_INITIALIZER;
constexpr unsigned kSimInfoMagic = kSimInfo.magic;

// The options of a call in the order of a stream. Refused configurations reach the native call as a
// communicator of NULL, so that a group is refused with them.
class CallOptions {
 public:
  CallOptions(ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config = nullptr)
      : comm_(comm), read_(ReadCallConfig(config, &options_)) {
    options_.stream = stream;
  }

  // native(comm, options), as NCCL's answer; or other(library, its communicator) where the
  // communicator was handed over.
  template <typename Native, typename OtherCall>
  ncclResult_t Call(Native native, OtherCall other) const {
    if (read_ == ncclSuccess) {
      return Forward(
          comm_,
          [&](const OtherNccl& library, ncclComm_t theirs) {
            if (options_.policy == nullptr) return other(library, theirs);
            return Refuse(ncclInvalidUsage,
                          "the call names a policy, but its communicator was handed over to the "
                          "library of THINWIRE_FALLBACK");
          },
          [&] { return ToNccl(native(comm_, &options_)); });
    }
    const std::string refused = OwnError();
    (void)native(static_cast<ncclComm_t>(nullptr), &options_);
    return Refuse(read_, refused);
  }

 private:
  ncclComm_t comm_;
  thinwireCallOptions_t options_ = THINWIRE_CALL_OPTIONS_INITIALIZER;
  ncclResult_t read_;
};

ncclResult_t Lacks(const char* function) {
  return Refuse(ncclInvalidUsage,
                std::string("the library of THINWIRE_FALLBACK has no ") + function);
}

}  // namespace

NCCL_DEFINE(ncclResult_t, ncclAllReduceConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream,
             const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireAllReduce(sendbuff, recvbuff, count, Type(datatype), Op(op), on,
                                     options);
          },
          [&](auto& library, auto theirs) {
            return library.AllReduce(sendbuff, recvbuff, count, datatype, op, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclReduceConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream,
             const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireReduce(sendbuff, recvbuff, count, Type(datatype), Op(op), root, on,
                                  options);
          },
          [&](auto& library, auto theirs) {
            return library.Reduce(sendbuff, recvbuff, count, datatype, op, root, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclBroadcastConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireBroadcast(sendbuff, recvbuff, count, Type(datatype), root, on, options);
          },
          [&](auto& library, auto theirs) {
            return library.Broadcast(sendbuff, recvbuff, count, datatype, root, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclAllGatherConfig,
            (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
             ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireAllGather(sendbuff, recvbuff, sendcount, Type(datatype), on, options);
          },
          [&](auto& library, auto theirs) {
            return library.AllGather(sendbuff, recvbuff, sendcount, datatype, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclReduceScatterConfig,
            (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream,
             const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireReduceScatter(sendbuff, recvbuff, recvcount, Type(datatype), Op(op), on,
                                         options);
          },
          [&](auto& library, auto theirs) {
            return library.ReduceScatter(sendbuff, recvbuff, recvcount, datatype, op, theirs,
                                         stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclAlltoAllConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireAllToAll(sendbuff, recvbuff, count, Type(datatype), on, options);
          },
          [&](auto& library, auto theirs) {
            return library.AlltoAll == nullptr
                       ? Lacks("ncclAlltoAll")
                       : library.AlltoAll(sendbuff, recvbuff, count, datatype, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclGatherConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireGather(sendbuff, recvbuff, count, Type(datatype), root, on, options);
          },
          [&](auto& library, auto theirs) {
            return library.Gather == nullptr
                       ? Lacks("ncclGather")
                       : library.Gather(sendbuff, recvbuff, count, datatype, root, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclScatterConfig,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream, const ncclCollConfig_t* config)) {
  return CallOptions(comm, stream, config)
      .Call(
          [&](auto on, auto* options) {
            return thinwireScatter(sendbuff, recvbuff, count, Type(datatype), root, on, options);
          },
          [&](auto& library, auto theirs) {
            return library.Scatter == nullptr
                       ? Lacks("ncclScatter")
                       : library.Scatter(sendbuff, recvbuff, count, datatype, root, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclAllReduce,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)) {
  return pncclAllReduceConfig(sendbuff, recvbuff, count, datatype, op, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclReduce,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream)) {
  return pncclReduceConfig(sendbuff, recvbuff, count, datatype, op, root, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclBroadcast,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream)) {
  return pncclBroadcastConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclBcast,
            (void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
             cudaStream_t stream)) {
  return pncclBroadcastConfig(buff, buff, count, datatype, root, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclAllGather,
            (const void* sendbuff, void* recvbuff, size_t sendcount, ncclDataType_t datatype,
             ncclComm_t comm, cudaStream_t stream)) {
  return pncclAllGatherConfig(sendbuff, recvbuff, sendcount, datatype, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclReduceScatter,
            (const void* sendbuff, void* recvbuff, size_t recvcount, ncclDataType_t datatype,
             ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)) {
  return pncclReduceScatterConfig(sendbuff, recvbuff, recvcount, datatype, op, comm, stream,
                                  nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclAlltoAll,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
             ncclComm_t comm, cudaStream_t stream)) {
  return pncclAlltoAllConfig(sendbuff, recvbuff, count, datatype, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclGather,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream)) {
  return pncclGatherConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclScatter,
            (const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype, int root,
             ncclComm_t comm, cudaStream_t stream)) {
  return pncclScatterConfig(sendbuff, recvbuff, count, datatype, root, comm, stream, nullptr);
}

NCCL_DEFINE(ncclResult_t, ncclSend,
            (const void* sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
             cudaStream_t stream)) {
  return CallOptions(comm, stream)
      .Call(
          [&](auto on, auto* options) {
            return thinwireSend(sendbuff, count, Type(datatype), peer, on, options);
          },
          [&](auto& library, auto theirs) {
            return library.Send(sendbuff, count, datatype, peer, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclRecv,
            (void* recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm,
             cudaStream_t stream)) {
  return CallOptions(comm, stream)
      .Call(
          [&](auto on, auto* options) {
            return thinwireRecv(recvbuff, count, Type(datatype), peer, on, options);
          },
          [&](auto& library, auto theirs) {
            return library.Recv(recvbuff, count, datatype, peer, theirs, stream);
          });
}

NCCL_DEFINE(ncclResult_t, ncclRedOpCreatePreMulSum,
            (ncclRedOp_t * op, void* scalar, ncclDataType_t datatype,
             ncclScalarResidence_t residence, ncclComm_t comm)) {
  return Forward(
      comm,
      [&](auto& library, auto theirs) {
        return library.RedOpCreatePreMulSum(op, scalar, datatype, residence, theirs);
      },
      [&] {
        return ToNccl(thinwireRedOpCreateScaledSum(
            reinterpret_cast<thinwireRedOp_t*>(op), scalar, Type(datatype),
            static_cast<thinwireScalarPlace_t>(residence), comm));
      });
}
NCCL_DEFINE(ncclResult_t, ncclRedOpDestroy, (ncclRedOp_t op, ncclComm_t comm)) {
  return Forward(
      comm, [&](auto& library, auto theirs) { return library.RedOpDestroy(op, theirs); },
      [&] { return ToNccl(thinwireRedOpDestroy(Op(op), comm)); });
}

NCCL_DEFINE(ncclResult_t, ncclGroupStart, (void)) {
  StartOtherGroup();
  return ToNccl(thinwireGroupStart());
}
NCCL_DEFINE(ncclResult_t, ncclGroupEnd, (void)) {
  const ncclResult_t theirs = EndOtherGroup();
  const ncclResult_t own = ToNccl(thinwireGroupEnd());
  return own == ncclSuccess ? theirs : own;
}

NCCL_DEFINE(ncclResult_t, ncclGroupSimulateEnd, (ncclSimInfo_t * simInfo)) {
  if (simInfo != nullptr && simInfo->magic != kSimInfoMagic) {
    return Refuse(ncclInvalidArgument,
                  "simInfo was not initialised with NCCL_SIM_INFO_INITIALIZER");
  }
  double seconds = 0;
  const ncclResult_t predicted = ToNccl(thinwireGroupPredict(&seconds));
  if (predicted == ncclSuccess && simInfo != nullptr) {
    simInfo->estimatedTime = static_cast<float>(seconds * 1e6);
  }
  return predicted;
}
