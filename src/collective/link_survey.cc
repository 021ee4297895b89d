// SPDX-License-Identifier: Apache-2.0
#include "collective/link_survey.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/checked.h"

namespace thinwire {
namespace {

// A train that lost so much was held up by that: its rate is a lower bound.
constexpr float kTellingLoss = 2e-4F;
constexpr double kSegmentSeconds = 1.5e-3;
constexpr size_t kSegmentGrain = size_t{4} << 10;
constexpr size_t kLeastSegmentBytes = size_t{16} << 10;
constexpr size_t kMostSegmentBytes = size_t{256} << 10;
constexpr size_t kUnknownSegmentBytes = size_t{128} << 10;

// 0, 1, 2, 3 ... with the bits in reverse, as a fraction of 1: 0, 1/2, 1/4, 3/4 ...
double Reversed(unsigned number) {
  double fraction = 0;
  for (double place = 0.5; number != 0; number >>= 1, place /= 2) {
    if ((number & 1) != 0) fraction += place;
  }
  return fraction;
}

using Pair = std::pair<int, int>;

double DelayBetween(const LinkModel& links, int a, int b) {
  return a == b ? 0 : links.at(a, b).delay;
}

// The rate of the measured pair nearest to (from, to).
double NearestRate(const LinkModel& links, const std::vector<Pair>& measured, int from, int to) {
  double nearest = std::numeric_limits<double>::infinity();
  double rate = 0;
  for (const auto& [a, b] : measured) {
    const double distance = DelayBetween(links, from, a) + DelayBetween(links, b, to);
    if (distance >= nearest) continue;
    nearest = distance;
    rate = links.at(a, b).rate;
  }
  return rate;
}

// `links` has the rates that were measured; `least` the lower bounds too. Where bounds are all
// there is, the highest stands for all: hosts are taken to be alike until traffic shows which are
// not.
void FillIn(const LinkModel& least, LinkModel* links) {
  const LinkModel known = *links;
  std::vector<Pair> measured;
  std::vector<Pair> missing;
  double highest = 0;
  for (int from = 0; from < links->ranks(); ++from) {
    for (int to = 0; to < links->ranks(); ++to) {
      if (from == to) continue;
      (links->at(from, to).rate > 0 ? measured : missing).emplace_back(from, to);
      highest = std::max(highest, least.at(from, to).rate);
    }
  }
  for (const auto& [from, to] : missing) {
    double rate = measured.empty() ? highest : NearestRate(known, measured, from, to);
    for (const double most : {known.uplink(from), known.downlink(to)}) {
      if (most > 0) rate = std::min(rate, most);
    }
    Link& link = links->at(from, to);
    const double bound = least.at(from, to).rate;
    link.rate = std::max(rate, bound);
    link.origin = link.rate == 0                         ? Link::Origin::kUnknown
                  : measured.empty() || link.rate > rate ? Link::Origin::kAtLeast
                                                         : Link::Origin::kInferred;
  }
}

// Half a round trip, as both ends saw it.
double DelayOf(float one, float other) {
  if (one == 0 || other == 0) return std::max(one, other);
  return std::min(one, other);
}

bool IsSane(const Finding& finding) {
  return std::isfinite(finding.rate) && std::isfinite(finding.delay) && finding.delay >= 0 &&
         finding.loss >= 0 && finding.loss < 1;
}

}  // namespace

std::vector<int> SurveyOrder(int rank, int ranks) {
  std::vector<int> distances(static_cast<size_t>(ranks - 1));
  for (int i = 0; i < ranks - 1; ++i) distances[static_cast<size_t>(i)] = i + 1;
  std::stable_sort(distances.begin(), distances.end(), [](int a, int b) {
    return Reversed(static_cast<unsigned>(a - 1)) < Reversed(static_cast<unsigned>(b - 1));
  });
  for (int& distance : distances) distance = (rank + ranks - distance) % ranks;
  return distances;
}

LinkModel ModelOf(const std::vector<Findings>& findings) {
  const int ranks = static_cast<int>(findings.size());
  const auto finding = [&](int rank, int peer) -> const Finding& {
    return findings[static_cast<size_t>(rank)][static_cast<size_t>(peer)];
  };
  LinkModel links(ranks);
  LinkModel least(ranks);
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      if (from == to) continue;
      const float told = finding(to, from).rate;
      const float rate = finding(from, to).loss < kTellingLoss ? told : 0;
      least.at(from, to).rate = std::abs(told);
      links.at(from, to) = {.rate = std::max(rate, 0.0F),
                            .delay = DelayOf(finding(from, to).delay, finding(to, from).delay),
                            .loss = finding(from, to).loss,
                            .origin = Link::Origin::kMeasured};
    }
  }
  FillIn(least, &links);
  return links;
}

size_t SegmentBytesFor(const LinkModel& links) {
  double slowest = std::numeric_limits<double>::infinity();
  for (int from = 0; from < links.ranks(); ++from) {
    for (int to = 0; to < links.ranks(); ++to) {
      const double rate = links.at(from, to).rate;
      if (from != to && rate > 0) slowest = std::min(slowest, rate);
    }
  }
  if (!std::isfinite(slowest)) return kUnknownSegmentBytes;
  const double bytes = std::min(slowest * kSegmentSeconds, static_cast<double>(kMostSegmentBytes));
  return std::max(kLeastSegmentBytes, RoundUp(static_cast<size_t>(bytes), kSegmentGrain));
}

std::vector<std::byte> PackFindings(const Findings& findings) {
  const auto bytes = std::as_bytes(std::span(findings));
  return {bytes.begin(), bytes.end()};
}

Result<Findings> UnpackFindings(std::span<const std::byte> bytes, int ranks) {
  Findings findings(static_cast<size_t>(ranks));
  if (bytes.size() != std::as_bytes(std::span(findings)).size()) {
    return RemoteError("findings about links in {} bytes are not those of {} ranks", bytes.size(),
                       ranks);
  }
  std::memcpy(findings.data(), bytes.data(), bytes.size());
  for (const Finding& finding : findings) {
    if (!IsSane(finding)) return RemoteError("findings about links name no rate, delay or loss");
  }
  return findings;
}

}  // namespace thinwire
