// SPDX-License-Identifier: Apache-2.0
#include "placement.h"

#include <algorithm>

#include "stage_order.h"

namespace thinwire::plan {
namespace {

constexpr int kThereAndBack = 2;

// A pair at its worse in either direction, as collectives and training go both.
Link BothWays(const LinkModel& links, int host, int other) {
  const Link& there = links.at(host, other);
  const Link& back = links.at(other, host);
  return {.rate = std::min(there.rate, back.rate), .delay = std::max(there.delay, back.delay)};
}

bool SameLinks(const LinkModel& links, int host, int other) {
  const auto same = [](const Link& one, const Link& two) {
    return one.rate == two.rate && one.delay == two.delay;
  };
  for (int peer = 0; peer < links.ranks(); ++peer) {
    if (peer == host || peer == other) continue;
    if (!same(links.at(host, peer), links.at(other, peer))) return false;
    if (!same(links.at(peer, host), links.at(peer, other))) return false;
  }
  return links.nic(host) == links.nic(other) && same(links.at(host, other), links.at(other, host));
}

StageOrder OrderOf(std::span<const StageLink> between, const TrainingJob& job) {
  std::vector<double> first;
  std::vector<double> repeated;
  for (const StageLink& link : between) {
    first.push_back(link.message_seconds);
    repeated.push_back(link.transmit_seconds);
  }
  return BestOrder(first, repeated, job.micro_batches - 1, job.stages);
}

}  // namespace

Result<PlacementModel> PlacementModel::Make(const LinkModel& links, const TrainingJob& job,
                                            Sends sends) {
  if (job.stages < 1 || job.stages > kMostStages) {
    return InvalidArgument("{} stages: place from 1 to {}", job.stages, kMostStages);
  }
  if (job.replicas < 1 || job.micro_batches < 1) {
    return InvalidArgument("{} replicas, {} micro-batches: there must be one or more of each",
                           job.replicas, job.micro_batches);
  }
  if (job.hosts() != links.ranks()) {
    return InvalidArgument("{} stages of {} replicas take {} hosts, but there are {}", job.stages,
                           job.replicas, job.hosts(), links.ranks());
  }
  for (int host = 0; host < links.ranks(); ++host) {
    for (int other = 0; other < links.ranks(); ++other) {
      if (host != other && links.at(host, other).rate <= 0) {
        return InvalidArgument("the rate from host {} to host {} is not known", host, other);
      }
    }
  }
  return PlacementModel(links, job, sends);
}

PlacementModel::PlacementModel(const LinkModel& links, const TrainingJob& job, Sends sends)
    : job_(job),
      sends_(sends),
      pairs_(Index(job.hosts() * job.hosts())),
      kind_(Index(job.hosts())) {
  // A batch in one message is one large micro-batch.
  if (sends == Sends::kSerial) {
    job_.activation_bytes *= job.micro_batches;
    job_.micro_batches = 1;
  }
  const double share = job_.gradient_bytes / job_.replicas;
  const double shares_sent = share * (job_.replicas - 1);
  for (int host = 0; host < hosts(); ++host) {
    const double card = std::min(links.uplink(host), links.downlink(host));
    for (int other = 0; other < hosts(); ++other) {
      if (other == host) continue;
      Pair& pair = pairs_[Index(host * hosts() + other)];
      const Link link = BothWays(links, host, other);
      pair.share_seconds = link.delay + share / link.rate;
      if (sends == Sends::kParallel) {
        pair.share_seconds = std::max(pair.share_seconds, link.delay + shares_sent / card);
      }
      pair.transmit_seconds = job_.activation_bytes / link.rate;
      pair.message_seconds = link.delay + pair.transmit_seconds;
      pair.batch_seconds = pair.message_seconds + (job_.micro_batches - 1) * pair.transmit_seconds;
    }
    kind_[Index(host)] = host;
    for (int other = host - 1; other >= 0; --other) {
      if (SameLinks(links, host, other)) kind_[Index(host)] = kind_[Index(other)];
    }
  }
}

std::span<const int> PlacementModel::Group(const Placement& placement, int stage) const {
  return std::span(placement).subspan(Index(stage * job_.replicas), Index(job_.replicas));
}

double PlacementModel::GradientSeconds(std::span<const int> group) const {
  double slowest = 0;
  for (const int host : group) {
    double seconds = 0;
    for (const int peer : group) {
      if (peer == host) continue;
      const double share = at(host, peer).share_seconds;
      seconds = sends_ == Sends::kSerial ? seconds + share : std::max(seconds, share);
    }
    slowest = std::max(slowest, seconds);
  }
  return kThereAndBack * slowest;
}

std::vector<int> PlacementModel::Partners(std::span<const int> group,
                                          std::span<const int> next) const {
  std::vector<double> seconds;
  seconds.reserve(group.size() * next.size());
  for (const int host : group) {
    for (const int peer : next) seconds.push_back(at(host, peer).batch_seconds);
  }
  return BottleneckPartners(seconds, job_.replicas);
}

StageLink PlacementModel::LinkOf(std::span<const int> group, std::span<const int> next) const {
  const std::vector<int> partners = Partners(group, next);
  StageLink link;
  for (size_t i = 0; i < group.size(); ++i) {
    const Pair& pair = at(group[i], next[Index(partners[i])]);
    link.message_seconds = std::max(link.message_seconds, pair.message_seconds);
    link.transmit_seconds = std::max(link.transmit_seconds, pair.transmit_seconds);
  }
  return link;
}

double PlacementModel::ActivationSeconds(std::span<const StageLink> between) const {
  return kThereAndBack * OrderOf(between, job_).cost;
}

std::vector<StageLink> PlacementModel::Between(const Placement& placement) const {
  std::vector<StageLink> between(Index(job_.stages * job_.stages));
  for (int stage = 0; stage < job_.stages; ++stage) {
    for (int other = 0; other < stage; ++other) {
      const StageLink link = LinkOf(Group(placement, stage), Group(placement, other));
      between[Index(stage * job_.stages + other)] = link;
      between[Index(other * job_.stages + stage)] = link;
    }
  }
  return between;
}

PlacementCost PlacementModel::CostOf(const Placement& placement) const {
  PlacementCost cost;
  for (int stage = 0; stage < job_.stages; ++stage) {
    const double seconds = GradientSeconds(Group(placement, stage));
    cost.gradient_seconds = std::max(cost.gradient_seconds, seconds);
  }
  cost.activation_seconds = ActivationSeconds(Between(placement));
  return cost;
}

Placement PlacementModel::Wired(const Placement& placement) const {
  Placement wired;
  for (const int stage : OrderOf(Between(placement), job_).stages) {
    const std::span<const int> group = Group(placement, stage);
    if (wired.empty()) {
      wired.assign(group.begin(), group.end());
      continue;
    }
    const Placement last(wired.end() - job_.replicas, wired.end());
    for (const int partner : Partners(last, group)) wired.push_back(group[Index(partner)]);
  }
  return wired;
}

}  // namespace thinwire::plan
