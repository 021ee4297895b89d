// SPDX-License-Identifier: Apache-2.0
//
// Joint gates: the calls of a group on several streams begin when all of these have come, and let
// all go on when the last of them has ended, as NCCL's groups do. Engines of several communicators
// may look at them.

#ifndef THINWIRE_COMM_JOINT_GATE_H_
#define THINWIRE_COMM_JOINT_GATE_H_

#include <memory>
#include <vector>

#include "device/device.h"

namespace thinwire {

// One for each of `gates`, which don't repeat.
std::vector<std::shared_ptr<StreamGate>> JoinGates(
    const std::vector<std::shared_ptr<StreamGate>>& gates);

}  // namespace thinwire

#endif  // THINWIRE_COMM_JOINT_GATE_H_
