// SPDX-License-Identifier: Apache-2.0
#include "comm/joint_gate.h"

#include <cstddef>
#include <mutex>
#include <utility>

namespace thinwire {
namespace {

// What the gates of a group share.
class Meeting {
 public:
  explicit Meeting(size_t gates) : gates_(gates) {}

  void Arrive() {
    const std::lock_guard lock(mutex_);
    ++arrived_;
  }
  bool complete() const {
    const std::lock_guard lock(mutex_);
    return arrived_ == gates_;
  }
  void End(std::shared_ptr<StreamGate> gate) {
    std::vector<std::shared_ptr<StreamGate>> all;
    {
      const std::lock_guard lock(mutex_);
      ended_.push_back(std::move(gate));
      if (ended_.size() == gates_) all.swap(ended_);
    }
    for (const auto& each : all) each->Release();
  }

 private:
  const size_t gates_;
  mutable std::mutex mutex_;
  size_t arrived_ = 0;
  std::vector<std::shared_ptr<StreamGate>> ended_;
};

class JointGate final : public StreamGate {
 public:
  JointGate(std::shared_ptr<StreamGate> own, std::shared_ptr<Meeting> meeting)
      : own_(std::move(own)), meeting_(std::move(meeting)) {}

  Status Hold() override { return own_->Hold(); }
  bool Reached() override {
    if (!arrived_ && own_->Reached()) Arrive();
    if (told_ || !arrived_) return false;
    told_ = meeting_->complete();
    return told_;
  }
  // The operation has ended, or failed before the stream came: others need not wait for that.
  void Release() override {
    if (!arrived_) Arrive();
    meeting_->End(own_);
  }
  bool repeats() const override { return false; }
  bool over() const override { return false; }

 private:
  void Arrive() {
    arrived_ = true;
    meeting_->Arrive();
  }

  const std::shared_ptr<StreamGate> own_;
  const std::shared_ptr<Meeting> meeting_;
  bool arrived_ = false;
  bool told_ = false;
};

}  // namespace

std::vector<std::shared_ptr<StreamGate>> JoinGates(
    const std::vector<std::shared_ptr<StreamGate>>& gates) {
  const auto meeting = std::make_shared<Meeting>(gates.size());
  std::vector<std::shared_ptr<StreamGate>> joint;
  for (const auto& gate : gates) joint.push_back(std::make_shared<JointGate>(gate, meeting));
  return joint;
}

}  // namespace thinwire
