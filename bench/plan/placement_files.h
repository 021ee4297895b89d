// SPDX-License-Identifier: Apache-2.0
//
// Where hosts and their links come from, and the files a placed job is launched with.

#ifndef THINWIRE_BENCH_PLAN_PLACEMENT_FILES_H_
#define THINWIRE_BENCH_PLAN_PLACEMENT_FILES_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "collective/link_model.h"
#include "placement.h"

namespace thinwire::plan {

struct Hosts {
  std::vector<std::string> names;
  LinkModel links;
};

// `text`: "profile=NAME" or "sites=FILE" (sites that `count` hosts are dealt to evenly), or what
// LinkModel::Parse takes. `names_file`, if not empty: a name a line, which otherwise are made up.
Result<Hosts> HostsOf(const std::string& text, int count, const std::string& names_file);

// A line a rank, in the order of ranks: the host's name, and in a comment what it does. mpirun
// takes it with `--map-by seq --hostfile`.
std::string HostFile(const Hosts& hosts, const TrainingJob& job, const Placement& placement);

// The links of the placed ranks, as a link file (docs/link-file.md).
std::string LinkFile(const Hosts& hosts, const Placement& placement);

// kSystemError names the path.
Status WriteFile(const std::string& path, const std::string& text);

}  // namespace thinwire::plan

#endif  // THINWIRE_BENCH_PLAN_PLACEMENT_FILES_H_
