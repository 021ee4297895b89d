// SPDX-License-Identifier: Apache-2.0
//
// One collective of an MPI program in Thinwire's terms, from its issue to its end.

#ifndef THINWIRE_MPI_PRELOAD_CARRIED_CALL_H_
#define THINWIRE_MPI_PRELOAD_CARRIED_CALL_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "mpi_preload/below.h"
#include "mpi_preload/float_layout.h"
#include "thinwire/thinwire.h"

namespace thinwire {

struct CarriedCall {
  thinwireOperation_t operation = thinwireOpAllReduce;
  const void* send = nullptr;
  void* recv = nullptr;
  size_t count = 0;  // of floats, as the operation counts them
  FloatLayout layout;
  int root = 0;

  // Where MPI has something else in mind than Thinwire: copies in place of the program's buffers,
  // and where what was received goes in the end, as `parts` runs of items.
  std::unique_ptr<std::byte[]> sent;
  std::unique_ptr<std::byte[]> received;
  std::optional<Items> result;
  int parts = 1;

  // Begins on one or the other. An error of MPI, which `error` keeps.
  int IssueTo(thinwireComm_t comm);
  int IssueTo(MPI_Comm comm);
  bool Done();
  // Ends it: results are in their place, or `error` and `reason` say why not.
  void End();

  int error = MPI_SUCCESS;  // an error class or code of MPI
  std::string reason;

 private:
  int Outcome(thinwireResult_t ended);

  thinwireRequest_t request_ = nullptr;
  MPI_Request below_ = MPI_REQUEST_NULL;
};

// The calls, from MPI's arguments. Set `error` where these can't be.
std::unique_ptr<CarriedCall> AllReduce(const void* send, void* recv, int count,
                                       const FloatLayout& layout);
std::unique_ptr<CarriedCall> ReduceScatterBlock(const void* send, void* recv, int count,
                                                MPI_Datatype type, const FloatLayout& layout);
std::unique_ptr<CarriedCall> AllGather(const void* send, int send_count, MPI_Datatype send_type,
                                       void* recv, int count, MPI_Datatype type,
                                       const FloatLayout& layout);
std::unique_ptr<CarriedCall> Broadcast(void* buffer, int count, MPI_Datatype type, int root,
                                       const FloatLayout& layout);

}  // namespace thinwire

#endif  // THINWIRE_MPI_PRELOAD_CARRIED_CALL_H_
