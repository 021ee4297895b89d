// SPDX-License-Identifier: Apache-2.0
//
// One rank of a job: finds its place from the environment, `communicators` times in a row, and
// meets the others each time. Prints "rank R of N by HOW met 0 1 2 ..." or the error.
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>

#include "base/env.h"
#include "bootstrap/launch.h"
#include "bootstrap/rendezvous.h"

namespace thinwire {
namespace {

Status MeetOnce(const Env& env) {
  TW_ASSIGN(const std::optional<Launch> launch, LaunchFromEnvironment(env));
  if (!launch.has_value()) {
    fmt::print("alone\n");
    return {};
  }
  const TimePoint deadline = Now() + FromSeconds(env.connect_timeout_seconds);
  TW_ASSIGN(const auto rendezvous,
            Rendezvous::Join(launch->id, launch->rank, launch->nranks, deadline));
  TW_ASSIGN(const auto met, rendezvous->Exchange(std::to_string(launch->rank), deadline));
  fmt::print("rank {} of {} by {} met {}\n", launch->rank, launch->nranks, launch->how,
             fmt::join(met, " "));
  return {};
}

Status MeetRepeatedly(int communicators) {
  TW_ASSIGN(const Env env, Env::Read());
  for (int i = 0; i < communicators; ++i) TW_TRY(MeetOnce(env));
  return {};
}

}  // namespace
}  // namespace thinwire

int main(int argc, char** argv) {
  const auto status = thinwire::MeetRepeatedly(argc > 1 ? std::atoi(argv[1]) : 1);
  if (!status.ok()) fmt::print("error: {}\n", status.message());
  return status.ok() ? 0 : 1;
}
