// SPDX-License-Identifier: Apache-2.0
#include "collective/planner.h"

#include <algorithm>
#include <limits>

#include "collective/algorithms.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

// A training loop repeats a few dozen shapes; past this many the oldest plans are as good as gone.
constexpr size_t kCachedPlans = 512;
// The choice between algorithms doesn't need the last segment: fewer make it quick for many ranks.
constexpr size_t kSegmentsSimulated = 16;
// Candidates stand in order of preference (fewer hops and encodes): a later one must be this much
// quicker to be chosen, for the model is no better than that.
constexpr double kClearlyQuicker = 0.95;
// Segments are rounded up to whole chunks of the codec, which are far smaller than the other half.
constexpr size_t kMaxSegmentBytes = kMaxPayloadBytes / 2;

bool IsEmpty(const PlanRequest& request) {
  return request.count == 0 && request.operation != Operation::kBarrier &&
         !IsPointToPoint(request.operation);
}

size_t OutputElements(const PlanRequest& request) {
  const bool gathers = request.operation == Operation::kAllGather;
  return request.count * (gathers ? static_cast<size_t>(request.ranks) : 1);
}

}  // namespace

Planner::Planner(LinkModel links, CostModel costs, size_t segment_bytes)
    : links_(links),
      first_links_(std::move(links)),
      costs_(costs),
      segment_bytes_(std::min(segment_bytes, kMaxSegmentBytes)) {}

void Planner::Adopt(LinkModel links) {
  links_ = std::move(links);
  plans_.clear();
}

std::vector<Algorithm> Planner::Candidates(Operation operation, const Codec& codec) {
  if (operation != Operation::kAllReduce) return {Algorithm::kDirect};
  // Round a ring, differences would pass through ranks that can't say them again in full.
  if (codec.feedback() == Feedback::kReference) return {Algorithm::kSra, Algorithm::kOneShot};
  return {Algorithm::kSra, Algorithm::kOneShot, Algorithm::kRing};
}

Plan Planner::Make(const PlanRequest& request, Algorithm algorithm, int rank,
                   size_t segment_bytes) const {
  PlanBuilder builder(request, algorithm, rank);
  if (IsEmpty(request)) return std::move(builder).Build(segment_bytes);
  if (request.ranks == 1 && !IsPointToPoint(request.operation)) {
    builder.Copy(0, 0, OutputElements(request));
    return std::move(builder).Build(segment_bytes);
  }
  switch (algorithm) {
    case Algorithm::kOneShot:
      EmitOneShot(request, rank, &builder);
      break;
    case Algorithm::kSra:
      EmitSra(request, rank, &builder);
      break;
    case Algorithm::kRing:
      EmitRing(request, rank, &builder);
      break;
    case Algorithm::kDirect:
    case Algorithm::kAuto:
      EmitDirect(request, rank, &builder);
      break;
  }
  return std::move(builder).Build(segment_bytes);
}

Simulation Planner::Predict(const PlanRequest& request, Algorithm algorithm) const {
  const size_t bytes = request.codec->EncodedBytes(request.count, request.dtype);
  const size_t segment_bytes =
      std::max(segment_bytes_, bytes / kSegmentsSimulated / static_cast<size_t>(request.ranks));
  std::vector<Plan> plans;
  for (int rank = 0; rank < request.ranks; ++rank) {
    plans.push_back(Make(request, algorithm, rank, segment_bytes));
  }
  return Simulate(plans, links_, costs_);
}

Algorithm Planner::Choose(const PlanRequest& request) {
  const std::vector<Algorithm> candidates = Candidates(request.operation, *request.codec);
  if (candidates.size() == 1 || IsEmpty(request) || request.ranks == 1) return candidates.front();
  Algorithm best = candidates.front();
  double best_seconds = std::numeric_limits<double>::infinity();
  for (const Algorithm candidate : candidates) {
    const double seconds = Predict(request, candidate).seconds;
    if (seconds < kClearlyQuicker * best_seconds) {
      best_seconds = seconds;
      best = candidate;
    }
  }
  return best;
}

Result<std::shared_ptr<const Plan>> Planner::PlanFor(const PlanRequest& request,
                                                     Algorithm algorithm, int rank) {
  const Key key(request.operation, request.dtype, request.reduction, request.count, request.root,
                request.codec, algorithm, rank);
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  const std::vector<Algorithm> candidates = Candidates(request.operation, *request.codec);
  if (algorithm == Algorithm::kAuto) {
    algorithm = Choose(request);
  } else if (std::find(candidates.begin(), candidates.end(), algorithm) == candidates.end()) {
    return InvalidArgument("algorithm {} can't do {} in {}; {} can", NameOf(algorithm),
                           NameOf(request.operation), request.codec->spec(),
                           NameOf(candidates.front()));
  }
  auto plan = std::make_shared<const Plan>(Make(request, algorithm, rank, segment_bytes_));
  if (plans_.size() >= kCachedPlans) plans_.clear();
  plans_.emplace(key, plan);
  return std::shared_ptr<const Plan>(plan);
}

}  // namespace thinwire
