// SPDX-License-Identifier: Apache-2.0
//
// CallQueue: calls that have ended, from the engine to whoever wants to read of each of them. Any
// thread.

#ifndef THINWIRE_COLLECTIVE_CALL_QUEUE_H_
#define THINWIRE_COLLECTIVE_CALL_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "collective/ledger.h"
#include "collective/plan.h"

namespace thinwire {

// What was known of a call when it was made.
struct CallNote {
  double predicted_seconds = 0;  // by the planner; 0: the links are not known
  double latency_seconds = 0;    // of the longest chain of messages, likewise
  double transfer_seconds = 0;   // of the bytes of the busiest rank, likewise
  std::string exact_because;     // Policy::Choice::exact_because
};

struct EndedCall {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const CallNote> note;  // null: there is none
  uint64_t sequence = 0;
  bool on_device = false;  // its tensors are in memory of a device
  RunFigures figures;
  TimePoint began{};
  TimePoint ended{};
  double first_send_seconds = 0;  // from its beginning on; figures.wire_seconds starts there
  // The rank whose first frame came last, and when, from the beginning on; -1: none was awaited.
  int last_peer = -1;
  double last_peer_seconds = 0;
  Status status;
};

class CallQueue {
 public:
  // Keeps at most `limit` calls until they are taken; of others it knows how many they were.
  explicit CallQueue(size_t limit) : limit_(limit) {}

  void Add(EndedCall call);
  // All there are, in the order they ended.
  std::vector<EndedCall> Take();
  // Sleeps until `until`, or until the queue is half full, a call failed, or Wake.
  void Wait(TimePoint until);
  void Wake();
  uint64_t missed() const;

 private:
  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable due_;
  std::vector<EndedCall> calls_;
  uint64_t missed_ = 0;
  bool wake_ = false;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_CALL_QUEUE_H_
