// SPDX-License-Identifier: Apache-2.0
//
// LinkRefresh: how the ranks of a communicator come to plan by what they have learned of their
// links since, and still all plan alike. After every so many collectives they all-gather what each
// knows of its own links, beside the caller's operations; as many later, all adopt what was
// gathered, if it differs from what they plan by. Calls are counted in the same order everywhere,
// so nothing depends on when a message comes. Whoever adopts waits for the gathering: so that this
// is rare where calls are issued faster than a link's latency, as in large groups, ranks also tell
// how long a call takes them, and as many make an interval as take the quickest kInterval.
// One thread at a time.

#ifndef THINWIRE_COMM_LINK_REFRESH_H_
#define THINWIRE_COMM_LINK_REFRESH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "collective/link_survey.h"
#include "collective/operation_run.h"

namespace thinwire {

class LinkRefresh {
 public:
  // In an interval: at first and at least, and at most.
  static constexpr uint64_t kCalls = 256;
  static constexpr uint64_t kMostCalls = 4096;
  static constexpr double kInterval = 1;  // seconds

  // `links`: as at the start; where they say no rate, nothing is learned and nothing gathered.
  LinkRefresh(int rank, const LinkModel& links);

  // Counts a collective that was planned.
  void Count() { ++calls_; }
  // The next collective is the first of another interval.
  bool due() const { return learns_ && calls_ >= next_; }

  // Waits for what was gathered last, and gives the model to plan by from now on; nothing where it
  // hardly differs from `current`. REQUIRES: due().
  Result<std::optional<LinkModel>> Take(const LinkModel& current);
  // The next gathering, of what this rank has `learned` of its links; `request()` is its plan's. To
  // be submitted; memory is this object's. REQUIRES: due(), and Take was called.
  PlanRequest request() const;
  Collective Start(std::shared_ptr<const Plan> plan, std::span<const Link> learned);
  void Started(std::shared_ptr<Completion> completion) { completion_ = std::move(completion); }

 private:
  const int rank_;
  const int ranks_;
  bool learns_ = false;
  uint64_t calls_ = 0;
  uint64_t interval_ = kCalls;
  uint64_t next_ = kCalls;
  // The interval began.
  TimePoint began_ = Now();
  uint64_t begun_calls_ = 0;
  uint64_t number_ = 0;  // of gatherings
  Findings mine_;
  std::vector<Finding> all_;  // of rank r: from r * ranks on
  std::shared_ptr<Completion> completion_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_LINK_REFRESH_H_
