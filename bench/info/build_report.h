// SPDX-License-Identifier: Apache-2.0
//
// What this build and this machine have: versions, transports, and what is loaded at run time.

#ifndef THINWIRE_BENCH_INFO_BUILD_REPORT_H_
#define THINWIRE_BENCH_INFO_BUILD_REPORT_H_

#include <string>
#include <vector>

#include "base/env.h"

namespace thinwire::info {

struct Fact {
  std::string name;
  std::string value;  // what is missing says why
};
std::vector<Fact> FactsOfBuild(const Env& env);

}  // namespace thinwire::info

#endif  // THINWIRE_BENCH_INFO_BUILD_REPORT_H_
