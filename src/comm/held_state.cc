// SPDX-License-Identifier: Apache-2.0
#include "comm/held_state.h"

#include <fmt/format.h>

namespace thinwire {

Status HeldState::Begin() {
  if (begun_) return {};
  slots.resize(plan_->slots.size());
  for (SlotId id = 0; id < plan_->slots.size(); ++id) {
    if (!KeepsState(plan_->slots[id]) || plan_->slots[id].count == 0) continue;
    if (const Status acquired = Acquire(id); !acquired.ok()) {
      held_.clear();
      return acquired;
    }
  }
  begun_ = true;
  return {};
}

Status HeldState::Acquire(SlotId id) {
  const PlanRequest& request = plan_->request;
  const Slot& slot = plan_->slots[id];
  const ReplicaKey replica = {.user = key_,
                              .operation = request.operation,
                              .sent = !slot.received,
                              .peer = slot.peer,
                              .message = slot.message};
  const ReplicaShape shape = {
      .codec = slot.codec->spec(),
      .elements = slot.count,
      .dtype = request.dtype,
      .layout = fmt::format("{} of {} elements, rank {} of {}", NameOf(plan_->algorithm),
                            request.count, plan_->rank, request.ranks)};
  TW_ASSIGN(ReplicaLease lease,
            store_->Acquire(replica, shape, slot.codec->StateBytes(slot.count)));
  SlotState& spans = slots[id];
  if (lease.before() != nullptr) spans.before = lease.before()->span();
  spans.after = lease.after()->span();
  spans.version = lease.version();
  spans.version_after = lease.version() + 1;
  auto before = lease.before();
  auto after = lease.after();
  held_.push_back({id, std::move(lease), std::move(before), std::move(after)});
  return {};
}

void HeldState::End(bool well) {
  for (Held& held : held_) {
    if (well) held.lease.Commit(slots[held.slot].version_after);
    held.lease = ReplicaLease();
  }
}

std::shared_ptr<OperationState> HeldState::Again() const {
  return std::make_shared<HeldState>(plan_, key_, store_);
}

}  // namespace thinwire
