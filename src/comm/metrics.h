// SPDX-License-Identifier: Apache-2.0
//
// Metrics of a communicator in Prometheus' text format, for its node exporter's textfile collector.

#ifndef THINWIRE_COMM_METRICS_H_
#define THINWIRE_COMM_METRICS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collective/link_model.h"
#include "comm/call_totals.h"
#include "comm/output_file.h"

namespace thinwire {

// # HELP and # TYPE of each family.
std::span<const std::string_view> MetricHeads();
// The samples of each, for a file that several communicators share (WriteSection).
// `links`: from this rank, by peer; `missed`: calls that `totals` knows nothing of.
std::vector<std::string> MetricSamples(const Writer& writer, const CallTotals& totals,
                                       const std::vector<Link>& links, uint64_t missed);

}  // namespace thinwire

#endif  // THINWIRE_COMM_METRICS_H_
