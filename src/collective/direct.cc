// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {
namespace {

// A rank keeps its own elements as they are when the codec is exact; else it takes what its peers
// will decode, so that all end with the same bits.
void KeepOwn(const PlanRequest& request, SlotId own, size_t output, PlanBuilder* plan) {
  if (request.codec->exact()) {
    plan->Copy(0, output, request.count);
  } else {
    plan->Decode(own, output);
  }
}

void EmitReduceScatter(const PlanRequest& request, int rank, PlanBuilder* plan) {
  const int n = request.ranks;
  std::vector<SlotId> terms(static_cast<size_t>(n));
  terms[static_cast<size_t>(rank)] =
      plan->Own(static_cast<size_t>(rank) * request.count, request.count);
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, d, n);
    plan->Send(plan->Encode(static_cast<size_t>(peer) * request.count, request.count), peer, 0);
  }
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, n - d, n);
    terms[static_cast<size_t>(peer)] = plan->Receive(peer, request.count, 0);
  }
  plan->ReduceToOutput(std::move(terms), static_cast<size_t>(rank) * request.count, 0,
                       request.count);
}

void EmitAllGather(const PlanRequest& request, int rank, PlanBuilder* plan) {
  const int n = request.ranks;
  const SlotId own = plan->Encode(0, request.count);
  for (int d = 1; d < n; ++d) plan->Send(own, RankAfter(rank, d, n), 0);
  KeepOwn(request, own, static_cast<size_t>(rank) * request.count, plan);
  for (int d = 1; d < n; ++d) {
    const int peer = RankAfter(rank, n - d, n);
    plan->Decode(plan->Receive(peer, request.count, 0), static_cast<size_t>(peer) * request.count);
  }
}

void EmitBroadcast(const PlanRequest& request, int rank, PlanBuilder* plan) {
  if (rank != request.root) {
    plan->Decode(plan->Receive(request.root, request.count, 0), 0);
    return;
  }
  const SlotId own = plan->Encode(0, request.count);
  for (int d = 1; d < request.ranks; ++d) plan->Send(own, RankAfter(rank, d, request.ranks), 0);
  KeepOwn(request, own, 0, plan);
}

void EmitReduce(const PlanRequest& request, int rank, PlanBuilder* plan) {
  if (rank != request.root) {
    plan->ShareDownlink(request.ranks - 1);
    plan->Send(plan->Encode(0, request.count), request.root, 0);
    return;
  }
  std::vector<SlotId> terms;
  for (int peer = 0; peer < request.ranks; ++peer) {
    terms.push_back(peer == rank ? plan->Own(0, request.count)
                                 : plan->Receive(peer, request.count, 0));
  }
  plan->ReduceToOutput(std::move(terms), 0, 0, request.count);
}

}  // namespace

void EmitDirect(const PlanRequest& request, int rank, PlanBuilder* plan) {
  switch (request.operation) {
    case Operation::kReduceScatter:
      return EmitReduceScatter(request, rank, plan);
    case Operation::kAllGather:
      return EmitAllGather(request, rank, plan);
    case Operation::kBroadcast:
      return EmitBroadcast(request, rank, plan);
    case Operation::kReduce:
      return EmitReduce(request, rank, plan);
    case Operation::kSend:
      return plan->Send(plan->Encode(0, request.count), request.root, 0);
    case Operation::kRecv:
      return plan->Decode(plan->Receive(request.root, request.count, 0), 0);
    case Operation::kAllReduce:
    case Operation::kBarrier:
      return EmitOneShot(request, rank, plan);
  }
}

}  // namespace thinwire
