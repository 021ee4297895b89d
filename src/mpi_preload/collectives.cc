// SPDX-License-Identifier: Apache-2.0
//
// MPI's functions as the preloaded library has them: what Thinwire can carry goes to a Carrier,
// everything else to MPI (PMPI_).
//
// All ranks must decide alike, each on its own. So the decision rests on what MPI makes equal
// everywhere: the operation, the communicator, a predefined reduction, and the signature of what is
// moved - not on datatypes, which in a broadcast or an all-gather may differ.

#include <climits>
#include <exception>

#include "base/log.h"
#include "mpi_preload/below.h"
#include "mpi_preload/carrier.h"
#include "mpi_preload/job_terms.h"

namespace thinwire {
namespace {

// The layout, if calls with `count` such items from each rank, in `shares` shares, are carried.
// Copies that MPI packs have at most INT_MAX bytes; sums need none, having predefined types.
std::optional<FloatLayout> Carryable(int count, MPI_Datatype type, bool sums, int shares,
                                     bool waits) {
  const JobTerms& terms = JobTerms::Now();
  if (terms.own == MPI_COMM_NULL || count <= 0 || (!waits && !terms.threads)) return {};
  const std::optional<FloatLayout> layout = FloatLayoutOf(type);
  if (!layout || (sums && !layout->predefined)) return {};
  const size_t bytes = static_cast<size_t>(count) * layout->bytes;
  const size_t most = sums ? INT_MAX * layout->kind_bytes : INT_MAX;
  const bool carried = bytes <= most && bytes * static_cast<size_t>(shares) >= terms.floor_bytes;
  return carried ? layout : std::nullopt;
}

// Runs or, with a `request`, starts the call that `make` makes.
template <typename Make>
int Carry(Carrier* carrier, MPI_Comm comm, MPI_Request* request, Make make) {
  try {
    std::unique_ptr<CarriedCall> call = make();
    return request == nullptr ? carrier->Run(call.get()) : carrier->Start(std::move(call), request);
  } catch (const std::exception& failure) {
    TW_LOG(kWarn, "an MPI call could not be carried: {}", failure.what());
  }
  PMPI_Comm_call_errhandler(comm, MPI_ERR_NO_MEM);
  return MPI_ERR_NO_MEM;
}

int AllReduceOn(const void* send, void* recv, int count, MPI_Datatype type, MPI_Op op,
                MPI_Comm comm, MPI_Request* request) {
  const bool waits = request == nullptr;
  const auto layout =
      op == MPI_SUM ? Carryable(count, type, true, 1, waits) : std::optional<FloatLayout>();
  Carrier* const carrier = layout ? Carrier::Of(comm) : nullptr;
  if (carrier != nullptr) {
    return Carry(carrier, comm, request, [&] { return AllReduce(send, recv, count, *layout); });
  }
  return waits ? PMPI_Allreduce(send, recv, count, type, op, comm)
               : PMPI_Iallreduce(send, recv, count, type, op, comm, request);
}

int ReduceScatterBlockOn(const void* send, void* recv, int count, MPI_Datatype type, MPI_Op op,
                         MPI_Comm comm, MPI_Request* request) {
  const bool waits = request == nullptr;
  const int shares = JobTerms::Now().ranks;
  const auto layout =
      op == MPI_SUM ? Carryable(count, type, true, shares, waits) : std::optional<FloatLayout>();
  Carrier* const carrier = layout ? Carrier::Of(comm) : nullptr;
  if (carrier != nullptr) {
    return Carry(carrier, comm, request,
                 [&] { return ReduceScatterBlock(send, recv, count, type, *layout); });
  }
  return waits ? PMPI_Reduce_scatter_block(send, recv, count, type, op, comm)
               : PMPI_Ireduce_scatter_block(send, recv, count, type, op, comm, request);
}

int AllGatherOn(const void* send, int send_count, MPI_Datatype send_type, void* recv, int count,
                MPI_Datatype type, MPI_Comm comm, MPI_Request* request) {
  const bool waits = request == nullptr;
  const auto layout = Carryable(count, type, false, JobTerms::Now().ranks, waits);
  Carrier* const carrier = layout ? Carrier::Of(comm) : nullptr;
  if (carrier != nullptr) {
    return Carry(carrier, comm, request, [&] {
      return AllGather(send, send_count, send_type, recv, count, type, *layout);
    });
  }
  return waits ? PMPI_Allgather(send, send_count, send_type, recv, count, type, comm)
               : PMPI_Iallgather(send, send_count, send_type, recv, count, type, comm, request);
}

int BroadcastOn(void* buffer, int count, MPI_Datatype type, int root, MPI_Comm comm,
                MPI_Request* request) {
  const bool waits = request == nullptr;
  const bool is_rank = root >= 0 && root < JobTerms::Now().ranks;
  const auto layout =
      is_rank ? Carryable(count, type, false, 1, waits) : std::optional<FloatLayout>();
  Carrier* const carrier = layout ? Carrier::Of(comm) : nullptr;
  if (carrier != nullptr) {
    return Carry(carrier, comm, request,
                 [&] { return Broadcast(buffer, count, type, root, *layout); });
  }
  return waits ? PMPI_Bcast(buffer, count, type, root, comm)
               : PMPI_Ibcast(buffer, count, type, root, comm, request);
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are MPI's

#pragma GCC visibility push(default)
extern "C" {

int MPI_Init(int* argc, char*** argv) {
  int provided = MPI_THREAD_SINGLE;
  return StartMpi(argc, argv, MPI_THREAD_SINGLE, &provided);
}

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  return StartMpi(argc, argv, required, provided);
}

// As MPI_Init_thread said.
int MPI_Query_thread(int* provided) {
  const int result = PMPI_Query_thread(provided);
  const int told = JobTerms::Now().threads_provided;
  if (result == MPI_SUCCESS && told >= 0) *provided = told;
  return result;
}

int MPI_Finalize(void) { return FinishMpi(); }

int MPI_Allreduce(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op,
                  MPI_Comm comm) {
  return AllReduceOn(sendbuf, recvbuf, count, datatype, op, comm, nullptr);
}

int MPI_Iallreduce(const void* sendbuf, void* recvbuf, int count, MPI_Datatype datatype, MPI_Op op,
                   MPI_Comm comm, MPI_Request* request) {
  return AllReduceOn(sendbuf, recvbuf, count, datatype, op, comm, request);
}

int MPI_Reduce_scatter_block(const void* sendbuf, void* recvbuf, int recvcount,
                             MPI_Datatype datatype, MPI_Op op, MPI_Comm comm) {
  return ReduceScatterBlockOn(sendbuf, recvbuf, recvcount, datatype, op, comm, nullptr);
}

int MPI_Ireduce_scatter_block(const void* sendbuf, void* recvbuf, int recvcount,
                              MPI_Datatype datatype, MPI_Op op, MPI_Comm comm,
                              MPI_Request* request) {
  return ReduceScatterBlockOn(sendbuf, recvbuf, recvcount, datatype, op, comm, request);
}

int MPI_Allgather(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf,
                  int recvcount, MPI_Datatype recvtype, MPI_Comm comm) {
  return AllGatherOn(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, nullptr);
}

int MPI_Iallgather(const void* sendbuf, int sendcount, MPI_Datatype sendtype, void* recvbuf,
                   int recvcount, MPI_Datatype recvtype, MPI_Comm comm, MPI_Request* request) {
  return AllGatherOn(sendbuf, sendcount, sendtype, recvbuf, recvcount, recvtype, comm, request);
}

int MPI_Bcast(void* buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm) {
  return BroadcastOn(buffer, count, datatype, root, comm, nullptr);
}

int MPI_Ibcast(void* buffer, int count, MPI_Datatype datatype, int root, MPI_Comm comm,
               MPI_Request* request) {
  return BroadcastOn(buffer, count, datatype, root, comm, request);
}

}  // extern "C"
#pragma GCC visibility pop
