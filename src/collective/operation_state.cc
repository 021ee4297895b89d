// SPDX-License-Identifier: Apache-2.0
#include "collective/operation_state.h"

namespace thinwire {

bool KeepsState(const Slot& slot) {
  const Feedback feedback = slot.codec->feedback();
  return feedback == Feedback::kReference || (feedback == Feedback::kResidual && !slot.received);
}

}  // namespace thinwire
