// SPDX-License-Identifier: Apache-2.0
#include "fleet_study.h"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "traffic_pattern.h"

namespace thinwire {
namespace {

constexpr double kTooMuch = 2;
constexpr double kMostOverhead = 0.5;
constexpr std::array<std::string_view, kBreakages> kNames = {"peers", "churn", "messages",
                                                             "slower"};

FleetPoint PointOf(const FleetStudy& study, int ranks, const Codec& codec,
                   const std::string& algorithm) {
  FleetPoint point;
  point.ranks = ranks;
  point.algorithm = algorithm;
  point.codec = &codec;
  const auto pattern =
      MakePattern(algorithm, ranks, study.count, FirstRanks(study.fleet.sites, ranks));
  point.time = RunFleet(*pattern.value(), codec, study.dtype, study.fleet);
  point.churn_seconds = SecondsWithChurn(
      point.time.seconds, ranks, study.mean_seconds_between_failures, study.restart_seconds);
  if (point.time.peers > study.most_peers) {
    point.broken = Breakage::kPeers;
  } else if (point.churn_seconds > kTooMuch * point.time.seconds) {
    point.broken = Breakage::kChurn;
  } else if (point.time.overhead_seconds > kMostOverhead * point.time.seconds) {
    point.broken = Breakage::kMessages;
  }
  return point;
}

// Of one number of ranks and one codec.
void FindSlower(std::span<FleetPoint> points) {
  double best = std::numeric_limits<double>::infinity();
  for (const FleetPoint& point : points) best = std::min(best, point.churn_seconds);
  for (FleetPoint& point : points) {
    if (!point.broken && point.churn_seconds > kTooMuch * best) point.broken = Breakage::kSlower;
  }
}

}  // namespace

std::string_view NameOf(Breakage breakage) { return kNames[static_cast<size_t>(breakage)]; }

std::vector<FleetPoint> RunStudy(const FleetStudy& study,
                                 const std::function<void(const FleetPoint&)>& progress) {
  std::vector<FleetPoint> points;
  for (const int ranks : study.ranks) {
    for (const Codec* codec : study.codecs) {
      const size_t first = points.size();
      for (const std::string& algorithm : study.algorithms) {
        points.push_back(PointOf(study, ranks, *codec, algorithm));
        progress(points.back());
      }
      FindSlower(std::span(points).subspan(first));
    }
  }
  return points;
}

std::optional<int> FirstBroken(const std::vector<FleetPoint>& points, std::string_view algorithm,
                               const Codec* codec, Breakage breakage) {
  for (const FleetPoint& point : points) {
    if (point.algorithm == algorithm && point.codec == codec && point.broken == breakage) {
      return point.ranks;
    }
  }
  return std::nullopt;
}

}  // namespace thinwire
