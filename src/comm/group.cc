// SPDX-License-Identifier: Apache-2.0
#include "comm/group.h"

#include <utility>

namespace thinwire {

Group& Group::Current() {
  static thread_local Group group;
  return group;
}

Status Group::Issue(const std::shared_ptr<Communicator>& communicator, Call call,
                    std::unique_ptr<Pending>* request) {
  call.in_group = open();
  Result<Collective> collective = communicator->Prepare(call);
  if (!collective.ok()) return Refuse(collective.status());
  entries_.push_back({communicator, std::move(collective).value(), request});
  return open() ? Status() : Run();
}

Status Group::Refuse(Status status) {
  if (open() && refused_.ok()) refused_ = status;
  return status;
}

Status Group::End() {
  if (depth_ == 0) return InvalidUsage("GroupEnd without a GroupStart on this thread");
  if (--depth_ > 0) return {};
  const Status refused = std::exchange(refused_, Status());
  if (refused.ok()) return Run();
  const Status none_ran = refused.WithContext("no call of the group ran, because one was refused");
  for (Entry& entry : std::exchange(entries_, {})) {
    if (entry.request == nullptr) continue;
    auto completion = std::make_shared<Completion>();
    completion->Set(none_ran, {});
    *entry.request = std::make_unique<Pending>(Pending{entry.communicator, std::move(completion),
                                                       entry.collective.plan, nullptr, nullptr});
  }
  return none_ran;
}

Status Group::Run() {
  std::vector<Entry> entries = std::exchange(entries_, {});
  // One submission a communicator: its operations start together.
  std::vector<Pending> pending(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (pending[i].completion) continue;
    std::vector<Collective> collectives;
    std::vector<size_t> places;
    for (size_t j = i; j < entries.size(); ++j) {
      if (entries[j].communicator != entries[i].communicator) continue;
      collectives.push_back(entries[j].collective);
      places.push_back(j);
    }
    auto submitted =
        entries[i].communicator->Submit(entries[i].communicator, std::move(collectives));
    for (size_t k = 0; k < places.size(); ++k) pending[places[k]] = std::move(submitted[k]);
  }
  Status first;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].request != nullptr) {
      *entries[i].request = std::make_unique<Pending>(std::move(pending[i]));
      continue;
    }
    const Status status = pending[i].Wait();
    if (first.ok()) first = status;
  }
  return first;
}

}  // namespace thinwire
