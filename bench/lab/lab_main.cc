// SPDX-License-Identifier: Apache-2.0
// thinwire-lab: runs programs on emulated slow, long links, without netem. See docs/lab.md.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "lab_commands.h"
#include "lab_options.h"

namespace thinwire::lab {
namespace {

int Dispatch(int argc, char** argv) {
  if (argc > 1 && argv[1] == kRshName) return RunRsh(argc - 2, argv + 2);
  if (argc > 2 && argv[1] == kRankName) return RunRank(argv + 2);
  const LabOptions options = ParseOptions(argc, argv);
  switch (options.subcommand) {
    case LabCommand::kRun:
      return RunRanks(options);
    case LabCommand::kMpirun:
      return RunMpi(options);
    case LabCommand::kCheck:
      return RunCheck(options);
    case LabCommand::kNone:
      break;
  }
  return 0;
}

}  // namespace
}  // namespace thinwire::lab

int main(int argc, char** argv) {
  try {
    return thinwire::lab::Dispatch(argc, argv);
  } catch (const thinwire::lab::LabError& error) {
    if (*error.what() != '\0') fmt::print(stderr, "thinwire-lab: {}\n", error.what());
    return error.status();
  } catch (const std::exception& error) {
    fmt::print(stderr, "thinwire-lab: {}\n", error.what());
    return 1;
  }
}
