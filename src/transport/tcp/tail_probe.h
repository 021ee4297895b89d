// SPDX-License-Identifier: Apache-2.0
//
// When to send something behind the last bytes of a flow. TCP takes a packet for lost once one that
// was sent a quarter of a round trip later is acknowledged (RFC 8985, section 6). Behind the last
// one of a call there is none: TCP then waits for two round trips before it sends a probe of its
// own, and for a timer of over 200 ms where a packet that was sent again is lost once more. With a
// probe every quarter of a round trip it finds all losses as soon as in the middle of a call.
// Layer: transport; pure.

#ifndef THINWIRE_TRANSPORT_TCP_TAIL_PROBE_H_
#define THINWIRE_TRANSPORT_TCP_TAIL_PROBE_H_

#include <cstddef>

#include "base/clock.h"

namespace thinwire {

// Of one flow.
class TailProbe {
 public:
  static constexpr int kMost = 64;  // behind one tail, then TCP is left to itself

  // Between two probes of a path.
  static Duration Interval(double shortest_round_trip_seconds);

  // Bytes that are not a probe were written: a new tail.
  void NewTail(TimePoint now);
  // A probe was written; 0 bytes: the socket took none, since much has still to leave.
  void Probed(size_t bytes, TimePoint now);
  // Whether a probe should be written now; `unacknowledged_bytes` of the flow, probes included.
  bool Wanted(size_t unacknowledged_bytes);
  // When to look at the flow; max: not before there is a new tail.
  TimePoint Due(Duration interval) const {
    return awaited_ ? written_ + interval : TimePoint::max();
  }

 private:
  TimePoint written_;
  bool awaited_ = false;  // the tail may not be acknowledged yet
  int probes_ = 0;        // behind it
  size_t probe_bytes_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_TAIL_PROBE_H_
