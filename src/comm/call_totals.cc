// SPDX-License-Identifier: Apache-2.0
#include "comm/call_totals.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace thinwire {
namespace {

constexpr size_t kRecent = 1024;
constexpr double kClearlyLate = 0.1;  // of a call's time
// Loss that is rarer shows in no call.
constexpr double kLeastLoss = 1e-5;

constexpr std::array<std::string_view, 9> kNames = {"latency", "link rate",   "codec on CPU",
                                                    "device",  "late peer",   "other calls",
                                                    "loss",    "slower link", "unknown links"};

}  // namespace

std::string_view NameOf(Bound bound) { return kNames[static_cast<size_t>(bound)]; }

Verdict BoundOf(const CallTimes& times) {
  const double excess = times.total - std::max({times.predicted, times.codec, times.device}) -
                        times.late - times.overlapped;
  const Bound unexplained = times.predicted == 0       ? Bound::kUnknownLinks
                            : times.loss >= kLeastLoss ? Bound::kLoss
                                                       : Bound::kSlowerLink;
  // Of equals, the first.
  const std::array<Verdict, 7> candidates = {{{Bound::kRate, times.transfer},
                                              {Bound::kLatency, times.latency},
                                              {Bound::kCodec, times.codec},
                                              {Bound::kDevice, times.device},
                                              {Bound::kLatePeer, times.late},
                                              {Bound::kOtherCalls, times.overlapped},
                                              {unexplained, excess}}};
  Verdict most = *std::ranges::max_element(candidates, {}, &Verdict::seconds);
  if (most.seconds <= 0) most.bound = unexplained;
  most.seconds = std::clamp(most.seconds, 0.0, times.total);
  return most;
}

double CallGroup::MedianSeconds() const {
  if (recent.empty()) return 0;
  std::vector<float> sorted = recent;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

CallTimes CallGroup::Mean() const {
  const auto each = static_cast<double>(std::max<uint64_t>(calls, 1));
  CallTimes mean = times;
  for (double* seconds : {&mean.total, &mean.predicted, &mean.latency, &mean.transfer, &mean.codec,
                          &mean.device, &mean.late, &mean.overlapped}) {
    *seconds /= each;
  }
  return mean;
}

void CallTotals::Add(const EndedCall& call, const std::vector<Link>& links) {
  const PlanRequest& request = call.plan->request;
  const auto size_bits = static_cast<int>(std::bit_width(request.count * SizeOf(request.dtype)));
  CallGroup& group = groups_[{request.operation, size_bits, request.codec, call.plan->algorithm}];
  const TimePoint before = std::exchange(last_end_, std::max(last_end_, call.ended));
  if (call.note != nullptr && !call.note->exact_because.empty()) {
    ++exact_because_[call.note->exact_because];
  }
  if (!call.status.ok()) {
    ++group.failures;
    if (failures_++ == 0) failure_ = call.status.message();
    return;
  }
  const CallNote note = call.note != nullptr ? *call.note : CallNote{};
  const double total = call.figures.total_seconds;
  if (group.recent.size() < kRecent) group.recent.push_back(0);
  group.recent[group.calls++ % kRecent] = static_cast<float>(total);
  group.request = request;
  group.on_device = call.on_device;
  group.sum += call.figures;
  CallTimes& times = group.times;
  times.total += total;
  times.predicted += note.predicted_seconds;
  times.latency += note.latency_seconds;
  times.transfer += note.transfer_seconds;
  times.codec += call.figures.encode_seconds + call.figures.decode_seconds;
  times.device += call.figures.device_seconds;
  // Only time beyond the prediction can be anybody's fault; without one nothing is known of peers,
  // whose frames may be on their way for any time. Ranks of another communicator, between sites,
  // have other links.
  double spare = std::max(total - note.predicted_seconds, 0.0);
  const bool own_ranks = links.size() == static_cast<size_t>(request.ranks);
  if (call.last_peer >= 0 && note.predicted_seconds > 0 && own_ranks) {
    const double delay = links[static_cast<size_t>(call.last_peer)].delay;
    const double late = std::clamp(call.last_peer_seconds - delay, 0.0, spare);
    if (late >= kClearlyLate * total) {
      CallGroup::Late& of_peer = group.late[call.last_peer];
      ++of_peer.calls;
      of_peer.seconds += late;
    }
    times.late += late;
    spare -= late;
  }
  if (before > call.began) times.overlapped += std::min(ToSeconds(before - call.began), spare);
  for (const Link& link : links) times.loss = std::max(times.loss, link.loss);
}

}  // namespace thinwire
