// SPDX-License-Identifier: Apache-2.0
//
// What the policy means for calls of several kinds.

#ifndef THINWIRE_BENCH_INFO_POLICY_REPORT_H_
#define THINWIRE_BENCH_INFO_POLICY_REPORT_H_

#include <string>
#include <vector>

#include "base/env.h"
#include "base/status.h"

namespace thinwire::info {

// Lines such as "all_reduce  float: raw; from 32 KiB: q8". Operations and types that are treated
// alike share a line.
Result<std::vector<std::string>> PolicyInEffect(const Env& env);

}  // namespace thinwire::info

#endif  // THINWIRE_BENCH_INFO_POLICY_REPORT_H_
