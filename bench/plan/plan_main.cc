// SPDX-License-Identifier: Apache-2.0
//
// thinwire-plan: what the library would do and how long the simulator says it takes, without doing
// it: a table of the algorithms that can, or one of them, or a rank's plan step by step. Questions
// that no plan answers have subcommands of their own.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "collective/link_survey.h"
#include "collective/planner.h"
#include "subcommands.h"

namespace thinwire {
namespace {

constexpr int kExitUsage = 2;

// Flags as they were written.
struct Texts {
  std::string operation;
  std::string bytes = "64M";
  std::string type = "float";
  std::string reduction = "sum";
  std::string link;
  std::string codec = "raw";
  std::string algorithm = "auto";
  std::string segment;
  int ranks = 4;
  int root = 0;
  int rank = 0;
  bool steps = false;
  bool json = false;
};

void AddFlags(CLI::App* app, Texts* texts) {
  app->add_option(
         "operation", texts->operation,
         "all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, reduce or barrier")
      ->required();
  app->add_option("--bytes", texts->bytes, "size of the larger of input and output, such as 64M")
      ->capture_default_str();
  app->add_option("--ranks", texts->ranks, "number of ranks")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  app->add_option("--link", texts->link,
                  "rate=500mbit,delay=20ms or file=PATH [the library's guess of an unknown link]");
  app->add_option("--codec", texts->codec, "codec")->capture_default_str();
  app->add_option("--algo", texts->algorithm, "auto, or an algorithm (docs/policy.md)")
      ->capture_default_str();
  app->add_option("-d,--datatype", texts->type, "element type")->capture_default_str();
  app->add_option("-o,--op", texts->reduction, "reduction")->capture_default_str();
  app->add_option("-r,--root", texts->root, "root of broadcast and reduce")->capture_default_str();
  app->add_option("--segment", texts->segment, "encoded bytes a segment aims at [by the links]");
  app->add_flag("--steps", texts->steps, "print the plan of --rank, a step a line");
  app->add_option("--rank", texts->rank, "the rank whose plan is printed")->capture_default_str();
  app->add_flag("--json", texts->json, "print the predictions as JSON");
}

template <typename T>
Result<T> Named(const std::optional<T>& value, const char* what, const std::string& text) {
  if (value) return *value;
  return InvalidArgument("unknown {} '{}'", what, text);
}

Status CheckRequest(const PlanRequest& request, const Texts& texts) {
  const Operation operation = request.operation;
  if (operation == Operation::kSend || operation == Operation::kRecv) {
    return InvalidArgument("{} concerns two ranks only: plan a broadcast of 2 ranks instead",
                           NameOf(operation));
  }
  for (const auto& [name, rank] :
       {std::pair("--root", texts.root), std::pair("--rank", texts.rank)}) {
    if (rank < 0 || rank >= texts.ranks) {
      return InvalidArgument("{} is {}; it must be from 0 to {}", name, rank, texts.ranks - 1);
    }
  }
  if (!request.codec->Supports(request.dtype)) {
    return InvalidArgument("codec {} can't code {}", request.codec->spec(), NameOf(request.dtype));
  }
  return {};
}

Result<PlanRequest> RequestOf(const Texts& texts) {
  PlanRequest request;
  TW_ASSIGN(request.operation,
            Named(OperationFromName(texts.operation), "operation", texts.operation));
  TW_ASSIGN(request.dtype, Named(DataTypeFromName(texts.type), "type", texts.type));
  TW_ASSIGN(request.reduction,
            Named(ReductionFromName(texts.reduction), "reduction", texts.reduction));
  TW_ASSIGN(const size_t bytes, ParseBytes(texts.bytes));
  TW_ASSIGN(request.codec, FindCodec(texts.codec));
  request.root = texts.root;
  request.ranks = texts.ranks;
  const bool shared = request.operation == Operation::kReduceScatter ||
                      request.operation == Operation::kAllGather ||
                      request.operation == Operation::kAllToAll;
  const size_t parts = shared ? static_cast<size_t>(texts.ranks) : 1;
  const bool barrier = request.operation == Operation::kBarrier;
  request.count = barrier ? 0 : bytes / SizeOf(request.dtype) / parts;
  TW_TRY(CheckRequest(request, texts));
  return request;
}

// What the planner expects of all algorithms, or of the one asked for.
Choice PredictionsOf(const PlanRequest& request, Algorithm asked, Planner* planner) {
  if (asked == Algorithm::kAuto) {
    const auto choice = planner->Explain(request, /*all=*/true);
    if (!choice->ranked.empty()) return *choice;
    asked = Planner::Candidates(request.operation).front();
  }
  return {{planner->PredictionOf(request, asked)}};
}

void PrintTable(const Choice& choice, Algorithm chosen, const Texts& texts) {
  fmt::print("# {} of {} {} bytes, {} ranks, codec {}, links {}\n", texts.operation, texts.bytes,
             texts.type, texts.ranks, texts.codec, texts.link.empty() ? "unknown" : texts.link);
  fmt::print("#{:>18} {:>14} {:>16} {:>6} {:>14} {:>14}\n", "algorithm", "predicted",
             "wire (B/rank)", "hops", "they take", "bytes take");
  for (const Prediction& row : choice.ranked) {
    fmt::print("{:>19} {:>14} {:>16} {:>6} {:>14} {:>14}{}\n", NameOf(row.algorithm),
               FormatSeconds(row.seconds), row.wire_bytes, row.path.hops,
               FormatSeconds(row.path.latency_seconds), FormatSeconds(row.path.transfer_seconds),
               row.algorithm == chosen ? "  chosen" : "");
  }
  if (choice.ranked.size() > 1) fmt::print("# {}\n", choice.Reason());
}

void PrintJson(const Choice& choice, Algorithm chosen, const PlanRequest& request) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Prediction& row : choice.ranked) {
    rows.push_back({{"op", NameOf(request.operation)},
                    {"count", request.count},
                    {"dtype", NameOf(request.dtype)},
                    {"codec", request.codec->spec()},
                    {"ranks", request.ranks},
                    {"algo", NameOf(row.algorithm)},
                    {"seconds", row.seconds},
                    {"simulated", row.simulated},
                    {"wire_bytes", row.wire_bytes},
                    {"hops", row.path.hops},
                    {"latency_seconds", row.path.latency_seconds},
                    {"transfer_seconds", row.path.transfer_seconds},
                    {"chosen", row.algorithm == chosen}});
  }
  fmt::print("{}\n", rows.dump(1));
}

Status Run(const Texts& texts) {
  TW_ASSIGN(const PlanRequest request, RequestOf(texts));
  TW_ASSIGN(const Algorithm asked,
            Named(AlgorithmFromName(texts.algorithm), "algorithm", texts.algorithm));
  TW_ASSIGN(LinkModel links, LinkModel::Parse(texts.link, texts.ranks));
  size_t segment_bytes = SegmentBytesFor(links);
  if (!texts.segment.empty()) {
    TW_ASSIGN(segment_bytes, ParseBytes(texts.segment));
  }
  Planner planner(std::move(links), CostModel{}, segment_bytes);
  TW_ASSIGN(const auto plan, planner.PlanFor(request, asked, texts.rank));

  const Choice choice = PredictionsOf(request, asked, &planner);
  if (texts.json) {
    PrintJson(choice, plan->algorithm, request);
  } else {
    PrintTable(choice, plan->algorithm, texts);
  }
  if (texts.steps) fmt::print("{}", FormatPlan(*plan));
  return {};
}

struct Subcommand {
  std::string_view name;
  int (*main)(int argc, char** argv);
};
constexpr Subcommand kSubcommands[] = {
    {"cost", plan::CostMain},
    {"fleet", plan::FleetMain},
    {"place", plan::PlaceMain},
};

int Main(int argc, char** argv) {
  for (const Subcommand& subcommand : kSubcommands) {
    if (argc > 1 && subcommand.name == argv[1]) return subcommand.main(argc - 1, argv + 1);
  }
  Texts texts;
  CLI::App app("Prints plans of Thinwire's operations and how long they will take.",
               "thinwire-plan");
  app.footer(
      "thinwire-plan cost --help: bytes and seconds of keeping replicas equal\n"
      "thinwire-plan fleet --help: time against ranks, to thousands of them\n"
      "thinwire-plan place --help: which host should take which rank");
  AddFlags(&app, &texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  const Status status = Run(texts);
  if (status.ok()) return 0;
  fmt::print(stderr, "thinwire-plan: {}\n", status.message());
  return kExitUsage;
}

}  // namespace
}  // namespace thinwire

int main(int argc, char** argv) { return thinwire::Main(argc, argv); }
