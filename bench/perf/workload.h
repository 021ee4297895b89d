// SPDX-License-Identifier: Apache-2.0
//
// The operations by nccl-tests' names: how large their buffers are, how they are called, what the
// result is made of.

#ifndef THINWIRE_BENCH_PERF_WORKLOAD_H_
#define THINWIRE_BENCH_PERF_WORKLOAD_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "element_type.h"
#include "pattern.h"
#include "rank.h"

namespace thinwire::perf {

enum class OperationId {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kAllToAll,
  kBroadcast,
  kReduce,
  kSendReceive,
  kBarrier
};

struct Operation {
  OperationId id;
  const char* name;
  thinwireOperation_t statistics;  // where the library counts it
  bool reduces;
  bool has_root;
  bool in_place;   // can be done in place
  bool same_bits;  // all ranks end with the same buffer
  bool send_all;   // the input has a part for every rank
  bool recv_all;   // the output has a part of every rank
  // Is the same whether it is called once or for each part of the elements.
  bool divides() const { return !send_all && !recv_all && id != OperationId::kBarrier; }
};
std::span<const Operation> Operations();

// One call: everything about it but the communicator.
struct Workload {
  const Operation* operation;
  const ElementType* type;
  thinwireRedOp_t op;
  int root;
  int rank;
  int ranks;
  size_t count;      // as the library's call counts
  size_t calls = 1;  // in a group, each on its part of the elements; see Operation::divides

  size_t send_elements() const { return count * Parts(operation->send_all); }
  size_t recv_elements() const { return count * Parts(operation->recv_all); }
  // Size of the row, as nccl-tests prints it: the larger of input and output.
  size_t bytes() const;
  // In-place: where input and output start in the buffer that holds both, in elements.
  size_t send_offset() const { return operation->recv_all ? count * Rank() : 0; }
  size_t recv_offset() const { return operation->send_all ? count * Rank() : 0; }

  // Bus bandwidth over algorithm bandwidth, as nccl-tests defines it.
  double bus_factor() const;

  // Output [offset, offset + count) must be `pattern` from `first` on.
  struct Part {
    size_t offset;
    size_t count;
    Pattern pattern;
    size_t first;
  };
  std::vector<Part> Expected(Values values) const;
  // What this rank sends.
  Pattern Input(Values values) const { return Input(values, rank); }

  // On the stream of the rank's memory.
  thinwireResult_t Call(const std::byte* send, std::byte* recv, const perf::Rank& on) const;

 private:
  size_t Rank() const { return static_cast<size_t>(rank); }
  size_t Parts(bool all) const { return all ? static_cast<size_t>(ranks) : 1; }
  thinwireResult_t CallOn(const std::byte* send, std::byte* recv, size_t elements,
                          const perf::Rank& on) const;
  Pattern Input(Values values, int of_rank) const;
};

// The call of `operation` whose row is of at most `bytes`.
Workload MakeWorkload(const Operation& operation, const ElementType& type, thinwireRedOp_t op,
                      int root, int rank, int ranks, size_t bytes);

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_WORKLOAD_H_
