// SPDX-License-Identifier: Apache-2.0
#include "comm/held_state.h"

#include <fmt/format.h>

namespace thinwire {

Result<std::shared_ptr<HeldState>> HeldState::Acquire(const Plan& plan, uint64_t key,
                                                      ReplicaStore* store) {
  auto state = std::make_shared<HeldState>();
  state->slots.resize(plan.slots.size());
  const PlanRequest& request = plan.request;
  for (SlotId id = 0; id < plan.slots.size(); ++id) {
    const Slot& slot = plan.slots[id];
    if (!KeepsState(slot) || slot.count == 0) continue;
    const ReplicaKey replica = {.user = key,
                                .operation = request.operation,
                                .sent = !slot.received,
                                .peer = slot.peer,
                                .message = slot.message};
    const ReplicaShape shape = {
        .codec = slot.codec->spec(),
        .elements = slot.count,
        .dtype = request.dtype,
        .layout = fmt::format("{} of {} elements, rank {} of {}", NameOf(plan.algorithm),
                              request.count, plan.rank, request.ranks)};
    TW_ASSIGN(ReplicaLease lease, store->Acquire(replica, shape, slot.codec->StateBytes(slot.count)));
    SlotState& spans = state->slots[id];
    if (lease.before() != nullptr) spans.before = lease.before()->span();
    spans.after = lease.after()->span();
    spans.version = lease.version();
    spans.version_after = lease.version() + 1;
    auto before = lease.before();
    auto after = lease.after();
    state->held_.push_back({id, std::move(lease), std::move(before), std::move(after)});
  }
  return state;
}

void HeldState::Commit() {
  for (Held& held : held_) held.lease.Commit(slots[held.slot].version_after);
}

void HeldState::Release() {
  for (Held& held : held_) held.lease = ReplicaLease();
}

}  // namespace thinwire
