// SPDX-License-Identifier: Apache-2.0
#include "api/handle.h"

#include <unordered_map>
#include <utility>

#include "comm/group.h"

namespace thinwire {
namespace {

// The handles there are.
class Names {
 public:
  static Names& Instance() {
    static auto* names = new Names;  // never freed: calls may come while the process ends
    return *names;
  }
  void Add(std::shared_ptr<Handle> handle) {
    const std::lock_guard lock(mutex_);
    handles_.emplace(handle->name(), std::move(handle));
  }
  std::shared_ptr<Handle> Find(thinwireComm_t name, bool remove) {
    const std::lock_guard lock(mutex_);
    const auto found = handles_.find(name);
    if (found == handles_.end()) return nullptr;
    return remove ? std::move(handles_.extract(found).mapped()) : found->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<thinwireComm_t, std::shared_ptr<Handle>> handles_;
};

Result<std::shared_ptr<Handle>> Named(thinwireComm_t name, bool remove) {
  if (name == nullptr) return InvalidArgument("the communicator is NULL");
  std::shared_ptr<Handle> handle = Names::Instance().Find(name, remove);
  if (handle != nullptr) return handle;
  return InvalidArgument("there is no such communicator; was it destroyed or aborted before?");
}

void Discard(const std::shared_ptr<Communicator>& communicator) {
  communicator->Abort("the communicator was aborted while it was made");
  communicator->Close();
}

}  // namespace

std::shared_ptr<Handle> Handle::Add(bool blocking) {
  const std::shared_ptr<Handle> handle(new Handle(blocking));
  Names::Instance().Add(handle);
  return handle;
}

Result<std::shared_ptr<Handle>> Handle::Find(thinwireComm_t name) { return Named(name, false); }

Result<std::shared_ptr<Handle>> Handle::Remove(thinwireComm_t name) {
  TW_ASSIGN(auto handle, Named(name, true));
  const std::lock_guard lock(handle->mutex_);
  handle->removed_ = true;
  return handle;
}

Result<std::shared_ptr<Communicator>> Handle::Ready() const {
  const std::lock_guard lock(mutex_);
  if (job_ == nullptr) return communicator_;
  const Status status = job_->status();
  if (status.code() == Code::kInProgress) {
    return InvalidArgument(
        "the communicator is used before what was begun on it has ended; ask "
        "thinwireCommGetAsyncError until it is no longer in progress");
  }
  if (communicator_ == nullptr) return status;
  return communicator_;
}

Result<std::shared_ptr<Communicator>> Handle::Wait() const {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    job = job_;
  }
  if (job != nullptr && !job->begun() && job->status().code() == Code::kInProgress) {
    return InvalidUsage("what was begun on the communicator stands in a group that has not ended");
  }
  if (job != nullptr) (void)job->Wait();
  return communicator();
}

std::shared_ptr<Communicator> Handle::communicator() const {
  const std::lock_guard lock(mutex_);
  return communicator_;
}

Status Handle::AsyncError() const {
  const std::lock_guard lock(mutex_);
  if (job_ != nullptr) {
    // Callers that waited have heard of what failed, and may go on with what they had.
    const Status status = job_->status();
    const bool heard = blocking_ && status.code() != Code::kInProgress;
    if (!heard || communicator_ == nullptr) TW_TRY(status);
  }
  return communicator_ == nullptr ? Status() : communicator_->error();
}

Status Handle::Begin(std::function<Status()> work) {
  auto job = std::make_shared<Job>(std::move(work));
  {
    const std::lock_guard lock(mutex_);
    job_ = job;
  }
  return Group::Current().Issue(std::move(job), this, blocking_);
}

Status Handle::BeginToBe(Make make) {
  return Begin([self = shared_from_this(), make = std::move(make)]() -> Status {
    TW_ASSIGN(auto made, make());
    const std::lock_guard lock(self->mutex_);
    if (self->removed_) {
      Discard(made);
    } else {
      self->communicator_ = std::move(made);
    }
    return {};
  });
}

Status Handle::BeginChild(Make make, bool blocking, thinwireComm_t* child) {
  return Begin([self = shared_from_this(), make = std::move(make), blocking, child]() -> Status {
    TW_ASSIGN(auto made, make());
    if (made == nullptr) return {};
    const std::lock_guard lock(self->mutex_);
    if (self->removed_) {
      Discard(made);
      return {};
    }
    const std::shared_ptr<Handle> handle = Add(blocking);
    handle->communicator_ = std::move(made);
    *child = handle->name();
    return {};
  });
}

Result<std::shared_ptr<Communicator>> Ready(thinwireComm_t name) {
  TW_ASSIGN(const auto handle, Handle::Find(name));
  return handle->Ready();
}

}  // namespace thinwire
