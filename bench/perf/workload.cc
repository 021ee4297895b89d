// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <algorithm>

namespace thinwire::perf {
namespace {

//   id, name, statistics, reduces, root, in place, same bits, send all, recv all
constexpr Operation kOperations[] = {
    {OperationId::kAllReduce, "all_reduce", thinwireOpAllReduce, true, false, true, true, false,
     false},
    {OperationId::kReduceScatter, "reduce_scatter", thinwireOpReduceScatter, true, false, true,
     false, true, false},
    {OperationId::kAllGather, "all_gather", thinwireOpAllGather, false, false, true, true, false,
     true},
    {OperationId::kAllToAll, "all_to_all", thinwireOpAllToAll, false, false, false, false, true,
     true},
    {OperationId::kBroadcast, "broadcast", thinwireOpBroadcast, false, true, true, true, false,
     false},
    {OperationId::kReduce, "reduce", thinwireOpReduce, true, true, true, false, false, false},
    {OperationId::kSendReceive, "send_recv", thinwireOpSend, false, false, false, false, false,
     false},
    {OperationId::kBarrier, "barrier", thinwireOpBarrier, false, false, false, false, false, false},
};

// Everyone sends to the next rank and receives from the one before.
thinwireResult_t SendReceive(const Workload& work, const void* send, void* recv, size_t count,
                             thinwireComm_t comm, const thinwireCallOptions_t* options) {
  const int next = (work.rank + 1) % work.ranks;
  const int previous = (work.rank + work.ranks - 1) % work.ranks;
  thinwireResult_t result = thinwireGroupStart();
  if (result != thinwireSuccess) return result;
  result = thinwireSend(send, count, work.type->dtype, next, comm, options);
  if (result == thinwireSuccess) {
    result = thinwireRecv(recv, count, work.type->dtype, previous, comm, options);
  }
  const thinwireResult_t ended = thinwireGroupEnd();
  return result == thinwireSuccess ? ended : result;
}

}  // namespace

std::span<const Operation> Operations() { return kOperations; }

Workload MakeWorkload(const Operation& operation, const ElementType& type, thinwireRedOp_t op,
                      int root, int rank, int ranks, size_t bytes) {
  const bool by_rank = operation.send_all || operation.recv_all;
  const size_t parts = by_rank ? static_cast<size_t>(ranks) : 1;
  const size_t count = operation.id == OperationId::kBarrier ? 0 : bytes / type.bytes / parts;
  return {&operation, &type, op, root, rank, ranks, count};
}

size_t Workload::bytes() const { return std::max(send_elements(), recv_elements()) * type->bytes; }

double Workload::bus_factor() const {
  const double others = static_cast<double>(ranks - 1) / ranks;
  if (operation->id == OperationId::kAllReduce) return 2 * others;
  return operation->send_all || operation->recv_all ? others : 1;
}

Pattern Workload::Input(Values values, int of_rank) const {
  return Pattern::Input(*type, op, values, of_rank, ranks);
}

std::vector<Workload::Part> Workload::Expected(Values values) const {
  switch (operation->id) {
    case OperationId::kReduce:
      if (rank != root) return {};
      [[fallthrough]];
    case OperationId::kAllReduce:
    case OperationId::kReduceScatter:
      return {{0, count, Pattern::Reduced(*type, op, values, ranks), recv_offset()}};
    case OperationId::kAllGather: {
      std::vector<Part> parts;
      for (int from = 0; from < ranks; ++from) {
        parts.push_back({count * static_cast<size_t>(from), count, Input(values, from), 0});
      }
      return parts;
    }
    case OperationId::kAllToAll: {
      std::vector<Part> parts;
      for (int from = 0; from < ranks; ++from) {
        parts.push_back(
            {count * static_cast<size_t>(from), count, Input(values, from), count * Rank()});
      }
      return parts;
    }
    case OperationId::kBroadcast:
      return {{0, count, Input(values, root), 0}};
    case OperationId::kSendReceive:
      return {{0, count, Input(values, (rank + ranks - 1) % ranks), 0}};
    case OperationId::kBarrier:
      return {};
  }
  return {};
}

thinwireResult_t Workload::Call(const std::byte* send, std::byte* recv,
                                const perf::Rank& on) const {
  if (calls == 1) return CallOn(send, recv, count, on);
  thinwireResult_t result = thinwireGroupStart();
  for (size_t call = 0; call < calls && result == thinwireSuccess; ++call) {
    const size_t begin = count * call / calls;
    const size_t end = count * (call + 1) / calls;
    result = CallOn(send + begin * type->bytes, recv + begin * type->bytes, end - begin, on);
  }
  const thinwireResult_t ended = thinwireGroupEnd();
  return result == thinwireSuccess ? ended : result;
}

thinwireResult_t Workload::CallOn(const std::byte* send, std::byte* recv, size_t elements,
                                  const perf::Rank& on) const {
  const thinwireComm_t comm = on.comm();
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.stream = on.memory()->stream();
  const thinwireDataType_t dtype = type->dtype;
  switch (operation->id) {
    case OperationId::kAllReduce:
      return thinwireAllReduce(send, recv, elements, dtype, op, comm, &options);
    case OperationId::kReduceScatter:
      return thinwireReduceScatter(send, recv, elements, dtype, op, comm, &options);
    case OperationId::kAllGather:
      return thinwireAllGather(send, recv, elements, dtype, comm, &options);
    case OperationId::kAllToAll:
      return thinwireAllToAll(send, recv, elements, dtype, comm, &options);
    case OperationId::kBroadcast:
      return thinwireBroadcast(send, recv, elements, dtype, root, comm, &options);
    case OperationId::kReduce:
      return thinwireReduce(send, recv, elements, dtype, op, root, comm, &options);
    case OperationId::kSendReceive:
      return SendReceive(*this, send, recv, elements, comm, &options);
    case OperationId::kBarrier:
      return thinwireBarrier(comm, &options);
  }
  return thinwireInvalidArgument;
}

}  // namespace thinwire::perf
