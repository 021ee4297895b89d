// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-shaped API: memory, and what can't work over long links. Registered memory is no quicker
// here than other memory, so registrations are tokens; they are checked, and that is all.

#include <cstdlib>

#include "api/nccl_shim.h"

using namespace thinwire::nccl;  // NOLINT: the functions below are the API itself

namespace {

ncclResult_t Absent(const char* what) {
  return Refuse(ncclInvalidUsage,
                std::string(what) + " can't work over long links; Thinwire does not have it");
}

ncclResult_t CheckComm(ncclComm_t comm) {
  int rank = 0;
  return ToNccl(thinwireCommUserRank(comm, &rank));
}

constexpr const char kSignals[] = "One-sided communication";
constexpr const char kDeviceApi[] = "NCCL's device API";

}  // namespace

NCCL_DEFINE(ncclResult_t, ncclMemAlloc, (void** ptr, size_t size)) {
  return ToNccl(thinwireMemAlloc(ptr, size));
}
NCCL_DEFINE(ncclResult_t, ncclMemFree, (void* ptr)) { return ToNccl(thinwireMemFree(ptr)); }

// A token is the memory's own address, which windows give back.
NCCL_DEFINE(ncclResult_t, ncclCommRegister,
            (const ncclComm_t comm, void* buff, size_t /*size*/, void** handle)) {
  if (const ncclResult_t good = CheckComm(comm); good != ncclSuccess) return good;
  if (buff == nullptr || handle == nullptr) {
    return Refuse(ncclInvalidArgument, "Register: the buffer or the handle is NULL");
  }
  *handle = buff;
  return ncclSuccess;
}

NCCL_DEFINE(ncclResult_t, ncclCommDeregister, (const ncclComm_t comm, void* /*handle*/)) {
  return CheckComm(comm);
}

NCCL_DEFINE(ncclResult_t, ncclCommWindowRegister,
            (ncclComm_t comm, void* buff, size_t size, ncclWindow_t* win, int /*winFlags*/)) {
  return pncclCommRegister(comm, buff, size, reinterpret_cast<void**>(win));
}

NCCL_DEFINE(ncclResult_t, ncclCommWindowDeregister, (ncclComm_t comm, ncclWindow_t win)) {
  return win == nullptr ? ncclSuccess : CheckComm(comm);
}

NCCL_DEFINE(ncclResult_t, ncclWinGetUserPtr,
            (ncclComm_t comm, ncclWindow_t win, void** outUserPtr)) {
  if (const ncclResult_t good = CheckComm(comm); good != ncclSuccess) return good;
  if (win == nullptr || outUserPtr == nullptr) {
    return Refuse(ncclInvalidArgument, "WinGetUserPtr: the window or the pointer is NULL");
  }
  *outUserPtr = win;
  return ncclSuccess;
}

// Communicators hold no memory of devices worth giving back.
NCCL_DEFINE(ncclResult_t, ncclCommSuspend, (ncclComm_t comm, int /*flags*/)) {
  return CheckComm(comm);
}
NCCL_DEFINE(ncclResult_t, ncclCommResume, (ncclComm_t comm)) { return CheckComm(comm); }
NCCL_DEFINE(ncclResult_t, ncclCommMemStats,
            (ncclComm_t comm, ncclCommMemStat_t /*stat*/, uint64_t* value)) {
  if (const ncclResult_t good = CheckComm(comm); good != ncclSuccess) return good;
  if (value == nullptr) return Refuse(ncclInvalidArgument, "MemStats: the value is NULL");
  *value = 0;
  return ncclSuccess;
}

NCCL_DEFINE(ncclResult_t, ncclPutSignal,
            (const void* /*localbuff*/, size_t /*count*/, ncclDataType_t /*datatype*/, int /*peer*/,
             ncclWindow_t /*peerWin*/, size_t /*peerWinOffset*/, int /*sigIdx*/, int /*ctx*/,
             unsigned int /*flags*/, ncclComm_t /*comm*/, cudaStream_t /*stream*/)) {
  return Absent(kSignals);
}
NCCL_DEFINE(ncclResult_t, ncclSignal,
            (int /*peer*/, int /*sigIdx*/, int /*ctx*/, unsigned int /*flags*/, ncclComm_t /*comm*/,
             cudaStream_t /*stream*/)) {
  return Absent(kSignals);
}
NCCL_DEFINE(ncclResult_t, ncclWaitSignal,
            (int /*nDesc*/, ncclWaitSignalDesc_t* /*signalDescs*/, ncclComm_t /*comm*/,
             cudaStream_t /*stream*/)) {
  return Absent(kSignals);
}

// ---- The host functions of the device API. A team is all ranks, or this one alone. ----

NCCL_DEFINE(ncclTeam_t, ncclTeamWorld, (ncclComm_t comm)) {
  ncclTeam_t team = {1, 0, 1};
  (void)thinwireCommCount(comm, &team.nRanks);
  (void)thinwireCommUserRank(comm, &team.rank);
  return team;
}
NCCL_DEFINE(ncclTeam_t, ncclTeamLsa, (ncclComm_t /*comm*/)) { return {1, 0, 1}; }
NCCL_DEFINE(ncclTeam_t, ncclTeamRail, (ncclComm_t comm)) { return pncclTeamWorld(comm); }
NCCL_DEFINE(int, ncclTeamRankToWorld, (ncclComm_t comm, ncclTeam_t team, int rank)) {
  return pncclTeamWorld(comm).rank + (rank - team.rank) * team.stride;
}
NCCL_DEFINE(int, ncclTeamRankToLsa, (ncclComm_t /*comm*/, ncclTeam_t team, int rank)) {
  return (rank - team.rank) * team.stride;
}

NCCL_DEFINE(ncclResult_t, ncclDevCommCreate,
            (ncclComm_t /*comm*/, const void* /*requirements*/, void* /*devComm*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclDevCommDestroy, (ncclComm_t /*comm*/, const void* /*devComm*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclCommQueryProperties, (ncclComm_t /*comm*/, void* /*properties*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclGetLsaMultimemDevicePointer,
            (ncclWindow_t /*window*/, size_t /*offset*/, void** /*outPtr*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclGetMultimemDevicePointer,
            (ncclWindow_t /*window*/, size_t /*offset*/, void* /*multimem*/, void** /*outPtr*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclGetLsaDevicePointer,
            (ncclWindow_t /*window*/, size_t /*offset*/, int /*lsaRank*/, void** /*outPtr*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclGetPeerDevicePointer,
            (ncclWindow_t /*window*/, size_t /*offset*/, int /*peer*/, void** /*outPtr*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(int, ncclLLA2ACalcSlots, (int /*maxElts*/, int /*maxEltSize*/)) { return 0; }
NCCL_DEFINE(ncclResult_t, ncclLLA2ACreateRequirement,
            (int /*nBlocks*/, int /*nSlots*/, void* /*outHandle*/, void* /*outReq*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclLsaBarrierCreateRequirement,
            (ncclTeam_t /*team*/, int /*nBarriers*/, void* /*outHandle*/, void* /*outReq*/)) {
  return Absent(kDeviceApi);
}
NCCL_DEFINE(ncclResult_t, ncclGinBarrierCreateRequirement,
            (ncclComm_t /*comm*/, ncclTeam_t /*team*/, int /*nBarriers*/, void* /*outHandle*/,
             void* /*outReq*/)) {
  return Absent(kDeviceApi);
}

// ---- Parameters of NCCL's own, of which Thinwire has none ----

#define NCCL_NO_PARAMETER(name, parameters) \
  NCCL_DEFINE(ncclResult_t, name, parameters) { return Absent("Reading NCCL's parameters"); }
NCCL_NO_PARAMETER(ncclParamBind, (ncclParamHandle_t* /*out*/, const char* /*key*/))
NCCL_NO_PARAMETER(ncclParamGetI8, (ncclParamHandle_t /*h*/, int8_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetI16, (ncclParamHandle_t /*h*/, int16_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetI32, (ncclParamHandle_t /*h*/, int32_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetI64, (ncclParamHandle_t /*h*/, int64_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetU8, (ncclParamHandle_t /*h*/, uint8_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetU16, (ncclParamHandle_t /*h*/, uint16_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetU32, (ncclParamHandle_t /*h*/, uint32_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetU64, (ncclParamHandle_t /*h*/, uint64_t* /*out*/))
NCCL_NO_PARAMETER(ncclParamGetStr, (ncclParamHandle_t /*h*/, const char** /*out*/))
NCCL_NO_PARAMETER(ncclParamGet,
                  (ncclParamHandle_t /*h*/, void* /*out*/, int /*maxLen*/, int* /*len*/))
NCCL_NO_PARAMETER(ncclParamGetParameter,
                  (const char* /*key*/, const char** /*value*/, int* /*valueLen*/))
NCCL_NO_PARAMETER(ncclParamGetAllParameterKeys, (const char*** /*table*/, int* /*tableLen*/))
NCCL_DEFINE(void, ncclParamDumpAll, (void)) {}
