// SPDX-License-Identifier: Apache-2.0
#include "collective/ledger.h"

namespace thinwire {

void Ledger::Add(const Plan& plan, const RunFigures& figures) {
  const std::lock_guard lock(mutex_);
  Statistics& sum = statistics_[static_cast<size_t>(plan.request.operation)];
  ++sum.calls;
  sum.figures.raw_bytes += figures.raw_bytes;
  sum.figures.wire_bytes += figures.wire_bytes;
  sum.figures.encode_seconds += figures.encode_seconds;
  sum.figures.decode_seconds += figures.decode_seconds;
  sum.figures.wire_seconds += figures.wire_seconds;
  sum.figures.wait_seconds += figures.wait_seconds;
  sum.figures.total_seconds += figures.total_seconds;
  sum.figures.error.error += figures.error.error;
  sum.figures.error.energy += figures.error.energy;
  sum.figures.error_measured |= figures.error_measured;
  sum.codec = plan.request.codec->spec();
  sum.algorithm = NameOf(plan.algorithm);
}

void Ledger::AddOverhead(Operation operation, uint64_t wire_bytes) {
  const std::lock_guard lock(mutex_);
  statistics_[static_cast<size_t>(operation)].figures.wire_bytes += wire_bytes;
}

Statistics Ledger::Of(Operation operation) const {
  const std::lock_guard lock(mutex_);
  return statistics_[static_cast<size_t>(operation)];
}

void Ledger::Reset() {
  const std::lock_guard lock(mutex_);
  statistics_ = {};
}

}  // namespace thinwire
