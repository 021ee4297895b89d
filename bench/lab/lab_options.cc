// SPDX-License-Identifier: Apache-2.0
// The command line. What follows "--" belongs to the command that is run, so it is cut off before
// the flags are parsed.
#include "lab_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/clock.h"
#include "base/units.h"

namespace thinwire::lab {
namespace {

// Flags as they were written.
struct Texts {
  int ranks = 2;
  std::string rate = "500mbit";
  std::string delay = "20ms";
  std::string loss = "0";
  std::string queue;
  std::string matrix;
  std::string grace = "10s";
  std::string timeout = "0";
  int only = -1;
  bool no_prefix = false;
};

template <typename T>
T Must(Result<T> value, const char* flag) {
  if (value.ok()) return std::move(value).value();
  throw LabError(value.status().WithContext(flag).message(), kExitUsage);
}

int64_t Nanoseconds(Result<double> seconds, const char* flag) {
  return FromSeconds(Must(std::move(seconds), flag)).count();
}

void AddLinkFlags(CLI::App* app, Texts* texts, LabOptions* options) {
  app->add_option("--rate", texts->rate, "rate of each host, such as 500mbit")
      ->capture_default_str();
  app->add_option("--delay", texts->delay, "one-way delay, such as 20ms")->capture_default_str();
  app->add_option("--loss", texts->loss, "random loss of each packet, such as 0.1%")
      ->capture_default_str();
  app->add_option("--queue", texts->queue,
                  "bytes of each queue, such as 256k [max(rate x round trip, 256k)]");
  app->add_option("--mtu", options->network.mtu, "bytes of a packet")
      ->capture_default_str()
      ->check(CLI::Range(576, 65535));
  app->add_option("--congestion", options->network.congestion,
                  "TCP congestion control, such as cubic or bbr [the system's]");
  app->add_option("--seed", options->network.seed, "seed of the random loss")
      ->capture_default_str();
  app->add_flag("--stats", options->stats, "print what the emulator counted to stderr at the end");
}

void AddRunFlags(CLI::App* app, Texts* texts, LabOptions* options) {
  app->add_option("--ranks", texts->ranks, "number of hosts")
      ->capture_default_str()
      ->check(CLI::Range(1, kMaxRanks));
  AddLinkFlags(app, texts, options);
  app->add_option("--matrix", texts->matrix,
                  "link file: rate, delay and loss for each pair of ranks");
  app->add_option("--port", options->port, "MASTER_PORT")->capture_default_str();
  app->add_flag("--no-prefix", texts->no_prefix, "don't put the rank before each line of output");
  app->add_option("--only", texts->only, "show the output of this rank alone");
  app->add_option("--grace", texts->grace,
                  "how long the others may go on when one rank fails, or after a signal")
      ->capture_default_str();
  app->add_option("--timeout", texts->timeout,
                  "end everything after this long, status 124 [never]");
}

void AddCommands(CLI::App* app, Texts* texts, LabOptions* options) {
  app->require_subcommand(1);
  CLI::App* run = app->add_subcommand("run", "run a command on every host: run [flags] -- CMD ...");
  AddRunFlags(run, texts, options);
  run->callback([options] { options->subcommand = LabCommand::kRun; });
  CLI::App* mpirun = app->add_subcommand(
      "mpirun", "run a command under Open MPI, one rank a host: mpirun [flags] -- CMD ...");
  AddRunFlags(mpirun, texts, options);
  mpirun->add_option("--mpi-arg", options->mpi_arguments,
                     "more arguments for mpirun, such as --mpi-arg='--mca pml ucx' (repeatable)");
  mpirun->callback([options] { options->subcommand = LabCommand::kMpirun; });
  CLI::App* check = app->add_subcommand("check", "measure the emulation against what is set");
  AddLinkFlags(check, texts, options);
  check->add_option("--seconds", options->check_seconds, "how long goodput is measured")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 600.0));
  check->callback([options] { options->subcommand = LabCommand::kCheck; });
}

void ApplyLinks(const Texts& texts, LabOptions* options) {
  if (!texts.matrix.empty()) {
    options->link_text = "file=" + std::filesystem::absolute(texts.matrix).string();
    options->network.links = Must(LinkModel::Parse(options->link_text, texts.ranks), "--matrix");
    return;
  }
  Link link;
  link.rate = Must(ParseRate(texts.rate), "--rate");
  link.delay = Must(ParseSeconds(texts.delay), "--delay");
  link.loss = Must(ParseLoss(texts.loss), "--loss");
  if (link.rate == 0) throw LabError("--rate: a rate of 0 lets nothing through", kExitUsage);
  options->network.links = LinkModel(texts.ranks, link);
  options->link_text = fmt::format("rate={},delay={}", texts.rate, texts.delay);
  if (link.loss > 0) options->link_text += ",loss=" + texts.loss;
}

void Apply(const Texts& texts, LabOptions* options) {
  ApplyLinks(texts, options);
  if (!texts.queue.empty()) {
    options->network.queue_bytes = Must(ParseBytes(texts.queue), "--queue");
  }
  SuperviseOptions& supervise = options->supervise;
  supervise.grace_ns = Nanoseconds(ParseSeconds(texts.grace), "--grace");
  supervise.timeout_ns = Nanoseconds(ParseSeconds(texts.timeout), "--timeout");
  supervise.prefix = !texts.no_prefix;
  if (texts.only >= texts.ranks) {
    throw LabError(fmt::format("--only {}, but there are only {} ranks", texts.only, texts.ranks),
                   kExitUsage);
  }
  if (texts.only >= 0) supervise.only = texts.only;
}

}  // namespace

LabOptions ParseOptions(int argc, char** argv) {
  Texts texts;
  LabOptions options;
  CLI::App app("Emulates slow, long links between network namespaces, in user space.",
               "thinwire-lab");
  AddCommands(&app, &texts, &options);
  char** const end = argv + argc;
  char** const dashes =
      std::find_if(argv, end, [](const char* text) { return std::strcmp(text, "--") == 0; });
  try {
    app.parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) return LabOptions();  // --help
    throw LabError("", kExitUsage);
  }
  if (dashes != end) options.command.assign(dashes + 1, end);
  if (options.subcommand != LabCommand::kCheck && options.command.empty()) {
    throw LabError("no command: put it after --, as in  thinwire-lab run --ranks 4 -- CMD",
                   kExitUsage);
  }
  Apply(texts, &options);
  return options;
}

std::vector<std::pair<std::string, std::string>> SharedEnvironment(const LabOptions& options) {
  return {{"WORLD_SIZE", std::to_string(options.network.links.ranks())},
          {"LOCAL_RANK", "0"},
          {"LOCAL_WORLD_SIZE", "1"},
          {"MASTER_ADDR", AddressOf(0)},
          {"MASTER_PORT", std::to_string(options.port)},
          {"THINWIRE_LINK", options.link_text}};
}

}  // namespace thinwire::lab
