// SPDX-License-Identifier: Apache-2.0
#include "collective/algorithms.h"

namespace thinwire {

void EmitDirect(const PlanRequest& request, int rank, PlanBuilder* plan) {
  switch (request.operation) {
    case Operation::kReduceScatter:
    case Operation::kAllGather:
      return EmitSra(request, rank, plan);
    case Operation::kBroadcast:
    case Operation::kReduce: {
      Shares whole = {.chunks = {{0, request.count}}, .owners = {request.root}};
      return EmitForest(request, rank, StarsOf(std::move(whole), request.ranks), plan);
    }
    case Operation::kAllToAll: {
      Groups alone;
      for (int each = 0; each < request.ranks; ++each) alone.push_back({each});
      return EmitAllToAll(request, alone, rank, plan);
    }
    case Operation::kSend:
      return plan->Send(plan->Encode(0, request.count), request.root, 0);
    case Operation::kRecv:
      return plan->Decode(plan->Receive(request.root, request.count, 0, 0), 0);
    case Operation::kAllReduce:
    case Operation::kBarrier:
      return EmitOneShot(request, rank, plan);
  }
}

}  // namespace thinwire
