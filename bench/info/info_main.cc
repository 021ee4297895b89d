// SPDX-License-Identifier: Apache-2.0
//
// thinwire-info: what this build has, and what settings are in effect; `thinwire-info links`,
// started on all ranks of a job: what its links are like.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/variables.h"
#include "bootstrap/launch.h"
#include "build_report.h"
#include "comm/communicator.h"
#include "link_report.h"
#include "policy_report.h"

namespace thinwire {
namespace {

constexpr int kExitUsage = 2;

struct Flags {
  int ranks = 0;
  bool json = false;
};

Status PrintBuild(bool json) {
  TW_ASSIGN(const Env env, Env::Read());
  TW_ASSIGN(const auto variables, Env::InEffect());
  TW_ASSIGN(const auto policy, info::PolicyInEffect(env));
  const std::vector<info::Fact> facts = info::FactsOfBuild(env);
  if (json) {
    nlohmann::json report = nlohmann::json::object();
    for (const info::Fact& fact : facts) report[fact.name] = fact.value;
    nlohmann::json settings = nlohmann::json::object();
    for (const Env::Variable& variable : variables) {
      settings[variable.name] = {{"value", variable.value}, {"set", variable.set}};
    }
    report["environment"] = settings;
    report["policy"] = policy;
    report["ignored"] = IgnoredVariables();
    fmt::print("{}\n", report.dump(1));
    return {};
  }
  for (const info::Fact& fact : facts) fmt::print("{:<12}{}\n", fact.name, fact.value);
  fmt::print("\npolicy '{}' (of sums, where they are sums)\n", env.policy);
  for (const std::string& line : policy) fmt::print("  {}\n", line);
  fmt::print("\nenvironment (* set; others have their defaults)\n");
  for (const Env::Variable& variable : variables) {
    fmt::print("{} {:<26} {}\n", variable.set ? '*' : ' ', variable.name, variable.value);
  }
  const std::vector<std::string> ignored = IgnoredVariables();
  if (!ignored.empty()) {
    fmt::print("\nvariables of NCCL that are set and mean nothing here: {}\n",
               fmt::join(ignored, ", "));
  }
  return {};
}

// Joins, prints if this is rank 0, leaves.
Status ShowLinks(const UniqueId& id, int rank, int ranks, const Env& env, bool json) {
  TW_ASSIGN(const auto communicator, Communicator::Create(id, rank, ranks, env));
  if (rank == 0) {
    const double age = ToSeconds(Now() - communicator->links_since());
    const LinkModel& links = communicator->links();
    fmt::print("{}", json ? info::LinksAsJson(links, age) : info::LinksAsFile(links, age));
    std::fflush(stdout);
  }
  communicator->Close();
  return {};
}

Status ShowLinksOfThreads(const Env& env, const Flags& flags) {
  TW_ASSIGN(const UniqueId id, Communicator::NewId(env));
  std::vector<Status> statuses(static_cast<size_t>(flags.ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < flags.ranks; ++rank) {
    threads.emplace_back([&, rank] {
      statuses[static_cast<size_t>(rank)] = ShowLinks(id, rank, flags.ranks, env, flags.json);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : statuses) TW_TRY(status);
  return {};
}

Status RunLinks(const Flags& flags) {
  TW_ASSIGN(const Env env, Env::Read());
  if (flags.ranks > 0) return ShowLinksOfThreads(env, flags);
  TW_ASSIGN(const auto launch, LaunchFromEnvironment(env));
  if (launch) return ShowLinks(launch->id, launch->rank, launch->nranks, env, flags.json);
  return InvalidUsage(
      "links: this process was started alone; start it on all ranks (torchrun, mpirun, "
      "thinwire-lab run), or give --ranks N for N threads");
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Says what this build of Thinwire has and which settings are in effect.",
               "thinwire-info");
  app.add_flag("--json", flags.json, "print JSON");
  CLI::App* const links = app.add_subcommand("links", "print rate, delay and loss of every link");
  links->add_option("--ranks", flags.ranks, "this many ranks, as threads of this process")
      ->check(CLI::Range(2, 250));
  links->add_flag("--json", flags.json, "print JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const Status status = links->parsed() ? RunLinks(flags) : PrintBuild(flags.json);
  if (status.ok()) return 0;
  fmt::print(stderr, "thinwire-info: {}\n", status.message());
  return status.code() == Code::kInvalidArgument ? kExitUsage : 1;
}

}  // namespace
}  // namespace thinwire

int main(int argc, char** argv) { return thinwire::Main(argc, argv); }
