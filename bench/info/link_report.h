// SPDX-License-Identifier: Apache-2.0
//
// The links of a communicator, printed: as a link file with remarks (docs/link-file.md), or as
// JSON.

#ifndef THINWIRE_BENCH_INFO_LINK_REPORT_H_
#define THINWIRE_BENCH_INFO_LINK_REPORT_H_

#include <string>

#include "collective/link_model.h"

namespace thinwire::info {

// `age_seconds`: since the links were found.
std::string LinksAsFile(const LinkModel& links, double age_seconds);
std::string LinksAsJson(const LinkModel& links, double age_seconds);

}  // namespace thinwire::info

#endif  // THINWIRE_BENCH_INFO_LINK_REPORT_H_
