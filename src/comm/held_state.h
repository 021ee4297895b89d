// SPDX-License-Identifier: Apache-2.0
//
// HeldState: the state of an operation in flight, slot by slot, held in the communicator's store.

#ifndef THINWIRE_COMM_HELD_STATE_H_
#define THINWIRE_COMM_HELD_STATE_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collective/operation_state.h"
#include "comm/replica_store.h"

namespace thinwire {

class HeldState final : public OperationState {
 public:
  // Of what each slot of `plan` keeps under the caller's key.
  HeldState(std::shared_ptr<const Plan> plan, uint64_t key, ReplicaStore* store)
      : plan_(std::move(plan)), key_(key), store_(store) {}

  // Takes hold of it. Errors are the store's.
  Status Begin() override;
  void End(bool well) override;
  std::shared_ptr<OperationState> Again() const override;

 private:
  struct Held {
    SlotId slot;
    ReplicaLease lease;
    // The lease's, which a peer may still ask for after the lease has ended.
    std::shared_ptr<const StateBytes> before, after;
  };
  Status Acquire(SlotId id);

  const std::shared_ptr<const Plan> plan_;
  const uint64_t key_;
  ReplicaStore* const store_;
  bool begun_ = false;
  std::vector<Held> held_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_HELD_STATE_H_
