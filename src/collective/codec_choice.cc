// SPDX-License-Identifier: Apache-2.0
#include "collective/codec_choice.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/units.h"

namespace thinwire {
namespace {

// As in the choice of algorithms: the model is no better than that.
constexpr double kClearlyQuicker = 0.95;

// What `auto` chooses from, the most exact first. Distortion is the largest relative mean squared
// error of one encode over the five distributions that docs/distortion.md measures. Codecs that
// another one of these beats in both bits and error aren't here, nor sparsifiers, whose error is no
// property of a single call.
struct Entry {
  const char* spec;
  double distortion;
  bool feedback;  // loses so much that sums should make up for it, where they can
};
constexpr Entry kEntries[] = {
    {"raw", 0, false},        {"bf16", 2.79e-6, false}, {"q8", 8.11e-5, false},
    {"mxfp6", 1.17e-3, true}, {"rq4", 8.89e-3, true},   {"rq3", 3.43e-2, true},
    {"rq2", 0.119, true},     {"rq1", 0.362, true},
};

const Codec* CodecOf(const Entry& entry, const PlanRequest& request, bool keyed) {
  const std::string spec = entry.spec;
  if (entry.feedback && keyed && Reduces(request.operation)) {
    const Result<const Codec*> with = FindCodec(spec + "+ef");
    if (with.ok()) return with.value();
  }
  return FindCodec(spec).value();
}

// A send or receive: the simulator knows no pairs.
double PairSeconds(const PlanRequest& request, int rank, const Planner& planner) {
  const bool sends = request.operation == Operation::kSend;
  const LinkModel& links = planner.first_links();
  const Link& link = sends ? links.at(rank, request.root) : links.at(request.root, rank);
  const CostModel costs;
  const double rate = (link.rate > 0 ? link.rate : costs.unknown_rate) * kWireEfficiency;
  const size_t bytes = request.codec->EncodedBytes(request.count, request.dtype);
  return static_cast<double>(bytes) / rate + (links.known() ? link.delay : costs.unknown_delay);
}

struct Option {
  const Codec* codec;
  Algorithm algorithm;
  double seconds = std::numeric_limits<double>::infinity();
  double error = 0;
};

// The quickest way for a codec that keeps the error; none: infinitely slow.
Option Quickest(const Entry& entry, const PlanRequest& request, Algorithm only, double error,
                int rank, const Planner& planner) {
  Option best = {.codec = request.codec, .algorithm = only};
  const std::vector<Algorithm> candidates = Planner::Candidates(request.operation, *request.codec);
  for (const Algorithm algorithm : candidates) {
    const bool named = only == Algorithm::kAuto || algorithm == only || candidates.size() == 1;
    const double loss = std::sqrt(entry.distortion * EncodesOf(algorithm, request.ranks));
    if (!named || loss > error) continue;
    const double seconds = IsPointToPoint(request.operation)
                               ? PairSeconds(request, rank, planner)
                               : planner.Predict(request, algorithm).seconds;
    if (seconds < kClearlyQuicker * best.seconds) {
      best = {request.codec, algorithm, seconds, loss};
    }
  }
  return best;
}

std::string Describe(const Option& option) {
  return fmt::format("{} by {} in {} (error {:.2g})", option.codec->spec(),
                     NameOf(option.algorithm), FormatSeconds(option.seconds), option.error);
}

// Of `options`, the most exact first.
const Option& Pick(const CodecTarget& target, const std::vector<Option>& options) {
  if (target.compute_seconds) {
    for (const Option& option : options) {
      if (option.seconds <= *target.compute_seconds) return option;
    }
  }
  const Option* quickest = &options.front();
  for (const Option& option : options) {
    if (option.seconds < kClearlyQuicker * quickest->seconds) quickest = &option;
  }
  return *quickest;
}

}  // namespace

std::string FormatTarget(const CodecTarget& target) {
  std::string text = "auto(";
  if (target.error) text += fmt::format("error={:g}", *target.error);
  if (target.error && target.compute_seconds) text += ",";
  if (target.compute_seconds) {
    text += fmt::format("compute={}", FormatSeconds(*target.compute_seconds));
  }
  return text + ")";
}

int EncodesOf(Algorithm algorithm, int ranks) {
  const int doublings = std::bit_width(static_cast<unsigned>(std::max(ranks - 1, 1)));
  switch (algorithm) {
    case Algorithm::kOneShot:
    case Algorithm::kDirect:
    case Algorithm::kAuto:
      return 1;
    case Algorithm::kSra:  // contributions, then the sum
    case Algorithm::kUnevenSra:
    case Algorithm::kHierarchical:  // inside sites nothing is encoded
      return 2;
    case Algorithm::kGrid:  // and the sums of rows
      return 3;
    case Algorithm::kHalvingDoubling:
    case Algorithm::kRecursiveDoubling:
    case Algorithm::kTree:
    case Algorithm::kDoubleTree:
      return doublings + 1;
    case Algorithm::kRing:  // each rank's partial sum
      return ranks;
  }
  return ranks;
}

CodecChoice ChooseCodec(const CodecTarget& target, PlanRequest request, Algorithm algorithm,
                        bool keyed, int rank, const Planner& planner) {
  const double error = target.error.value_or(std::numeric_limits<double>::infinity());
  std::vector<Option> options;
  for (const Entry& entry : kEntries) {
    request.codec = CodecOf(entry, request, keyed);
    if (!request.codec->Supports(request.dtype)) continue;
    const Option option = Quickest(entry, request, algorithm, error, rank, planner);
    if (std::isfinite(option.seconds)) options.push_back(option);
    // Later ones are less exact: no need to know how quick they are.
    if (target.compute_seconds && option.seconds <= *target.compute_seconds) break;
  }
  if (options.empty()) return {};  // the planner will say what is wrong with the algorithm
  const Option& picked = Pick(target, options);
  CodecChoice choice = {.codec = picked.codec,
                        .algorithm = picked.algorithm,
                        .seconds = picked.seconds,
                        .error = picked.error,
                        .reason = Describe(picked)};
  for (const Option& option : options) {
    if (&option != &picked) choice.reason += "; not " + Describe(option);
  }
  return choice;
}

}  // namespace thinwire
