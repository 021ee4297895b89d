// SPDX-License-Identifier: Apache-2.0
//
// WorkerTeam: a fixed number of threads that do one thing together, then sleep. A pass over memory
// is all it is for: its parts are alike, few and never wait for each other.

#ifndef THINWIRE_DEVICE_WORKER_TEAM_H_
#define THINWIRE_DEVICE_WORKER_TEAM_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/status.h"

namespace thinwire {

class WorkerTeam {
 public:
  // `threads` >= 1, the caller's own included.
  explicit WorkerTeam(int threads);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  size_t size() const { return threads_.size() + 1; }

  // work(part) for parts 0 .. size() - 1, one a thread; returns when all are done, with the error
  // of the first part that has one. One caller at a time.
  Status Run(const std::function<Status(size_t part)>& work);

 private:
  void Serve(size_t part);

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<Status(size_t)>* work_ = nullptr;
  size_t round_ = 0;
  size_t running_ = 0;
  bool stop_ = false;
  std::vector<Status> results_;
  std::vector<std::thread> threads_;
};

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_WORKER_TEAM_H_
