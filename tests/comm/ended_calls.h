// SPDX-License-Identifier: Apache-2.0
//
// Calls that have ended, made up.

#ifndef THINWIRE_TESTS_COMM_ENDED_CALLS_H_
#define THINWIRE_TESTS_COMM_ENDED_CALLS_H_

#include <memory>
#include <string>

#include "collective/call_queue.h"

namespace thinwire {

inline const Codec* CodecOf(const std::string& spec) { return FindCodec(spec).value(); }

// An all-reduce of 1 MiB of float among 2 ranks, that took `seconds`, from a fixed time on.
inline EndedCall AllReduceCall(double seconds, const std::string& codec = "raw",
                               double began_seconds = 1) {
  auto plan = std::make_shared<Plan>();
  plan->request.count = size_t{1} << 18;
  plan->request.ranks = 2;
  plan->request.codec = CodecOf(codec);
  plan->algorithm = Algorithm::kSra;
  EndedCall call;
  call.plan = std::move(plan);
  call.figures.total_seconds = seconds;
  call.figures.raw_bytes = size_t{1} << 20;
  call.figures.wire_bytes = codec == "raw" ? size_t{1} << 20 : size_t{1} << 18;
  call.began = TimePoint(FromSeconds(began_seconds));
  call.ended = call.began + FromSeconds(seconds);
  return call;
}

inline std::shared_ptr<const CallNote> Note(double predicted, double latency = 0,
                                            double transfer = 0,
                                            const std::string& exact_because = "") {
  return std::make_shared<const CallNote>(CallNote{predicted, latency, transfer, exact_because});
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_COMM_ENDED_CALLS_H_
