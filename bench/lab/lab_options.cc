// SPDX-License-Identifier: Apache-2.0
// The command line. What follows "--" belongs to the command that is run, so it is cut off before
// the flags are parsed.
#include "lab_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

#include "link_units.h"

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
T Must(const std::optional<T>& value, const char* flag, const std::string& text,
       const char* example) {
  if (value) return *value;
  throw LabError(fmt::format("bad {} '{}': write it like {}", flag, text, example), kExitUsage);
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
    std::string error;
    const auto links = ReadLinkFile(texts.matrix, texts.ranks, &error);
    if (!links) throw LabError(error, kExitUsage);
    options->network.links = *links;
    options->link_text = "file=" + std::filesystem::absolute(texts.matrix).string();
    return;
  }
  Link link;
  link.rate_bps = Must(ParseRate(texts.rate), "--rate", texts.rate, "500mbit");
  link.delay_ns = Must(ParseDuration(texts.delay), "--delay", texts.delay, "20ms");
  link.loss = Must(ParseLoss(texts.loss), "--loss", texts.loss, "0.1%");
  options->network.links = LinkMatrix(texts.ranks, link);
  options->link_text =
      fmt::format("rate={},delay={}", FormatRate(link.rate_bps), FormatDuration(link.delay_ns));
}

void Apply(const Texts& texts, LabOptions* options) {
  ApplyLinks(texts, options);
  if (!texts.queue.empty()) {
    options->network.queue_bytes = Must(ParseBytes(texts.queue), "--queue", texts.queue, "256k");
  }
  SuperviseOptions& supervise = options->supervise;
  supervise.grace_ns = Must(ParseDuration(texts.grace), "--grace", texts.grace, "10s");
  supervise.timeout_ns = Must(ParseDuration(texts.timeout), "--timeout", texts.timeout, "60s");
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
