// SPDX-License-Identifier: Apache-2.0
#include "rank.h"

namespace thinwire::perf {

void Check(thinwireResult_t result, thinwireComm_t comm) {
  if (result == thinwireSuccess) return;
  const std::string text = thinwireGetLastError(comm);
  throw PerfError(text.empty() ? thinwireGetErrorString(result) : text);
}

Rank::Rank(thinwireComm_t comm, std::unique_ptr<TensorMemory> memory)
    : memory_(std::move(memory)), comm_(comm) {
  Check(thinwireCommUserRank(comm_, &rank_), comm_);
  Check(thinwireCommCount(comm_, &ranks_), comm_);
}

void Rank::Finish() const {
  memory_->Synchronize();
  thinwireResult_t error = thinwireSuccess;
  Check(thinwireCommGetAsyncError(comm_, &error), comm_);
  Check(error, comm_);
}

void Rank::GatherBytes(const void* mine, size_t bytes, void* all) const {
  Check(thinwireAllGather(mine, all, bytes, thinwireUint8, comm_, nullptr), comm_);
}

}  // namespace thinwire::perf
