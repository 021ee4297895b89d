// SPDX-License-Identifier: Apache-2.0
#include "subcommands.h"

#include <fmt/format.h>

#include <cstdio>

namespace thinwire::plan {

int RunSubcommand(CLI::App* app, int argc, char** argv, const std::function<Status()>& run) {
  constexpr int kExitUsage = 2;
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : kExitUsage;
  }
  const Status status = run();
  if (status.ok()) return 0;
  fmt::print(stderr, "{}: {}\n", app->get_name(), status.message());
  return kExitUsage;
}

}  // namespace thinwire::plan
