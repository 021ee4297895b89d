// SPDX-License-Identifier: Apache-2.0
#include "comm/link_refresh.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace thinwire {
namespace {

// Links that changed less are as good as the same: plans stay in the cache.
constexpr double kChange = 0.25;
constexpr double kChangeSeconds = 1e-3;
constexpr double kChangeLoss = 5e-4;
// Among sequences of operations that were captured, which programs don't get to.
constexpr uint64_t kGatherSequence = kCapturedSequence | uint64_t{1} << 62;

bool Differ(double a, double b, double slack) {
  return std::abs(a - b) > kChange * std::max(a, b) + slack;
}

}  // namespace

LinkRefresh::LinkRefresh(int rank, const LinkModel& links) : rank_(rank), ranks_(links.ranks()) {
  for (int r = 0; r < ranks_; ++r) learns_ |= links.uplink(r) > 0;
}

Result<std::optional<LinkModel>> LinkRefresh::Take(const LinkModel& current) {
  std::optional<LinkModel> fresh;
  if (completion_ == nullptr) return fresh;
  TW_TRY(completion_->Wait());
  LinkModel learned = current;
  bool differs = false;
  double call_seconds = kInterval;  // the quickest rank's
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      const Finding& finding = all_[static_cast<size_t>(from * ranks_ + to)];
      Link& link = learned.at(from, to);
      if (from == to) call_seconds = std::min<double>(call_seconds, finding.delay);
      if (from == to || finding.rate <= 0) continue;
      if (Differ(link.rate, finding.rate, 0)) link.origin = Link::Origin::kLearned;
      differs |= Differ(link.rate, finding.rate, 0) ||
                 Differ(link.delay, finding.delay, kChangeSeconds) ||
                 Differ(link.loss, finding.loss, kChangeLoss);
      link.rate = finding.rate;
      link.delay = finding.delay;
      link.loss = finding.loss;
    }
  }
  const double calls = kInterval / std::max(call_seconds, kInterval / kMostCalls);
  interval_ = std::max(kCalls, static_cast<uint64_t>(calls));
  if (differs) fresh = std::move(learned);
  return fresh;
}

PlanRequest LinkRefresh::request() const {
  PlanRequest request;
  request.operation = Operation::kAllGather;
  request.dtype = DataType::kUint8;
  request.count = static_cast<size_t>(ranks_) * sizeof(Finding);
  request.ranks = ranks_;
  return request;
}

Collective LinkRefresh::Start(std::shared_ptr<const Plan> plan, std::span<const Link> learned) {
  const auto calls = static_cast<double>(std::max<uint64_t>(calls_ - begun_calls_, 1));
  const double seconds = ToSeconds(Now() - began_) / calls;
  began_ = Now();
  begun_calls_ = calls_;
  next_ = calls_ + interval_;
  mine_.clear();
  for (const Link& link : learned) {
    mine_.push_back({static_cast<float>(link.rate), static_cast<float>(link.delay),
                     static_cast<float>(link.loss)});
  }
  mine_[static_cast<size_t>(rank_)] = {0, static_cast<float>(seconds), 0};
  all_.assign(static_cast<size_t>(ranks_) * static_cast<size_t>(ranks_), {});
  Collective gathering;
  gathering.plan = std::move(plan);
  gathering.input = mine_.data();
  gathering.output = all_.data();
  gathering.sequence = kGatherSequence | number_++;
  gathering.counted = false;
  return gathering;
}

}  // namespace thinwire
