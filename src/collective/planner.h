// SPDX-License-Identifier: Apache-2.0
//
// Planner: (operation, sizes, ranks, links, codec) -> plan. Pure, but for a cache of its answers.
// Choosing an algorithm is simulating the candidates. One thread at a time.

#ifndef THINWIRE_COLLECTIVE_PLANNER_H_
#define THINWIRE_COLLECTIVE_PLANNER_H_

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "collective/critical_path.h"
#include "collective/link_model.h"
#include "collective/plan.h"
#include "collective/simulator.h"
#include "collective/topology.h"

namespace thinwire {

struct Prediction {
  Algorithm algorithm = Algorithm::kDirect;
  // True: `seconds` and `wire_bytes` are simulated. False: it can't take less, and that was enough
  // to leave it out; or there are too many ranks to simulate.
  bool simulated = false;
  double seconds = 0;
  uint64_t wire_bytes = 0;  // of the rank that sends most
  CriticalPath path;        // where the time goes
};

// Why the planner does what it does.
struct Choice {
  std::vector<Prediction> ranked;  // the one chosen, then the others from the quickest on
  const Prediction& best() const { return ranked.front(); }
  // "sra, 1.71 s: 2 hops take 40.1 ms and 96.0 MiB 1.67 s; next is ring, 1.8 s: ..."
  std::string Reason() const;
};

class Planner {
 public:
  // `segment_bytes`: wire bytes a segment aims at, as far as one frame can carry them.
  Planner(LinkModel links, CostModel costs, size_t segment_bytes);

  // Algorithms that can do the operation in the codec, best known first; never empty.
  static std::vector<Algorithm> Candidates(Operation operation, const Codec& codec = RawCodec());

  // What a rule for several operations that names an algorithm asks of one of them: the planner's
  // choice where only others have it. Not of all-reduce, which has all but direct.
  static Algorithm Asked(Operation operation, Algorithm algorithm);

  // The plan of one rank. kInvalidArgument if the algorithm can't do the operation. kAuto: the
  // quickest candidate by simulation; where ranks are absent, kSra. Answers for kAuto and repeated
  // requests come from a cache.
  Result<std::shared_ptr<const Plan>> PlanFor(const PlanRequest& request, Algorithm algorithm,
                                              int rank);

  // How kAuto is decided, from a cache. `all`: simulates all candidates, also hopeless ones, as
  // long as the number of ranks allows.
  std::shared_ptr<const Choice> Explain(const PlanRequest& request, bool all = false);

  // The same of one algorithm. REQUIRES: it is a candidate; likewise of Predict.
  Prediction PredictionOf(const PlanRequest& request, Algorithm algorithm) const;
  // Simulates one algorithm for all ranks.
  Simulation Predict(const PlanRequest& request, Algorithm algorithm) const;

  const LinkModel& links() const { return now_.links; }
  // The first it had: what both ends of a pair go by, whose calls no order ties to those of others.
  const LinkModel& first_links() const { return first_.links; }
  // From now on with other links; forgets its answers. Codecs that keep state go on by the first
  // links: their state is laid out as its algorithm needs it.
  void Adopt(LinkModel links);

 private:
  using RequestKey =
      std::tuple<Operation, DataType, Reduction, size_t, int, const Codec*, std::vector<int>>;
  using PlanKey = std::tuple<RequestKey, Algorithm, int>;
  static RequestKey KeyOf(const PlanRequest& request);
  // The links and what follows from them.
  struct World {
    explicit World(LinkModel of) : links(std::move(of)), topology(links) {}
    LinkModel links;
    Topology topology;
  };
  const World& WorldOf(const PlanRequest& request) const {
    return request.codec->feedback() == Feedback::kNone ? now_ : first_;
  }

  Plan Make(const PlanRequest& request, Algorithm algorithm, int rank, size_t segment_bytes,
            size_t max_segments) const;
  void Emit(const PlanRequest& request, Algorithm algorithm, int rank, PlanBuilder* plan) const;
  std::vector<Plan> MakeAll(const PlanRequest& request, Algorithm algorithm) const;
  // Candidates but those that on these links are the same as another.
  std::vector<Algorithm> Contenders(const PlanRequest& request) const;
  Choice Compare(const PlanRequest& request, bool all) const;
  // The least it can take; or, of too many ranks to simulate, about what it takes.
  Prediction BoundOf(const PlanRequest& request, Algorithm algorithm) const;
  void SimulateInto(const PlanRequest& request, Prediction* prediction) const;

  const World first_;
  World now_;
  CostModel costs_;
  size_t segment_bytes_;
  std::map<PlanKey, std::shared_ptr<const Plan>> plans_;
  std::map<std::pair<RequestKey, bool>, std::shared_ptr<const Choice>> choices_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_PLANNER_H_
