// SPDX-License-Identifier: Apache-2.0
//
// What a thinwireComm_t names: a communicator, or one that is being made. Jobs that make, split or
// finalize it may run on other threads while the caller asks how they stand. Names are looked up,
// so that a call that comes when another thread has aborted the communicator is refused.

#ifndef THINWIRE_API_HANDLE_H_
#define THINWIRE_API_HANDLE_H_

#include <functional>
#include <memory>
#include <mutex>

#include "base/status.h"
#include "comm/communicator.h"
#include "comm/job.h"
#include "thinwire/thinwire.h"

namespace thinwire {

class Handle : public std::enable_shared_from_this<Handle> {
 public:
  // Functions on it that take time return at once, if not `blocking`.
  static std::shared_ptr<Handle> Add(bool blocking);
  // kInvalidArgument: there is none of that name.
  static Result<std::shared_ptr<Handle>> Find(thinwireComm_t name);
  // Out of the names; what a job still makes is then discarded.
  static Result<std::shared_ptr<Handle>> Remove(thinwireComm_t name);

  thinwireComm_t name() { return reinterpret_cast<thinwireComm_t>(this); }
  bool blocking() const { return blocking_; }

  // The communicator; kInvalidArgument while a job on it is running, its error where it failed to
  // make one.
  Result<std::shared_ptr<Communicator>> Ready() const;
  // Likewise when the job has ended, or as it is: null if there is none. kInvalidUsage: the job
  // stands in a group that has not ended.
  Result<std::shared_ptr<Communicator>> Wait() const;
  std::shared_ptr<Communicator> communicator() const;
  // What thinwireCommGetAsyncError tells.
  Status AsyncError() const;

  // Does something that takes time: now, when the group ends, or, where this doesn't block, on
  // another thread (kInProgress).
  Status Begin(std::function<Status()> work);
  using Make = std::function<Result<std::shared_ptr<Communicator>>()>;
  // Makes the communicator.
  Status BeginToBe(Make make);
  // Makes another one from it: *child is set when it is there, and stays null where there is none.
  Status BeginChild(Make make, bool blocking, thinwireComm_t* child);

 private:
  explicit Handle(bool blocking) : blocking_(blocking) {}

  const bool blocking_;
  mutable std::mutex mutex_;
  std::shared_ptr<Communicator> communicator_;
  std::shared_ptr<Job> job_;  // the last one; null: there was none
  bool removed_ = false;
};

// The communicator of a name, ready to use.
Result<std::shared_ptr<Communicator>> Ready(thinwireComm_t name);

}  // namespace thinwire

#endif  // THINWIRE_API_HANDLE_H_
