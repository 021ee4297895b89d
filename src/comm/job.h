// SPDX-License-Identifier: Apache-2.0
//
// Job: something that takes time, such as making a communicator: run by the caller, or on a thread
// of its own for callers that don't wait.

#ifndef THINWIRE_COMM_JOB_H_
#define THINWIRE_COMM_JOB_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"

namespace thinwire {

class Job {
 public:
  explicit Job(std::function<Status()> work) : work_(std::move(work)) {}

  // One of the two, once. Cancel: it ends so, without having run.
  void Run();
  void Cancel(const Status& status);
  // It is about to be run, by some thread. Any thread.
  void Begin();
  bool begun() const;
  // How it ended; kInProgress until then. Any thread.
  Status status() const;
  Status Wait() const;

 private:
  std::function<Status()> work_;
  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  bool begun_ = false;
  bool done_ = false;
  Status status_;
};

// Runs jobs one after another on a thread of their own, which nobody waits for.
void RunApart(std::vector<std::shared_ptr<Job>> jobs);

}  // namespace thinwire

#endif  // THINWIRE_COMM_JOB_H_
