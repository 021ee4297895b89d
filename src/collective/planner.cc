// SPDX-License-Identifier: Apache-2.0
#include "collective/planner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/checked.h"
#include "base/units.h"
#include "collective/algorithms.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

// A training loop repeats a few dozen shapes; past this many the oldest plans are as good as gone.
constexpr size_t kCachedPlans = 512;
// The choice between algorithms doesn't need the last segment: fewer make it quick for many ranks.
constexpr size_t kSegmentsSimulated = 16;
constexpr size_t kFramesSimulated = 60'000;
// Candidates stand in order of preference (fewer hops and encodes): a later one must be this much
// quicker to be chosen, for the model is no better than that.
constexpr double kClearlyQuicker = 0.95;
// Past this the plans of all ranks take seconds to make.
constexpr int kMaxRanksSimulated = 256;
// Segments are rounded up to whole chunks of the codec, which are far smaller than the other half.
constexpr size_t kMaxSegmentBytes = kMaxPayloadBytes / 2;

bool IsEmpty(const PlanRequest& request) {
  return request.count == 0 && request.operation != Operation::kBarrier &&
         !IsPointToPoint(request.operation);
}

// Whether a sum is encoded to the same bytes on whichever ranks that is done.
bool EncodesAlikeEverywhere(const Codec& codec) {
  return codec.exact() || codec.sums_exactly() ||
         (codec.feedback() == Feedback::kNone && !codec.shape().random);
}

size_t MessagesOf(const std::vector<Plan>& plans) {
  size_t messages = 0;
  for (const Plan& plan : plans) {
    messages += static_cast<size_t>(std::ranges::count_if(
        plan.steps, [](const Step& step) { return step.verb == Verb::kSend; }));
  }
  return messages;
}

std::string Describe(const Prediction& prediction) {
  const CriticalPath& path = prediction.path;
  return fmt::format("{}, {}{}: {} hop{} take{} {} and {} {}", NameOf(prediction.algorithm),
                     prediction.simulated ? "" : "at least ", FormatSeconds(prediction.seconds),
                     path.hops, path.hops == 1 ? "" : "s", path.hops == 1 ? "s" : "",
                     FormatSeconds(path.latency_seconds), FormatBytes(prediction.wire_bytes),
                     FormatSeconds(path.transfer_seconds));
}

// The winner first, the others from the quickest on.
void Rank(std::vector<Prediction>* predictions, size_t winner) {
  const auto first = predictions->begin();
  std::rotate(first, first + static_cast<std::ptrdiff_t>(winner),
              first + static_cast<std::ptrdiff_t>(winner) + 1);
  std::stable_sort(first + 1, predictions->end(),
                   [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
}

// Of predictions in order of preference.
size_t WinnerOf(const std::vector<Prediction>& predictions) {
  size_t winner = 0;
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (predictions[i].seconds >= kClearlyQuicker * best) continue;
    best = predictions[i].seconds;
    winner = i;
  }
  return winner;
}

}  // namespace

std::string Choice::Reason() const {
  if (ranked.empty()) return "nothing to do";
  std::string text = Describe(best());
  if (ranked.size() > 1) text += "; next is " + Describe(ranked[1]);
  return text;
}

Planner::Planner(LinkModel links, CostModel costs, size_t segment_bytes)
    : first_(std::move(links)),
      now_(first_),
      costs_(costs),
      segment_bytes_(std::min(segment_bytes, kMaxSegmentBytes)) {}

void Planner::Adopt(LinkModel links) {
  now_ = World(std::move(links));
  plans_.clear();
  choices_.clear();
}

std::vector<Algorithm> Planner::Candidates(Operation operation, const Codec& codec) {
  using enum Algorithm;
  // Forwarded, differences would pass through ranks that can't say them again in full.
  const bool forwards = codec.feedback() != Feedback::kReference;
  switch (operation) {
    case Operation::kAllReduce: {
      if (!forwards) return {kSra, kOneShot};
      std::vector<Algorithm> all = {kSra, kOneShot, kHierarchical, kGrid, kHalvingDoubling};
      // State is kept by chunk, which must then stay as large as it is.
      if (codec.feedback() == Feedback::kNone) all.push_back(kUnevenSra);
      if (EncodesAlikeEverywhere(codec)) all.push_back(kRecursiveDoubling);
      all.insert(all.end(), {kDoubleTree, kRing});
      return all;
    }
    case Operation::kReduceScatter:
    case Operation::kAllGather:
      if (!forwards) return {kDirect};
      return {kDirect, kHierarchical, kGrid, kHalvingDoubling, kRing};
    case Operation::kBroadcast:
    case Operation::kReduce:
      if (!forwards) return {kDirect};
      return {kDirect, kSra, kHierarchical, kTree, kDoubleTree, kRing};
    case Operation::kAllToAll:
      if (!forwards) return {kDirect};
      return {kDirect, kHierarchical, kGrid};
    case Operation::kBarrier:
    case Operation::kSend:
    case Operation::kRecv:
      break;
  }
  return {kDirect};
}

Algorithm Planner::Asked(Operation operation, Algorithm algorithm) {
  const std::vector<Algorithm> all = Candidates(operation);
  const bool has = std::ranges::find(all, algorithm) != all.end();
  return has || operation == Operation::kAllReduce ? algorithm : Algorithm::kAuto;
}

std::vector<Algorithm> Planner::Contenders(const PlanRequest& request) const {
  std::vector<Algorithm> contenders = Candidates(request.operation, *request.codec);
  const Topology& topology = WorldOf(request).topology;
  std::erase_if(contenders, [&](Algorithm algorithm) {
    return (algorithm == Algorithm::kHierarchical && !topology.has_sites()) ||
           (algorithm == Algorithm::kUnevenSra && !topology.uneven()) ||
           (algorithm == Algorithm::kGrid && GridOf(request.ranks).size() == 1);
  });
  return contenders;
}

void Planner::Emit(const PlanRequest& request, Algorithm algorithm, int rank,
                   PlanBuilder* plan) const {
  const Topology& topology = WorldOf(request).topology;
  switch (algorithm) {
    case Algorithm::kOneShot:
      return EmitOneShot(request, rank, plan);
    case Algorithm::kSra:
      return EmitSra(request, rank, plan);
    case Algorithm::kUnevenSra:
      return EmitUnevenSra(request, topology.weights, rank, plan);
    case Algorithm::kRing:
      return EmitRing(request, topology.ring, rank, plan);
    case Algorithm::kGrid:
    case Algorithm::kHierarchical: {
      const bool sites = algorithm == Algorithm::kHierarchical;
      const Groups groups = sites ? topology.sites : GridOf(request.ranks);
      if (request.operation == Operation::kAllToAll) {
        return EmitAllToAll(request, groups, rank, plan);
      }
      return EmitGrouped(request, groups, /*uncoded_inside=*/sites, rank, plan);
    }
    case Algorithm::kHalvingDoubling:
      return EmitHalvingDoubling(request, rank, plan);
    case Algorithm::kRecursiveDoubling:
      return EmitRecursiveDoubling(request, rank, plan);
    case Algorithm::kTree:
      return EmitTree(request, rank, plan);
    case Algorithm::kDoubleTree:
      return EmitDoubleTree(request, rank, plan);
    case Algorithm::kDirect:
    case Algorithm::kAuto:
      return EmitDirect(request, rank, plan);
  }
}

Plan Planner::Make(const PlanRequest& request, Algorithm algorithm, int rank, size_t segment_bytes,
                   size_t max_segments) const {
  PlanBuilder builder(request, algorithm, rank);
  if (!IsEmpty(request)) {
    if (request.ranks == 1 && !IsPointToPoint(request.operation)) {
      builder.Copy(0, 0, ElementsOf(request.operation, request.count, request.ranks).output);
    } else {
      Emit(request, algorithm, rank, &builder);
    }
  }
  return std::move(builder).Build(segment_bytes, max_segments);
}

std::vector<Plan> Planner::MakeAll(const PlanRequest& request, Algorithm algorithm) const {
  std::vector<Plan> plans;
  for (int rank = 0; rank < request.ranks; ++rank) {
    plans.push_back(Make(request, algorithm, rank, segment_bytes_, kSegmentsSimulated));
  }
  return plans;
}

Simulation Planner::Predict(const PlanRequest& request, Algorithm algorithm) const {
  std::vector<Plan> plans = MakeAll(request, algorithm);
  const size_t segments = std::max<size_t>(kFramesSimulated / (MessagesOf(plans) + 1), 1);
  if (segments < kSegmentsSimulated) {
    size_t longest = 0;
    for (const Step& step : plans.front().steps) longest = std::max(longest, step.count);
    const size_t elements = RoundUp(CeilDivide(longest, segments) + 1, request.codec->granule());
    for (Plan& plan : plans) plan.segment_elements = std::max(plan.segment_elements, elements);
  }
  return Simulate(plans, WorldOf(request).links, costs_);
}

Prediction Planner::BoundOf(const PlanRequest& request, Algorithm algorithm) const {
  Prediction prediction;
  prediction.algorithm = algorithm;
  if (request.ranks <= kMaxRanksSimulated) {
    prediction.path = CriticalPathOf(MakeAll(request, algorithm), WorldOf(request).links, costs_);
    prediction.seconds = prediction.path.seconds();
  } else {
    for (const int rank : {request.root, (request.root + 1) % request.ranks}) {
      const Plan plan = Make(request, algorithm, rank, segment_bytes_, kSegmentsSimulated);
      const CriticalPath path = CriticalPathOf(plan, WorldOf(request).links, costs_);
      const double seconds = path.latency_seconds + path.transfer_seconds;
      if (seconds <= prediction.seconds) continue;
      prediction.seconds = seconds;
      prediction.path = path;
    }
  }
  prediction.wire_bytes = prediction.path.wire_bytes;
  return prediction;
}

void Planner::SimulateInto(const PlanRequest& request, Prediction* prediction) const {
  if (request.ranks > kMaxRanksSimulated) return;
  const Simulation simulation = Predict(request, prediction->algorithm);
  prediction->simulated = true;
  prediction->seconds = simulation.seconds;
  prediction->wire_bytes = *std::ranges::max_element(simulation.wire_bytes);
}

Prediction Planner::PredictionOf(const PlanRequest& request, Algorithm algorithm) const {
  Prediction prediction = BoundOf(request, algorithm);
  SimulateInto(request, &prediction);
  return prediction;
}

Choice Planner::Compare(const PlanRequest& request, bool all) const {
  std::vector<Prediction> predictions;
  for (const Algorithm algorithm : Contenders(request)) {
    predictions.push_back(BoundOf(request, algorithm));
  }
  // Whatever promises most is simulated first; those that can't win against it needn't be.
  std::vector<size_t> order(predictions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return predictions[a].seconds < predictions[b].seconds;
  });
  double best = std::numeric_limits<double>::infinity();
  size_t best_at = 0;
  for (const size_t i : order) {
    Prediction& prediction = predictions[i];
    const double limit = i < best_at ? best / kClearlyQuicker : best * kClearlyQuicker;
    if (!all && prediction.seconds >= limit) continue;
    SimulateInto(request, &prediction);
    if (prediction.seconds < best) {
      best = prediction.seconds;
      best_at = i;
    }
  }
  // What was left out for its bound must not win by it.
  for (Prediction& prediction : predictions)
    prediction.seconds = std::max(prediction.seconds, best);
  Rank(&predictions, WinnerOf(predictions));
  return {std::move(predictions)};
}

Planner::RequestKey Planner::KeyOf(const PlanRequest& request) {
  return {request.operation, request.dtype, request.reduction, request.count,
          request.root,      request.codec, request.absent};
}

std::shared_ptr<const Choice> Planner::Explain(const PlanRequest& request, bool all) {
  const std::pair key(KeyOf(request), all);
  if (const auto found = choices_.find(key); found != choices_.end()) return found->second;
  const bool nothing = IsEmpty(request) || request.ranks == 1 || IsPointToPoint(request.operation);
  auto choice = std::make_shared<const Choice>(nothing ? Choice{} : Compare(request, all));
  if (choices_.size() >= kCachedPlans) choices_.clear();
  choices_.emplace(key, choice);
  return choice;
}

Result<std::shared_ptr<const Plan>> Planner::PlanFor(const PlanRequest& request,
                                                     Algorithm algorithm, int rank) {
  const PlanKey key(KeyOf(request), algorithm, rank);
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  const std::vector<Algorithm> candidates = Candidates(request.operation, *request.codec);
  if (!request.absent.empty()) {
    if (request.operation != Operation::kAllReduce) {
      return InvalidArgument("{} needs all ranks", NameOf(request.operation));
    }
    algorithm = Algorithm::kSra;
  } else if (algorithm == Algorithm::kAuto) {
    algorithm = candidates.front();
    if (candidates.size() > 1) {
      const auto choice = Explain(request);
      if (!choice->ranked.empty()) algorithm = choice->best().algorithm;
    }
  } else if (std::find(candidates.begin(), candidates.end(), algorithm) == candidates.end()) {
    return InvalidArgument("algorithm {} can't do {} in {}; {} can", NameOf(algorithm),
                           NameOf(request.operation), request.codec->spec(),
                           NameOf(candidates.front()));
  }
  auto plan =
      std::make_shared<const Plan>(Make(request, algorithm, rank, segment_bytes_, ~size_t{0}));
  if (plans_.size() >= kCachedPlans) plans_.clear();
  plans_.emplace(key, plan);
  return std::shared_ptr<const Plan>(plan);
}

}  // namespace thinwire
