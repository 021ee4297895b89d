// SPDX-License-Identifier: Apache-2.0
//
// OperationState: the residuals and references that one operation advances, slot by slot. Whoever
// hands the operation in owns the memory, and makes `after` the state only if the operation ends
// well: until then `before` stays as it is.

#ifndef THINWIRE_COLLECTIVE_OPERATION_STATE_H_
#define THINWIRE_COLLECTIVE_OPERATION_STATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "collective/plan.h"

namespace thinwire {

struct SlotState {
  std::span<const std::byte> before;  // empty: the key's first visit, or nothing to keep
  std::span<std::byte> after;         // empty: nothing to keep
  uint64_t version = 0;               // of `before`: how often it was advanced
  // Of `after`: the next. A receiver that was out of step takes its sender's.
  uint64_t version_after = 0;
};

struct OperationState {
  std::vector<SlotState> slots;  // by SlotId
};

// Whether a slot keeps state: of residuals what this rank sends, of references also what it
// receives.
bool KeepsState(const Slot& slot);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_OPERATION_STATE_H_
