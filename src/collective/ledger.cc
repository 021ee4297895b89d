// SPDX-License-Identifier: Apache-2.0
#include "collective/ledger.h"

namespace thinwire {

RunFigures& RunFigures::operator+=(const RunFigures& other) {
  raw_bytes += other.raw_bytes;
  wire_bytes += other.wire_bytes;
  encode_seconds += other.encode_seconds;
  decode_seconds += other.decode_seconds;
  wire_seconds += other.wire_seconds;
  wait_seconds += other.wait_seconds;
  total_seconds += other.total_seconds;
  device_seconds += other.device_seconds;
  error.error += other.error.error;
  error.energy += other.error.energy;
  error_measured |= other.error_measured;
  return *this;
}

void Ledger::Add(const Plan& plan, const RunFigures& figures) {
  const std::lock_guard lock(mutex_);
  Statistics& sum = statistics_[static_cast<size_t>(plan.request.operation)];
  ++sum.calls;
  sum.figures += figures;
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
