// SPDX-License-Identifier: Apache-2.0
//
// Measures the links between all ranks of a communicator, once, before its engine starts.
//
// Every rank pings all others; half the shortest round trip is the delay. Then it takes a train of
// bytes from one peer after another, in the order of SurveyOrder, and tells the rate from when the
// bytes arrive (arrival_rate.h): so a host sends one train and receives one at a time. A train goes
// on until its rate is known, no longer; what is under way is bounded by grants of the receiver.
// Where there are several peers to measure, all flows are warmed up together first, since TCP needs
// round trips to get going. Last, every rank tells all others what it found, so that all derive the
// same model from the same bytes.
//
// On a fast, near network that ends in tens of milliseconds; in any case after `budget_seconds` and
// a round trip. Peers for which no time was left are filled in (ModelOf).

#ifndef THINWIRE_COLLECTIVE_LINK_PROBE_H_
#define THINWIRE_COLLECTIVE_LINK_PROBE_H_

#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "collective/link_model.h"
#include "collective/probe_channel.h"
#include "transport/transport.h"

namespace thinwire {

struct ProbeOptions {
  ProbeIdentity self;
  double budget_seconds = 1.7;            // for pings and trains
  TimePoint deadline = TimePoint::max();  // for the findings of all ranks
};

// All ranks call it at about the same time, with connected transports. Appends to `early` frames of
// ranks that are done already: the engine's. Probe frames may come even later, and mean nothing
// then. Errors name the rank that was lost or (kTimeout) those whose findings did not come.
Result<LinkModel> ProbeLinks(const ProbeOptions& options, Transport* transport,
                             std::vector<Message>* early);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LINK_PROBE_H_
