// SPDX-License-Identifier: Apache-2.0
//
// How ranks come together whatever happened to them: the lowest rank of those that meet makes a
// unique id and leaves it in a folder that all processes see.

#ifndef THINWIRE_BENCH_CHAOS_MEETING_H_
#define THINWIRE_BENCH_CHAOS_MEETING_H_

#include <stdexcept>
#include <string>
#include <vector>

#include "thinwire/thinwire.h"

namespace thinwire::chaos {

class ChaosError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws ChaosError with the library's text unless `result` is thinwireSuccess.
void Check(thinwireResult_t result, const std::string& what);

// A communicator of `members` (ranks of the job, in order), of which `self` is one. `name` is that
// of this meeting alone.
thinwireComm_t Meet(const std::string& folder, const std::string& name, int self,
                    const std::vector<int>& members, const thinwireConfig_t& config);

}  // namespace thinwire::chaos

#endif  // THINWIRE_BENCH_CHAOS_MEETING_H_
