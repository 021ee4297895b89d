// SPDX-License-Identifier: Apache-2.0
//
// Fleet: how long an all-reduce takes among very many ranks, by running a traffic pattern, hop by
// hop, against uplinks, downlinks, pairs and processors (docs/simulation.md has the formulas). In
// memory proportional to the ranks; some 10 ns a message. Deterministic.

#ifndef THINWIRE_BENCH_PLAN_FLEET_H_
#define THINWIRE_BENCH_PLAN_FLEET_H_

#include <cstdint>

#include "base/types.h"
#include "codec/codec.h"
#include "collective/simulator.h"
#include "collective/site_matrix.h"
#include "traffic_pattern.h"

namespace thinwire {

struct Fleet {
  SiteMatrix sites;  // ranks are dealt to them evenly
  CostModel costs;
  size_t segment_bytes = size_t{128} << 10;
  double straggler_part = 0;    // this part of the ranks, drawn by the seed, ...
  double straggler_factor = 1;  // ... has a link and a processor so many times slower
  uint64_t seed = 1;            // of stragglers and of packets lost
};

struct FleetTime {
  double seconds = 0;           // until the last rank is done
  double overhead_seconds = 0;  // the busiest processor's for messages, whatever their size
  uint64_t wire_bytes = 0;      // frames of the rank that sends most, headers included
  int peers = 0;                // most that a rank sends to in one hop
};

FleetTime RunFleet(const TrafficPattern& pattern, const Codec& codec, DataType dtype,
                   const Fleet& fleet);

// First rank of each site that has any: MakePattern's `first_ranks`.
std::vector<int> FirstRanks(const SiteMatrix& sites, int ranks);

// Seconds an operation of `seconds` takes on average where each of `ranks` fails every
// `mean_seconds_between_failures` on average, independently, and a failure ends the operation,
// which is run again `restart_seconds` later (to notice, replace the rank and connect):
//   (exp(L t) - 1) (1 / L + restart),  L = ranks / mean time between failures of one
// (renewal argument; Daly 2006, "A higher order estimate of the optimum checkpoint interval").
// Infinite where the exponent is beyond all use. No failures: 0 as mean time.
double SecondsWithChurn(double seconds, int ranks, double mean_seconds_between_failures,
                        double restart_seconds);

}  // namespace thinwire

#endif  // THINWIRE_BENCH_PLAN_FLEET_H_
