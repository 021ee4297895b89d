// SPDX-License-Identifier: Apache-2.0
//
// OperationState: the residuals and references that one operation advances, slot by slot. Whoever
// hands the operation in keeps the memory; the engine tells it when the operation begins and ends.

#ifndef THINWIRE_COLLECTIVE_OPERATION_STATE_H_
#define THINWIRE_COLLECTIVE_OPERATION_STATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
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
  virtual ~OperationState() = default;

  // Fills in `slots`. Harmless when repeated. Errors say why there is no state to work on.
  virtual Status Begin() = 0;
  // Makes `after` the state if the operation ended well; else `before` stays it. What `slots`
  // points to stays readable.
  virtual void End(bool well) = 0;
  // The same for the next run of a call that is repeated.
  virtual std::shared_ptr<OperationState> Again() const = 0;

  std::vector<SlotState> slots;  // by SlotId
};

// Whether a slot keeps state: of residuals what this rank sends, of references also what it
// receives.
bool KeepsState(const Slot& slot);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_OPERATION_STATE_H_
