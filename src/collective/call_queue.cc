// SPDX-License-Identifier: Apache-2.0
#include "collective/call_queue.h"

#include <utility>

namespace thinwire {

void CallQueue::Add(EndedCall call) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() >= limit_) {
    ++missed_;
    return;
  }
  wake_ |= !call.status.ok() || calls_.size() >= limit_ / 2;
  calls_.push_back(std::move(call));
  if (wake_) due_.notify_all();
}

std::vector<EndedCall> CallQueue::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(calls_, {});
}

void CallQueue::Wait(TimePoint until) {
  std::unique_lock lock(mutex_);
  due_.wait_until(lock, until, [this] { return wake_; });
  wake_ = false;
}

void CallQueue::Wake() {
  const std::lock_guard lock(mutex_);
  wake_ = true;
  due_.notify_all();
}

uint64_t CallQueue::missed() const {
  const std::lock_guard lock(mutex_);
  return missed_;
}

}  // namespace thinwire
