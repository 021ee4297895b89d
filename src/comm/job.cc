// SPDX-License-Identifier: Apache-2.0
#include "comm/job.h"

#include <exception>
#include <thread>
#include <utility>

namespace thinwire {

void Job::Run() {
  Begin();
  Status status;
  try {
    status = std::exchange(work_, nullptr)();
  } catch (const std::exception& failure) {
    status = SystemError("out of resources: {}", failure.what());
  }
  Cancel(status);
}

void Job::Cancel(const Status& status) {
  const auto dropped = std::exchange(work_, nullptr);  // with what it holds, such as its owner
  const std::lock_guard lock(mutex_);
  status_ = status;
  done_ = true;
  ended_.notify_all();
}

void Job::Begin() {
  const std::lock_guard lock(mutex_);
  begun_ = true;
}

bool Job::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

Status Job::status() const {
  const std::lock_guard lock(mutex_);
  return done_ ? status_ : Error(Code::kInProgress, "it has not ended");
}

Status Job::Wait() const {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return done_; });
  return status_;
}

void RunApart(std::vector<std::shared_ptr<Job>> jobs) {
  for (const auto& job : jobs) job->Begin();
  std::thread([jobs = std::move(jobs)] {
    for (const auto& job : jobs) job->Run();
  }).detach();
}

}  // namespace thinwire
