// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped API: communicators, errors, versions.

#include <cstring>
#include <vector>

#include "api/nccl_config.h"
#include "api/nccl_fallback.h"
#include "api/nccl_shim.h"

using namespace thinwire::nccl;  // NOLINT: the functions below are the API itself

namespace {

thinwireUniqueId FromNccl(const ncclUniqueId& id) {
  static_assert(sizeof(ncclUniqueId) == sizeof(thinwireUniqueId));
  thinwireUniqueId copy;
  std::memcpy(copy.internal, id.internal, sizeof(copy.internal));
  return copy;
}

// make(native) with the native configuration; *comm is then handed over if it may be.
template <typename MakeNative>
ncclResult_t Make(const ncclConfig_t* config, ncclComm_t* comm, MakeNative make) {
  thinwireConfig_t native;
  if (const ncclResult_t read = ToNative(config, &native); read != ncclSuccess) return read;
  native.handOver = Other() == nullptr ? 0 : 1;
  const ncclResult_t made = ToNccl(make(&native));
  if (made == ncclSuccess && native.handOver == 1) HandOver(*comm);
  return made;
}

}  // namespace

NCCL_DEFINE(ncclResult_t, ncclGetVersion, (int* version)) {
  if (version == nullptr) return ToNccl(thinwireGetVersion(nullptr));
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

NCCL_DEFINE(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * uniqueId)) {
  return ToNccl(thinwireGetUniqueId(reinterpret_cast<thinwireUniqueId*>(uniqueId)));
}

NCCL_DEFINE(ncclResult_t, ncclCommInitRankConfig,
            (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank, ncclConfig_t* config)) {
  return Make(config, comm, [&](const thinwireConfig_t* native) {
    return thinwireCommInitRank(comm, nranks, FromNccl(commId), rank, native);
  });
}

NCCL_DEFINE(ncclResult_t, ncclCommInitRank,
            (ncclComm_t * comm, int nranks, ncclUniqueId commId, int rank)) {
  return pncclCommInitRankConfig(comm, nranks, commId, rank, nullptr);
}

// One root gathers all ranks: the first. Further ones would make it quicker for many thousands.
NCCL_DEFINE(ncclResult_t, ncclCommInitRankScalable,
            (ncclComm_t * newcomm, int nranks, int myrank, int nId, ncclUniqueId* commIds,
             ncclConfig_t* config)) {
  if (commIds == nullptr || nId < 1 || nId > nranks) {
    return Refuse(ncclInvalidArgument, "InitRankScalable: there must be 1 to nranks ids");
  }
  return pncclCommInitRankConfig(newcomm, nranks, commIds[0], myrank, config);
}

NCCL_DEFINE(ncclResult_t, ncclCommInitAll, (ncclComm_t * comm, int ndev, const int* devlist)) {
  thinwireConfig_t native = THINWIRE_CONFIG_INITIALIZER;
  native.handOver = Other() == nullptr ? 0 : 1;
  const ncclResult_t made = ToNccl(thinwireCommInitDevices(comm, ndev, devlist, &native));
  if (made == ncclSuccess && native.handOver == 1) HandOverAll(comm, ndev, devlist);
  return made;
}

NCCL_DEFINE(ncclResult_t, ncclCommSplit,
            (ncclComm_t comm, int color, int key, ncclComm_t* newcomm, ncclConfig_t* config)) {
  return Make(config, newcomm, [&](const thinwireConfig_t* native) {
    return thinwireCommSplit(comm, color, key, newcomm, native);
  });
}

NCCL_DEFINE(ncclResult_t, ncclCommShrink,
            (ncclComm_t comm, int* excludeRanksList, int excludeRanksCount, ncclComm_t* newcomm,
             ncclConfig_t* config, int shrinkFlags)) {
  if ((shrinkFlags & ~NCCL_SHRINK_ABORT) != 0) {
    return Refuse(ncclInvalidArgument, "Shrink: unknown flags");
  }
  return Make(config, newcomm, [&](const thinwireConfig_t* native) {
    // One that was revoked before, or has failed, has nothing more in flight.
    if ((shrinkFlags & NCCL_SHRINK_ABORT) != 0) (void)thinwireCommRevoke(comm);
    return thinwireCommShrink(comm, excludeRanksList, excludeRanksCount, newcomm, native);
  });
}

NCCL_DEFINE(ncclResult_t, ncclCommGetUniqueId, (ncclComm_t comm, ncclUniqueId* uniqueId)) {
  int rank = 0;
  if (const thinwireResult_t asked = thinwireCommUserRank(comm, &rank); asked != thinwireSuccess) {
    return ToNccl(asked);
  }
  return pncclGetUniqueId(uniqueId);
}

NCCL_DEFINE(ncclResult_t, ncclCommGrow,
            (ncclComm_t comm, int nRanks, const ncclUniqueId* uniqueId, int rank,
             ncclComm_t* newcomm, ncclConfig_t* config)) {
  if (comm == nullptr) {
    if (uniqueId == nullptr) {
      return Refuse(ncclInvalidArgument, "Grow: a new rank must bring the id to join by");
    }
    return pncclCommInitRankConfig(newcomm, nRanks, *uniqueId, rank, config);
  }
  if (rank != -1) {
    return Refuse(ncclInvalidArgument, "Grow: ranks of the communicator keep theirs; pass -1");
  }
  return Make(config, newcomm, [&](const thinwireConfig_t* native) {
    const auto* id = reinterpret_cast<const thinwireUniqueId*>(uniqueId);
    return thinwireCommGrow(comm, nRanks, id, newcomm, native);
  });
}

NCCL_DEFINE(ncclResult_t, ncclCommRevoke, (ncclComm_t comm, int revokeFlags)) {
  if (comm == nullptr) return ncclSuccess;
  if (revokeFlags != NCCL_REVOKE_DEFAULT) {
    return Refuse(ncclInvalidArgument, "Revoke: unknown flags");
  }
  if (const ncclComm_t theirs = TakeBack(comm); theirs != nullptr) (void)Other()->CommAbort(theirs);
  return ToNccl(thinwireCommRevoke(comm));
}

NCCL_DEFINE(ncclResult_t, ncclCommFinalize, (ncclComm_t comm)) {
  if (comm == nullptr) return ncclSuccess;
  return Forward(
      comm, [](auto& other, auto theirs) { return other.CommFinalize(theirs); },
      [&] { return ToNccl(thinwireCommFinalize(comm)); });
}

NCCL_DEFINE(ncclResult_t, ncclCommDestroy, (ncclComm_t comm)) {
  const ncclComm_t theirs = TakeBack(comm);
  const ncclResult_t result = theirs == nullptr ? ncclSuccess : Other()->CommDestroy(theirs);
  const ncclResult_t own = ToNccl(thinwireCommDestroy(comm));
  return own == ncclSuccess ? result : own;
}

NCCL_DEFINE(ncclResult_t, ncclCommAbort, (ncclComm_t comm)) {
  if (const ncclComm_t theirs = TakeBack(comm); theirs != nullptr) (void)Other()->CommAbort(theirs);
  return ToNccl(thinwireCommAbort(comm));
}

NCCL_DEFINE(ncclResult_t, ncclCommGetAsyncError, (ncclComm_t comm, ncclResult_t* asyncError)) {
  thinwireResult_t error = thinwireSuccess;
  const thinwireResult_t result =
      thinwireCommGetAsyncError(comm, asyncError == nullptr ? nullptr : &error);
  if (result == thinwireSuccess) *asyncError = ToNccl(error);
  if (result != thinwireSuccess || error != thinwireSuccess) return ToNccl(result);
  return Forward(
      comm, [&](auto& other, auto theirs) { return other.CommGetAsyncError(theirs, asyncError); },
      [] { return ncclSuccess; });
}

NCCL_DEFINE(ncclResult_t, ncclCommCount, (const ncclComm_t comm, int* count)) {
  return ToNccl(thinwireCommCount(comm, count));
}

NCCL_DEFINE(ncclResult_t, ncclCommUserRank, (const ncclComm_t comm, int* rank)) {
  return ToNccl(thinwireCommUserRank(comm, rank));
}

// NCCL has no communicators without a device; their users take 0.
NCCL_DEFINE(ncclResult_t, ncclCommCuDevice, (const ncclComm_t comm, int* device)) {
  const ncclResult_t asked = ToNccl(thinwireCommDevice(comm, device));
  if (asked == ncclSuccess && *device < 0) *device = 0;
  return asked;
}

// Programs match on these texts.
NCCL_DEFINE(const char*, ncclGetErrorString, (ncclResult_t result)) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the Thinwire developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    case ncclTimeout:
      return "NCCL operation timed out";
    case ncclNumResults:
      break;
  }
  return "unknown result code";
}

NCCL_DEFINE(const char*, ncclGetLastError, (ncclComm_t comm)) {
  return OwnError().empty() ? thinwireGetLastError(comm) : OwnError().c_str();
}

// Logging is set up once, when a process first logs.
NCCL_DEFINE(void, ncclResetDebugInit, (void)) {}
