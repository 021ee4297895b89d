// SPDX-License-Identifier: Apache-2.0
#include "device/worker_team.h"

namespace thinwire {

WorkerTeam::WorkerTeam(int threads) : results_(static_cast<size_t>(threads)) {
  for (size_t part = 1; part < results_.size(); ++part) {
    threads_.emplace_back([this, part] { Serve(part); });
  }
}

WorkerTeam::~WorkerTeam() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status WorkerTeam::Run(const std::function<Status(size_t)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    running_ = threads_.size();
    ++round_;
  }
  changed_.notify_all();
  results_[0] = work(0);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return running_ == 0; });
  for (const Status& result : results_) TW_TRY(result);
  return {};
}

void WorkerTeam::Serve(size_t part) {
  std::unique_lock lock(mutex_);
  for (size_t served = 0;;) {
    changed_.wait(lock, [&] { return stop_ || round_ != served; });
    if (stop_) return;
    served = round_;
    const auto* work = work_;
    lock.unlock();
    Status result = (*work)(part);
    lock.lock();
    results_[part] = std::move(result);
    if (--running_ == 0) changed_.notify_all();
  }
}

}  // namespace thinwire
