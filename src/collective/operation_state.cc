// SPDX-License-Identifier: Apache-2.0
#include "collective/operation_state.h"

namespace thinwire {

bool KeepsState(const Slot& slot) {
  const Feedback feedback = slot.codec->feedback();
  return feedback == Feedback::kReference || (feedback == Feedback::kResidual && !slot.received);
}

size_t KeptBytes(const Slot& slot) {
  return slot.codec->storage().EncodedBytes(slot.count, DataType::kFloat32);
}

}  // namespace thinwire
