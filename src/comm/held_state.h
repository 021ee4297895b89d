// SPDX-License-Identifier: Apache-2.0
//
// HeldState: the state of an operation in flight, slot by slot, held in the communicator's store.

#ifndef THINWIRE_COMM_HELD_STATE_H_
#define THINWIRE_COMM_HELD_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "collective/operation_state.h"
#include "comm/replica_store.h"

namespace thinwire {

class HeldState final : public OperationState {
 public:
  // Takes hold of what each slot of `plan` keeps under the caller's key. Errors are the store's.
  static Result<std::shared_ptr<HeldState>> Acquire(const Plan& plan, uint64_t key,
                                                    ReplicaStore* store);

  // Makes what the operation left the state.
  void Commit();
  // Leaves the state as it was, although the engine may hold this a little longer.
  void Release();

 private:
  struct Held {
    SlotId slot;
    ReplicaLease lease;
    // The lease's, which a peer may still ask for after the lease has ended.
    std::shared_ptr<const StateBytes> before, after;
  };
  std::vector<Held> held_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_HELD_STATE_H_
