// SPDX-License-Identifier: Apache-2.0
//
// Simulator: how long a collective will take, by running all ranks' plans against a model of links
// and processors. Event driven; the same Progress decides what runs next as in the engine.
//
// A rank has one processor, one uplink and one downlink, which all its peers share, at the rates of
// its fastest pairs; a slower pair is a narrower stretch of its own on the way. Frames leave paced,
// as the Pacer releases them; what comes in at once queues at the downlink. Lost packets make
// frames later, and those behind them in their flow (loss_model.h): times are then the means of
// several runs, in which other frames are late.

#ifndef THINWIRE_COLLECTIVE_SIMULATOR_H_
#define THINWIRE_COLLECTIVE_SIMULATOR_H_

#include <cstdint>
#include <vector>

#include "collective/link_model.h"
#include "collective/loss_model.h"
#include "collective/plan.h"

namespace thinwire {

// What processors and the path through the operating system cost. Defaults: one core of a
// small server, measured by bench/codec and on the host's own loopback.
struct CostModel {
  double codec_bytes_per_second = 6e9;  // dense bytes encoded, decoded or summed by a rank
  double item_seconds = 5e-6;           // a step's segment, whatever its size
  double message_seconds = 60e-6;       // from a send to the wire and from the wire to the engine
  double unknown_rate = 125e6;          // links nothing is known of: 1 Gbit/s ...
  double unknown_delay = 10e-3;         // ... and 10 ms
  Congestion congestion = Congestion::kBbr;
  int flows = 1;  // between two ranks
  // By which TCP is later for a packet that has to be sent once more: one, a quarter more at the
  // end of a call (docs/design/014-tcp-transport.md, "Tails"); in between, as the grid was
  // measured.
  double round_trips_per_loss = 1.1;
};

// Injection is paced at this part of the payload rate, so that queues on the way stay short.
inline constexpr double kPaceFactor = 0.985;
// Encoded bytes an operation may hold that have not left yet: enough to keep the link busy.
inline constexpr size_t kStagingBytes = size_t{4} << 20;

struct Simulation {
  double seconds = 0;                // until the last rank is done
  std::vector<double> rank_seconds;  // until each is
  std::vector<uint64_t> wire_bytes;  // frames each rank sends, headers included
};

// `plans[r]` is rank r's; all of one request and algorithm.
Simulation Simulate(const std::vector<Plan>& plans, const LinkModel& links, const CostModel& costs);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_SIMULATOR_H_
