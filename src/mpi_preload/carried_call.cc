// SPDX-License-Identifier: Apache-2.0
#include "mpi_preload/carried_call.h"

#include <utility>

#include "mpi_preload/job_terms.h"

namespace thinwire {
namespace {

int ErrorOf(thinwireResult_t result) {
  switch (result) {
    case thinwireSuccess:
      return MPI_SUCCESS;
    case thinwireInvalidArgument:
      return MPI_ERR_ARG;
    case thinwireInternalError:
      return MPI_ERR_INTERN;
    default:
      return MPI_ERR_OTHER;
  }
}

std::unique_ptr<CarriedCall> New(thinwireOperation_t operation, int count,
                                 const FloatLayout& layout) {
  auto call = std::make_unique<CarriedCall>();
  call->operation = operation;
  call->layout = layout;
  call->count = static_cast<size_t>(count) * (layout.bytes / layout.kind_bytes);
  return call;
}

size_t BytesOf(const CarriedCall& call) { return call.count * call.layout.kind_bytes; }

std::unique_ptr<std::byte[]> Memory(size_t bytes) {
  return std::unique_ptr<std::byte[]>(new std::byte[bytes]);  // not cleared
}

const void* InPlaceOr(const void* place, const void* send) {
  return send == place ? MPI_IN_PLACE : send;
}

}  // namespace

int CarriedCall::Outcome(thinwireResult_t ended) {
  if (ended != thinwireSuccess) reason = thinwireGetLastError(nullptr);
  return ErrorOf(ended);
}

int CarriedCall::IssueTo(thinwireComm_t comm) {
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.request = &request_;
  if (error != MPI_SUCCESS) return error;
  const thinwireDataType_t kind = layout.kind;
  switch (operation) {
    case thinwireOpAllReduce:
      error = Outcome(thinwireAllReduce(send, recv, count, kind, thinwireSum, comm, &options));
      break;
    case thinwireOpReduceScatter:
      error = Outcome(thinwireReduceScatter(send, recv, count, kind, thinwireSum, comm, &options));
      break;
    case thinwireOpAllGather:
      error = Outcome(thinwireAllGather(send, recv, count, kind, comm, &options));
      break;
    default:
      error = Outcome(thinwireBroadcast(send, recv, count, kind, root, comm, &options));
  }
  return error;
}

int CarriedCall::IssueTo(MPI_Comm comm) {
  const MPI_Datatype type = layout.kind == thinwireFloat32 ? MPI_FLOAT : MPI_DOUBLE;
  const int number = static_cast<int>(count);
  if (error != MPI_SUCCESS) return error;
  switch (operation) {
    case thinwireOpAllReduce:
      error = PMPI_Iallreduce(InPlaceOr(recv, send), recv, number, type, MPI_SUM, comm, &below_);
      break;
    case thinwireOpReduceScatter:
      error = PMPI_Ireduce_scatter_block(send, recv, number, type, MPI_SUM, comm, &below_);
      break;
    case thinwireOpAllGather: {
      const auto offset = static_cast<size_t>(JobTerms::Now().rank) * BytesOf(*this);
      const void* own = static_cast<std::byte*>(recv) + offset;
      error =
          PMPI_Iallgather(InPlaceOr(own, send), number, type, recv, number, type, comm, &below_);
      break;
    }
    default:
      error = PMPI_Ibcast(recv, number, type, root, comm, &below_);
  }
  return error;
}

bool CarriedCall::Done() {
  int done = 1;
  if (request_ != nullptr) (void)thinwireRequestTest(request_, &done);
  return done != 0;
}

void CarriedCall::End() {
  if (request_ != nullptr) error = Outcome(thinwireRequestWait(std::exchange(request_, nullptr)));
  if (below_ != MPI_REQUEST_NULL) error = PMPI_Wait(&below_, MPI_STATUS_IGNORE);
  for (int part = 0; result && part < parts && error == MPI_SUCCESS; ++part) {
    error = result->Unpack(received.get() + static_cast<size_t>(part) * BytesOf(*this), part,
                           JobTerms::Now().own);
  }
}

std::unique_ptr<CarriedCall> AllReduce(const void* send, void* recv, int count,
                                       const FloatLayout& layout) {
  auto call = New(thinwireOpAllReduce, count, layout);
  call->send = send == MPI_IN_PLACE ? recv : send;
  call->recv = recv;
  return call;
}

std::unique_ptr<CarriedCall> ReduceScatterBlock(const void* send, void* recv, int count,
                                                MPI_Datatype type, const FloatLayout& layout) {
  auto call = New(thinwireOpReduceScatter, count, layout);
  call->send = send;
  call->recv = recv;
  if (send != MPI_IN_PLACE) return call;
  // The input is all of `recv`, and the result goes to its beginning, on whichever rank.
  call->send = recv;
  call->received = Memory(BytesOf(*call));
  call->recv = call->received.get();
  call->result.emplace(recv, count, type, layout);
  return call;
}

std::unique_ptr<CarriedCall> AllGather(const void* send, int send_count, MPI_Datatype send_type,
                                       void* recv, int count, MPI_Datatype type,
                                       const FloatLayout& layout) {
  const JobTerms& terms = JobTerms::Now();
  auto call = New(thinwireOpAllGather, count, layout);
  call->recv = recv;
  if (!layout.contiguous) {
    call->received = Memory(BytesOf(*call) * static_cast<size_t>(terms.ranks));
    call->recv = call->received.get();
    call->result.emplace(recv, count, type, layout);
    call->parts = terms.ranks;
  }
  std::byte* const own =
      static_cast<std::byte*>(call->recv) + static_cast<size_t>(terms.rank) * BytesOf(*call);
  call->send = own;
  if (send == MPI_IN_PLACE) {
    if (call->result) call->error = call->result->Pack(terms.rank, own, terms.own);
    return call;
  }
  const std::optional<FloatLayout> from = FloatLayoutOf(send_type);
  if (!from || from->kind != layout.kind ||
      static_cast<size_t>(send_count) * from->bytes != BytesOf(*call)) {
    call->error = MPI_ERR_TRUNCATE;
    call->reason = "what is sent is not what is received: their types have other signatures";
  } else if (from->contiguous) {
    call->send = send;
  } else {
    call->sent = Memory(BytesOf(*call));
    call->send = call->sent.get();
    const Items items(const_cast<void*>(send), send_count, send_type, *from);
    call->error = items.Pack(0, call->sent.get(), terms.own);
  }
  return call;
}

std::unique_ptr<CarriedCall> Broadcast(void* buffer, int count, MPI_Datatype type, int root,
                                       const FloatLayout& layout) {
  const JobTerms& terms = JobTerms::Now();
  auto call = New(thinwireOpBroadcast, count, layout);
  call->root = root;
  call->send = call->recv = buffer;
  if (layout.contiguous) return call;
  call->received = Memory(BytesOf(*call));
  call->send = call->recv = call->received.get();
  call->result.emplace(buffer, count, type, layout);
  if (terms.rank != root) return call;
  call->error = call->result->Pack(0, call->received.get(), terms.own);
  call->parts = 0;  // the root has it
  return call;
}

}  // namespace thinwire
