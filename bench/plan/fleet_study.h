// SPDX-License-Identifier: Apache-2.0
//
// A study of a fleet: an all-reduce by every algorithm in every codec among ever more ranks, and
// where each breaks.

#ifndef THINWIRE_BENCH_PLAN_FLEET_STUDY_H_
#define THINWIRE_BENCH_PLAN_FLEET_STUDY_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet.h"

namespace thinwire {

struct FleetStudy {
  Fleet fleet;
  size_t count = 0;  // elements
  DataType dtype = DataType::kFloat32;
  std::vector<int> ranks = {};  // ascending
  std::vector<std::string> algorithms = {};
  std::vector<const Codec*> codecs = {};
  double mean_seconds_between_failures = 0;  // of one rank; 0: none fails
  double restart_seconds = 0;
  int most_peers = 1000;  // that a rank can have connections to
};

// Why an algorithm is no use any more, worst first.
enum class Breakage : uint8_t {
  kPeers,     // more than most_peers
  kChurn,     // with ranks that fail it takes more than twice the time
  kMessages,  // the time is mostly what messages cost whatever their size
  kSlower,    // more than twice the time of the best one in the same codec, churn included
};
inline constexpr int kBreakages = 4;
std::string_view NameOf(Breakage breakage);

struct FleetPoint {
  int ranks = 0;
  std::string algorithm;
  const Codec* codec = nullptr;
  FleetTime time;
  double churn_seconds = 0;  // SecondsWithChurn
  std::optional<Breakage> broken;
};

// A point for each number of ranks, codec and algorithm, in this order. `progress` is told of each
// as it is done, before it is known to be slower than others.
std::vector<FleetPoint> RunStudy(const FleetStudy& study,
                                 const std::function<void(const FleetPoint&)>& progress);

// The first number of ranks at which the algorithm breaks so, of points of one study.
std::optional<int> FirstBroken(const std::vector<FleetPoint>& points, std::string_view algorithm,
                               const Codec* codec, Breakage breakage);

}  // namespace thinwire

#endif  // THINWIRE_BENCH_PLAN_FLEET_STUDY_H_
