// SPDX-License-Identifier: Apache-2.0
//
// What `auto` in a policy stands for: the codec of a call, chosen by what it costs and what it
// loses. Pure: the same on all ranks that give the same request and have the same links.

#ifndef THINWIRE_COLLECTIVE_CODEC_CHOICE_H_
#define THINWIRE_COLLECTIVE_CODEC_CHOICE_H_

#include <optional>
#include <string>

#include "collective/planner.h"

namespace thinwire {

// What is asked of `auto`; at least one of the two is set.
struct CodecTarget {
  // Largest relative error of the result, ||result - exact|| / ||exact||, as far as errors of
  // encodes are independent and contributions don't cancel.
  std::optional<double> error;
  // Behind so much computing the call is to hide.
  std::optional<double> compute_seconds;
  auto operator<=>(const CodecTarget&) const = default;
};
// "auto(error=0.01,compute=30 ms)"
std::string FormatTarget(const CodecTarget& target);

struct CodecChoice {
  const Codec* codec = &RawCodec();
  Algorithm algorithm = Algorithm::kAuto;
  double seconds = 0;  // predicted
  double error = 0;    // of the result, likewise
  std::string reason;  // for people: what was chosen before what, and why
};

// With an error alone: the quickest codec that keeps it; of codecs that are about as quick, the
// most exact. With a compute time: the most exact codec (raw, if it can) whose predicted time is no
// longer, among those that keep the error if one is given; if none is, the quickest of them.
// `request.codec` isn't looked at. `algorithm`: the only one to consider; or kAuto. `keyed`: the
// call says whose state it advances, so that sums may use error feedback.
// `rank`: the caller's, for sends and receives, which both ends decide by the links as they were at
// the start.
CodecChoice ChooseCodec(const CodecTarget& target, PlanRequest request, Algorithm algorithm,
                        bool keyed, int rank, const Planner& planner);

// Encodes that lie one after another between a contribution and the result, at most.
int EncodesOf(Algorithm algorithm, int ranks);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_CODEC_CHOICE_H_
