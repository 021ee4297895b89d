// SPDX-License-Identifier: Apache-2.0
//
// SurvivalPolicy: what becomes of calls when ranks are lost or late, as text (docs/survival.md):
//   policy := 'abort' | ( 'exclude' | 'vote' ) [ '(least=' ranks ')' ]
//           | 'deadline(ranks=' ranks ',after=' time ')'

#ifndef THINWIRE_COMM_SURVIVAL_POLICY_H_
#define THINWIRE_COMM_SURVIVAL_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace thinwire {

struct SurvivalPolicy {
  enum class Kind : uint8_t {
    kAbort,     // calls fail on every rank that is left
    kExclude,   // they are made again without those that are lost
    kVote,      // they do nothing from then on, until the ranks vote on what came of them all
    kDeadline,  // those that are late contribute nothing
  };
  Kind kind = Kind::kAbort;
  int least = 0;             // kExclude, kVote: ranks it takes to go on; 0: see MayGoOn
  int on_time = 0;           // kDeadline: as many are waited for,
  double after_seconds = 0;  // and others for so long

  // Errors name what makes no sense. "" is abort.
  static Result<SurvivalPolicy> Parse(const std::string& text, int ranks);

  // Whether those left of `ranks` may go on without the others, which may be alive and cut off:
  // where no number was given, only more than half may, or half with the lowest among them, so that
  // never two parts do. Ranks are numbered as they were when the last was lost.
  bool MayGoOn(const std::vector<int>& left, int ranks) const;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_SURVIVAL_POLICY_H_
