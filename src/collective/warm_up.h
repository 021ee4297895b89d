// SPDX-License-Identifier: Apache-2.0
//
// Gets the flows to all peers going before the first call: TCP begins slowly, and its congestion
// control, which paces what it sends by what it has seen delivered, has seen nothing yet. Without
// this even 64 KiB may take another round trip, for good (docs/design/014-tcp-transport.md).
//
// Each rank sends every peer, at once, a train of as many bytes as slow start takes to fill this
// rank's share of the link,
//   2 * share * round trip, where share = min(rate of the pair, uplink / peers),
// and waits until all of it has arrived. Links that a probe has sent a train over are warm.

#ifndef THINWIRE_COLLECTIVE_WARM_UP_H_
#define THINWIRE_COLLECTIVE_WARM_UP_H_

#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "collective/link_model.h"
#include "collective/probe_channel.h"
#include "transport/transport.h"

namespace thinwire {

struct WarmUpOptions {
  ProbeIdentity self;
  double budget_seconds = 2;              // or 12 round trips, if less: then it is left at that
  TimePoint deadline = TimePoint::max();  // for peers to take what was sent until then
};

// All ranks call it at about the same time, with connected transports and equal links. `early`: as
// in ProbeLinks. Who is lost meanwhile is not waited for: the engine tells. Errors name the rank
// that sends what is damaged (kRemote) or takes nothing (kTimeout).
Status WarmUp(const WarmUpOptions& options, const LinkModel& links, Transport* transport,
              std::vector<Message>* early);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_WARM_UP_H_
