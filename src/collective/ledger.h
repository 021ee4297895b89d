// SPDX-License-Identifier: Apache-2.0
//
// Ledger: what the operations of a communicator did, added up by kind. Any thread.

#ifndef THINWIRE_COLLECTIVE_LEDGER_H_
#define THINWIRE_COLLECTIVE_LEDGER_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "codec/passes.h"
#include "collective/plan.h"

namespace thinwire {

// What an operation did; see thinwireStatistics_t.
struct RunFigures {
  uint64_t raw_bytes = 0;
  uint64_t wire_bytes = 0;
  double encode_seconds = 0;
  double decode_seconds = 0;
  double wire_seconds = 0;
  double wait_seconds = 0;
  double total_seconds = 0;
  double device_seconds = 0;  // a device had work of it
  SquaredError error;
  bool error_measured = false;
  RunFigures& operator+=(const RunFigures& other);
};

// Sums over the calls of one operation.
struct Statistics {
  uint64_t calls = 0;
  RunFigures figures;
  std::string codec;      // of the last call
  std::string algorithm;  // likewise
};

class Ledger {
 public:
  void Add(const Plan& plan, const RunFigures& figures);
  // What a call of `operation` sent besides.
  void AddOverhead(Operation operation, uint64_t wire_bytes);
  Statistics Of(Operation operation) const;
  void Reset();

 private:
  mutable std::mutex mutex_;
  std::array<Statistics, kOperations> statistics_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LEDGER_H_
