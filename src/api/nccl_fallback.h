// SPDX-License-Identifier: Apache-2.0
//
// Handing communicators over to another NCCL, as a whole: those whose ranks stand close together
// and whose policy is exact, where THINWIRE_FALLBACK names a library. Decided when one is made, for
// all ranks alike. Thinwire's own communicator stays beside it: it tells ranks and failures, and
// others are made from it.

#ifndef THINWIRE_API_NCCL_FALLBACK_H_
#define THINWIRE_API_NCCL_FALLBACK_H_

#include "api/nccl_shim.h"

namespace thinwire::nccl {

// The functions of another NCCL; those that older ones lack are null.
struct OtherNccl {
  decltype(&ncclGetUniqueId) GetUniqueId;
  decltype(&ncclCommInitRank) CommInitRank;
  decltype(&ncclCommInitAll) CommInitAll;
  decltype(&ncclCommFinalize) CommFinalize;
  decltype(&ncclCommDestroy) CommDestroy;
  decltype(&ncclCommAbort) CommAbort;
  decltype(&ncclCommGetAsyncError) CommGetAsyncError;
  decltype(&ncclGetLastError) GetLastError;
  decltype(&ncclAllReduce) AllReduce;
  decltype(&ncclReduce) Reduce;
  decltype(&ncclBroadcast) Broadcast;
  decltype(&ncclAllGather) AllGather;
  decltype(&ncclReduceScatter) ReduceScatter;
  decltype(&ncclAlltoAll) AlltoAll;
  decltype(&ncclGather) Gather;
  decltype(&ncclScatter) Scatter;
  decltype(&ncclSend) Send;
  decltype(&ncclRecv) Recv;
  decltype(&ncclRedOpCreatePreMulSum) RedOpCreatePreMulSum;
  decltype(&ncclRedOpDestroy) RedOpDestroy;
  decltype(&ncclGroupStart) GroupStart;
  decltype(&ncclGroupEnd) GroupEnd;
};

// The one that THINWIRE_FALLBACK names, loaded once; null: none is named, or it can't be loaded,
// which is logged.
const OtherNccl* Other();

// The other library's communicator of one that was handed over; null: it was not.
ncclComm_t HandedOver(ncclComm_t comm);

// Hands over what was made, if it may be. What fails is logged, and all ranks stay.
void HandOver(ncclComm_t comm);
void HandOverAll(ncclComm_t* comms, int count, const int* devices);

// Out of the communicators that were handed over: the other library's, or null.
ncclComm_t TakeBack(ncclComm_t comm);

// The groups of the calling thread have calls for both libraries. End: of those that were started.
void StartOtherGroup();
ncclResult_t EndOtherGroup();

// function(other library, its communicator), where `comm` was handed over; else native().
template <typename Function, typename Native>
ncclResult_t Forward(ncclComm_t comm, Function function, Native native) {
  const ncclComm_t theirs = HandedOver(comm);
  if (theirs == nullptr) return native();
  OwnError().clear();
  const ncclResult_t result = function(*Other(), theirs);
  if (result != ncclSuccess && OwnError().empty()) OwnError() = Other()->GetLastError(theirs);
  return result;
}

}  // namespace thinwire::nccl

#endif  // THINWIRE_API_NCCL_FALLBACK_H_
