// SPDX-License-Identifier: Apache-2.0
//
// Survival: how a communicator goes on when ranks of it are lost or late, by its SurvivalPolicy.
// For calls on host memory that return when they have ended. docs/survival.md says what users see,
// docs/design/016-survival.md why it is made so.
//
// Ranks keep the numbers they have; calls that take place among those that are left go to a
// communicator made for them. They find each other even while their programs make no call: a thread
// of its own looks after that.

#ifndef THINWIRE_COMM_SURVIVAL_H_
#define THINWIRE_COMM_SURVIVAL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "comm/attendance.h"
#include "comm/communicator.h"
#include "comm/survival_policy.h"

namespace thinwire {

class Survival {
 public:
  // Null: calls fail when ranks are lost. All ranks of `whole` call it.
  static Result<std::unique_ptr<Survival>> Make(Communicator* whole, const std::string& policy);
  ~Survival();

  // A call may be without what some ranks bring, which are there.
  bool may_miss_ranks() const { return policy_.kind == SurvivalPolicy::Kind::kDeadline; }

  // Whether a call can go this way: why not. Nothing happens.
  Status Check(const Call& call) const;
  // Makes calls, together, as often as it takes. `whole`: that of Make.
  Status Run(const std::shared_ptr<Communicator>& whole, const std::vector<Call>& calls);
  // Every rank that is left says whether the calls since the last vote went well with it; calls
  // that could not be made say no by themselves. *committed: all said yes. The state of codecs is
  // as at the last vote if not. kVote only.
  Status Vote(const std::shared_ptr<Communicator>& whole, bool well, bool* committed);

  // Who took part in the last call, ascending, and a hash of that: equal on all ranks.
  struct Party {
    std::vector<int> ranks;
    uint64_t hash = 0;
  };
  Party party() const;

  // Why it could not go on. Any thread.
  Status error() const;
  // The communicator of those that are left; null: that of all.
  std::shared_ptr<Communicator> heir() const;
  void Abort(const std::string& why);
  void Close();

 private:
  Survival(Communicator* whole, const SurvivalPolicy& policy);
  class Inputs;

  Communicator& acting(Communicator* whole) const { return heir_ == nullptr ? *whole : *heir_; }
  bool all_left() const { return members_.size() == static_cast<size_t>(ranks_); }
  // The call among those that are left.
  Result<Call> Among(const Call& call) const;
  // Makes calls, with others' loss as an error. *ended: all of them have ended here.
  Status Attempt(const std::shared_ptr<Communicator>& whole, const std::vector<Call>& calls,
                 bool confirm, bool* ended);
  // Runs calls until they are confirmed.
  Status RunToEnd(const std::shared_ptr<Communicator>& whole, const std::vector<Call>& calls);
  // Makes the communicator of those that are left. `ended`: runs that have ended here;
  // *all_ended: that have on each of them.
  Status GoOn(Communicator* whole, uint64_t ended, uint64_t* all_ended);
  Status Outlive(Communicator* failed, const std::vector<int>& left, int attempt);
  void Watch(Communicator* whole);
  void SetParty(const std::vector<int>& ranks);
  Status Broken(Status why);

  const int rank_;
  const int ranks_;
  const SurvivalPolicy policy_;
  std::atomic<bool> aborted_{false};
  std::unique_ptr<Attendance> attendance_;  // kDeadline

  // Held while a call runs, and while those that are left find each other.
  std::mutex turn_;
  std::vector<int> members_;  // ranks of those that are left, by their number there
  uint64_t runs_ = 0;         // confirmed runs
  bool discarding_ = false;   // kVote: something was lost since the last vote

  mutable std::mutex mutex_;
  std::shared_ptr<Communicator> heir_;  // written by whoever holds turn_ as well
  Status broken_;
  Party party_;

  std::condition_variable stopped_;
  bool stop_ = false;
  std::thread watch_;  // kExclude, kVote
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_SURVIVAL_H_
