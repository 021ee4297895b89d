// SPDX-License-Identifier: Apache-2.0
//
// Flow control: how fast a host may inject (Pacer) and how much a peer may have in store for us
// (Window). Pure arithmetic on times and bytes; the engine owns and asks them. One thread.

#ifndef THINWIRE_COLLECTIVE_FLOW_CONTROL_H_
#define THINWIRE_COLLECTIVE_FLOW_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "collective/link_model.h"
#include "collective/rate_control.h"

namespace thinwire {

// Paces what a host sends, over all its peers and to each, at the links' rates. Several peers that
// send to one host at once overflow its downlink's queue; paced, the same exchange runs at the
// wire's bound (docs/design/003-pacing.md). Does nothing where rates are unknown.
class Pacer {
 public:
  Pacer(const LinkModel& links, int rank);
  // From now on at these rates.
  void Adopt(const RateControl& rates);

  // When the next frame may go to `peer`; a time in the past means now.
  TimePoint Next(int peer) const;
  // Notes that a frame went. `share` of the rate is this sender's, see Step::share.
  void Sent(int peer, size_t frame_bytes, double share, TimePoint now);

 private:
  struct Lane {
    double seconds_per_byte = 0;
    TimePoint next{};
    void Sent(size_t bytes, double share, TimePoint now);
  };
  Lane uplink_;
  std::vector<Lane> peers_;
};

// Bytes an operation may have under way to one peer before that peer says it has used them up.
// Bounds the memory of receivers; large enough never to slow a link down.
size_t WindowBytes(const Link& there, const Link& back);

// One direction of one operation with one peer, in payload bytes.
struct Window {
  size_t limit = 0;         // of what may be sent ahead of its acknowledgement
  size_t report_bytes = 0;  // after so much more, the peer is told what was consumed
  uint64_t sent = 0;
  uint64_t acknowledged = 0;  // of `sent`, as the peer said
  uint64_t consumed = 0;      // of what came from the peer
  uint64_t reported = 0;      // of `consumed`, as the peer was told
  bool heard = false;         // something came from the peer
  bool MaySend() const { return sent - acknowledged < limit; }
  bool ShouldReport() const { return consumed > reported && consumed - reported >= report_bytes; }
};

// A window of a host that sends over `there` and receives over `back`. Its peer's window is another
// one where the two differ: reports come as often as that one needs.
Window WindowBetween(const Link& there, const Link& back);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_FLOW_CONTROL_H_
