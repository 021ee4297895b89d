// SPDX-License-Identifier: Apache-2.0
//
// The report of a communicator, for people: is compression on, what did it save, and why do calls
// take what they take.

#ifndef THINWIRE_COMM_REPORT_H_
#define THINWIRE_COMM_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "collective/ledger.h"
#include "collective/link_model.h"
#include "comm/call_totals.h"
#include "comm/output_file.h"

namespace thinwire {

// What a report says besides what calls did.
struct ReportFacts {
  Writer writer;
  std::string policy{};
  std::string transport{};
  int threads = 1;
  double nic = 0;             // LinkModel::nic of this rank
  std::vector<Link> links{};  // from this rank, by peer
  uint64_t missed = 0;        // calls that the totals know nothing of
};
std::string ReportOf(const ReportFacts& facts, const CallTotals& totals);

// What is to be done about a bound, in a line.
std::string AdviceOn(Bound bound, const CallGroup& group, const ReportFacts& facts);

// "10 MiB took 2.6 MiB on the wire (3.85x): all_reduce 40 calls 3.86x (q8), ...", of all that there
// was since the last reset.
std::string SummaryOf(const Ledger& ledger);

}  // namespace thinwire

#endif  // THINWIRE_COMM_REPORT_H_
