// SPDX-License-Identifier: Apache-2.0
//
// What it costs to keep a model's replicas equal: bytes and seconds in closed form, before a run
// and without a plan. Each quantity has one formula, and it stands here (docs/placement.md has them
// beside a table). Nothing is known of segments, headers and machines; `thinwire-plan all_reduce`
// simulates those.

#ifndef THINWIRE_BENCH_PLAN_COST_MODEL_H_
#define THINWIRE_BENCH_PLAN_COST_MODEL_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "codec/codec.h"
#include "collective/link_model.h"

namespace thinwire::plan {

// How parameters are written on the wire: by a codec of ours, or in a stated number of bits.
struct Wire {
  std::string name;
  const Codec* codec = nullptr;  // codes binary32; null: `stated_bits` hold
  double stated_bits = 0;        // a parameter
  int stages = 1;                // pipeline stages, each of which keeps its own part equal
};

// Who keeps what equal with whom, and how often.
struct Job {
  double parameters = 0;
  int ranks = 2;             // replicas
  double steps_between = 1;  // optimizer steps from one exchange to the next
};

// An algorithm of all-reduce as its bounds see it; times V, the bytes of one vector.
struct Pattern {
  double sent = 0;       // V that the busiest host sends
  double in_series = 0;  // V that pass that host's link one after the other
  double hops = 0;       // messages that wait for one another
};

struct Cost {
  double vector_bytes = 0;        // V
  double bits_per_parameter = 0;  // of the whole model, hence divided by stages
  double all_vectors_bytes = 0;   // n V: every rank sends its vector once
  double one_way_seconds = 0;     // a + V/B: one vector over one link
  double sent_bytes = 0;          // by the busiest host in one all-reduce
  double all_reduce_seconds = 0;  // hops a + in_series V/B
  double seconds_per_step = 0;    // all_reduce_seconds / steps_between
};

// Names that PatternOf knows: "sra", "one-shot" ...
std::vector<std::string_view> PatternNames();

// Bounds of an algorithm for `ranks` >= 2 (Thakur et al. 2005; Sanders et al. 2009 for the double
// tree). kInvalidArgument for a name that is none.
Result<Pattern> PatternOf(std::string_view algorithm, int ranks);

// Bytes of one vector: Codec::EncodedBytes, or parameters / stages * bits / 8.
double VectorBytes(const Wire& wire, double parameters);

// REQUIRES: link.rate > 0.
Cost CostOf(const Wire& wire, const Job& job, const Pattern& pattern, const Link& link);

// The wires of docs/placement.md: exact and cast, blocks of 128 with a 16-bit scale, signs, and two
// sparse ones.
std::span<const Wire> PublishedWires();

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_COST_MODEL_H_
