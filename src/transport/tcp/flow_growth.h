// SPDX-License-Identifier: Apache-2.0
//
// How many flows a path asks for. A flow whose congestion control takes each loss for congestion
// carries about packet / round trip / sqrt(loss), however fast the path; k flows carry k times
// that. So flows are doubled while data waits and packets are lost, unless the loss is our own
// making: then packets stand in a queue (the round trip is longer than the shortest), or more
// flows mean a higher loss. Layer: transport; pure.

#ifndef THINWIRE_TRANSPORT_TCP_FLOW_GROWTH_H_
#define THINWIRE_TRANSPORT_TCP_FLOW_GROWTH_H_

#include <cstdint>

#include "base/clock.h"

namespace thinwire {

// Of all flows to one peer together, since the first was opened.
struct PathSample {
  TimePoint time;
  bool waiting = false;  // data waits to be sent
  int flows = 0;
  double round_trip_seconds = 0;           // smoothed, mean of the flows
  double shortest_round_trip_seconds = 0;  // least of the flows
  uint64_t acknowledged_bytes = 0;
  uint64_t sent_packets = 0;
  uint64_t sent_again_packets = 0;
};

class FlowGrowth {
 public:
  // How many flows there should be after this sample: as many as there are, or twice that.
  int Advise(const PathSample& sample);

  // Bytes a second acknowledged between two samples while data waited, at best.
  double best_rate() const { return best_rate_; }

 private:
  void Restart(const PathSample& sample);

  PathSample last_;
  PathSample start_;          // of the time looked at
  double queue_seconds_ = 0;  // longest seen since
  double known_loss_ = 0;     // when flows were added last
  TimePoint rest_until_ = TimePoint::min();
  double best_rate_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_FLOW_GROWTH_H_
