// SPDX-License-Identifier: Apache-2.0
//
// Which host of a slow network takes which part of a training job, and what the job's messages then
// take. Stages of a pipeline pass micro-batches on; the replicas of a stage sum their gradients.
// The cost model is that of DT-FM (Yuan et al. 2022, "Decentralized Training of Foundation Models
// in Heterogeneous Environments"), and a second reading of it for transports that send to all peers
// at once. Method and formulas: docs/placement.md.

#ifndef THINWIRE_BENCH_PLAN_PLACEMENT_H_
#define THINWIRE_BENCH_PLAN_PLACEMENT_H_

#include <span>
#include <vector>

#include "base/status.h"
#include "collective/link_model.h"

namespace thinwire::plan {

// More would make the exact search for an order of stages too slow: it takes 2^stages * stages^2.
inline constexpr int kMostStages = 16;

struct TrainingJob {
  int stages = 8;
  int replicas = 8;             // of each stage
  double gradient_bytes = 0;    // on the wire, of one stage
  double activation_bytes = 0;  // on the wire, of one micro-batch from one stage to the next
  int micro_batches = 1;
  int hosts() const { return stages * replicas; }
};

enum class Sends {
  kSerial,    // to one peer after the other, a batch in one message: as DT-FM counts
  kParallel,  // to all peers at once as far as the host's link carries it, micro-batches in a
              // stream
};

// placement[stage * replicas + replica] = host.
using Placement = std::vector<int>;

struct PlacementCost {
  double gradient_seconds = 0;    // of the slowest stage
  double activation_seconds = 0;  // there and back
  double total() const { return gradient_seconds + activation_seconds; }
};

// The messages from one stage to another over the pairs of hosts that the slowest pair is best of.
struct StageLink {
  double message_seconds = 0;   // of one micro-batch, latency included
  double transmit_seconds = 0;  // of one micro-batch, latency not included
};

class PlacementModel {
 public:
  // Copies what it needs of `links`. kInvalidArgument: a job that doesn't fit the hosts, or links
  // without rates.
  static Result<PlacementModel> Make(const LinkModel& links, const TrainingJob& job, Sends sends);

  const TrainingJob& job() const { return job_; }
  int hosts() const { return job_.hosts(); }
  // Whether to swap two hosts changes nothing.
  bool Alike(int host, int other) const { return kind_[Index(host)] == kind_[Index(other)]; }
  // Seconds of one micro-batch between two hosts, the slower way.
  double MessageSeconds(int host, int other) const { return at(host, other).message_seconds; }

  // The parts of a cost, for who changes placements a little at a time.
  double GradientSeconds(std::span<const int> group) const;
  StageLink LinkOf(std::span<const int> group, std::span<const int> next) const;
  // Of the best order of stages; `between` is stages x stages.
  double ActivationSeconds(std::span<const StageLink> between) const;

  // Stages may pass on in any order, and their hosts in any pairs: the best of both is taken.
  PlacementCost CostOf(const Placement& placement) const;
  // The same hosts in the same groups, stages in the best order, and each replica of a stage
  // passing on to the same replica of the next.
  Placement Wired(const Placement& placement) const;

 private:
  struct Pair {
    double share_seconds = 0;    // to send a replica's share of a stage's gradients
    double message_seconds = 0;  // as in StageLink
    double transmit_seconds = 0;
    double batch_seconds = 0;  // all micro-batches in a row: what pairs of hosts are chosen by
  };

  PlacementModel(const LinkModel& links, const TrainingJob& job, Sends sends);
  static size_t Index(int value) { return static_cast<size_t>(value); }
  const Pair& at(int host, int other) const { return pairs_[Index(host * hosts() + other)]; }
  std::span<const int> Group(const Placement& placement, int stage) const;
  // partner[i] = which of `next` takes over from group[i], so that the slowest pair is quickest.
  std::vector<int> Partners(std::span<const int> group, std::span<const int> next) const;
  std::vector<StageLink> Between(const Placement& placement) const;

  TrainingJob job_;
  Sends sends_;
  std::vector<Pair> pairs_;
  std::vector<int> kind_;  // hosts of a kind have the same links
};

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_PLACEMENT_H_
