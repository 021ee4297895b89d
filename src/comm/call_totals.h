// SPDX-License-Identifier: Apache-2.0
//
// CallTotals: the calls of a communicator added up, so that what they took can be compared with
// what was predicted, and the bound of a group of like calls be named: docs/observability.md, "The
// bound". One thread.

#ifndef THINWIRE_COMM_CALL_TOTALS_H_
#define THINWIRE_COMM_CALL_TOTALS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "collective/call_queue.h"
#include "collective/link_model.h"
#include "collective/plan.h"

namespace thinwire {

// What most of the time of calls went into.
enum class Bound : uint8_t {
  kLatency,       // of the hops, one after another
  kRate,          // of the busiest rank's link
  kCodec,         // encoding and decoding on the processor
  kDevice,        // kernels and copies of the device
  kLatePeer,      // a rank began later than this one
  kOtherCalls,    // calls in flight at once shared the link
  kLoss,          // packets that were sent again
  kSlowerLink,    // something the model doesn't know
  kUnknownLinks,  // there is no model to compare with
};
std::string_view NameOf(Bound bound);

// Seconds of a call, all sharing the total, though some at once.
struct CallTimes {
  double total = 0;
  double predicted = 0;  // 0: the links are not known
  double latency = 0;    // of that: of the longest chain of messages
  double transfer = 0;   // likewise: of the bytes of the busiest rank
  double codec = 0;      // encoding and decoding
  double device = 0;
  double late = 0;        // by which the last peer's first frame came too late
  double overlapped = 0;  // a call before was in flight, too
  double loss = 0;        // no seconds: the probability that a packet is lost
};

struct Verdict {
  Bound bound = Bound::kUnknownLinks;
  double seconds = 0;  // of the total that it explains
};
Verdict BoundOf(const CallTimes& times);

// Like calls: of one operation, power of two of sizes, codec and algorithm.
struct CallKind {
  Operation operation = Operation::kBarrier;
  int size_bits = 0;  // of SizeOf(call)
  const Codec* codec = nullptr;
  Algorithm algorithm = Algorithm::kDirect;
  auto operator<=>(const CallKind&) const = default;
};

struct CallGroup {
  uint64_t calls = 0;     // that ended well; what follows is of them
  uint64_t failures = 0;  // calls that did not
  RunFigures sum;
  CallTimes times;  // likewise sums
  struct Late {
    uint64_t calls = 0;  // that took a tenth longer for it, or more
    double seconds = 0;  // of them
  };
  std::map<int, Late> late;      // by rank
  std::vector<float> recent;     // totals of the last ones
  PlanRequest request;           // of the last one
  bool on_device = false;        // likewise
  double MedianSeconds() const;  // of `recent`
  CallTimes Mean() const;
};

class CallTotals {
 public:
  // `links`: from this rank, by peer.
  void Add(const EndedCall& call, const std::vector<Link>& links);

  const std::map<CallKind, CallGroup>& groups() const { return groups_; }
  // How many calls stayed exact for which reason, though a rule named a codec.
  const std::map<std::string, uint64_t>& exact_because() const { return exact_because_; }
  uint64_t failures() const { return failures_; }
  // Of the first call that failed; "": none has.
  const std::string& failure() const { return failure_; }

 private:
  std::map<CallKind, CallGroup> groups_;
  std::map<std::string, uint64_t> exact_because_;
  uint64_t failures_ = 0;
  std::string failure_;
  TimePoint last_end_{};
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_CALL_TOTALS_H_
