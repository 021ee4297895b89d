// SPDX-License-Identifier: Apache-2.0
//
// thinwire-plan place: which host should take which rank of a training job.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "codec/codec.h"
#include "placement_files.h"
#include "placement_search.h"
#include "subcommands.h"

namespace thinwire::plan {
namespace {

constexpr int kRandomPlacements = 20;  // that the baseline is the mean of

// Flags as they were written. The defaults are the job of DT-FM's evaluation: GPT-3 of 1.3e9
// parameters, 3 of 24 layers a stage.
struct Texts {
  TrainingJob job = {.stages = 8, .replicas = 8, .micro_batches = 61};
  SearchEffort effort;
  std::string links;
  std::string gradients = "0.65G";
  std::string activations = "8290304";
  std::string gradient_codec = "raw";
  std::string activation_codec = "raw";
  std::string sends = "parallel";
  std::string names;
  std::string host_file;
  std::string link_file;
  std::optional<uint64_t> random;
  bool json = false;
};

void AddFlags(CLI::App* app, Texts* texts) {
  TrainingJob* job = &texts->job;
  app->add_option("--link", texts->links, "profile=worldwide-8, sites=FILE or file=LINKS")
      ->required();
  app->add_option("--stages", job->stages, "of the pipeline")
      ->capture_default_str()
      ->check(CLI::Range(1, kMostStages));
  app->add_option("--replicas", job->replicas, "of each stage")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  app->add_option("--gradients", texts->gradients, "float gradients of a stage, in bytes")
      ->capture_default_str();
  app->add_option("--activations", texts->activations, "bfloat16 activations of a micro-batch")
      ->capture_default_str();
  app->add_option("--micro-batches", job->micro_batches, "of a replica in one iteration")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("--gradient-codec", texts->gradient_codec, "a codec, or bits=4.125 a value")
      ->capture_default_str();
  app->add_option("--activation-codec", texts->activation_codec, "a codec, or bits=4.125 a value")
      ->capture_default_str();
  app->add_option("--sends", texts->sends, "parallel, or serial as DT-FM counts")
      ->capture_default_str()
      ->check(CLI::IsMember({"parallel", "serial"}));
  app->add_option("--seed", texts->effort.seed, "of the search")->capture_default_str();
  app->add_option("--offspring", texts->effort.offspring, "how long to search")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000'000));
  app->add_option("--random", texts->random, "take the random placement of this seed instead");
  app->add_option("--names", texts->names, "file of the hosts' names, one a line");
  app->add_option("--host-file", texts->host_file, "write the hosts in the order of ranks");
  app->add_option("--link-file", texts->link_file, "write the links between ranks");
  app->add_flag("--json", texts->json, "print all as JSON");
}

// Bytes that `bytes` of a type take in a codec or in stated bits a value.
Result<double> WireBytes(const std::string& codec, const std::string& bytes, DataType dtype) {
  constexpr std::string_view kBits = "bits=";
  TW_ASSIGN(const size_t dense, ParseBytes(bytes));
  const size_t count = dense / SizeOf(dtype);
  if (codec.starts_with(kBits)) {
    double bits = 0;
    const char* end = codec.data() + codec.size();
    const auto [rest, error] = std::from_chars(codec.data() + kBits.size(), end, bits);
    if (error != std::errc() || rest != end || !(bits > 0)) {
      return InvalidArgument("'{}': write a codec, or bits= and a number", codec);
    }
    return static_cast<double>(count) * bits / 8;
  }
  TW_ASSIGN(const Codec* named, FindCodec(codec));
  if (!named->Supports(dtype)) return InvalidArgument("{} can't code {}", codec, NameOf(dtype));
  return static_cast<double>(named->EncodedBytes(count, dtype));
}

Result<TrainingJob> JobOf(const Texts& texts, bool encoded) {
  TrainingJob job = texts.job;
  TW_ASSIGN(job.gradient_bytes,
            WireBytes(encoded ? texts.gradient_codec : "raw", texts.gradients, DataType::kFloat32));
  TW_ASSIGN(job.activation_bytes, WireBytes(encoded ? texts.activation_codec : "raw",
                                            texts.activations, DataType::kBfloat16));
  return job;
}

struct Row {
  std::string placement;
  bool encoded;
  PlacementCost cost;
};

PlacementCost RandomMean(const PlacementModel& model) {
  PlacementCost mean;
  for (uint64_t seed = 1; seed <= kRandomPlacements; ++seed) {
    const PlacementCost cost = model.CostOf(RandomPlacement(model, seed));
    mean.gradient_seconds += cost.gradient_seconds / kRandomPlacements;
    mean.activation_seconds += cost.activation_seconds / kRandomPlacements;
  }
  return mean;
}

Placement SearchWithProgress(const PlacementModel& model, const SearchEffort& effort) {
  using Clock = std::chrono::steady_clock;
  auto said = Clock::now();
  return SearchPlacement(model, effort, [&](int done, double seconds) {
    if (Clock::now() - said < std::chrono::seconds(1)) return;
    said = Clock::now();
    fmt::print(stderr, "place: {} of {} offspring, best so far {}\n", done, effort.offspring,
               FormatSeconds(seconds));
  });
}

// Appends rows of costs; the placement asked for.
Placement Compare(const PlacementModel& model, const Texts& texts, bool encoded,
                  std::vector<Row>* rows) {
  rows->push_back({"random", encoded, RandomMean(model)});
  if (texts.random) {
    Placement chosen = model.Wired(RandomPlacement(model, *texts.random));
    rows->push_back({fmt::format("random {}", *texts.random), encoded, model.CostOf(chosen)});
    return chosen;
  }
  rows->push_back({"near groups", encoded, model.CostOf(NearGroups(model))});
  rows->push_back({"near pipelines", encoded, model.CostOf(NearPipelines(model))});
  Placement planned = SearchWithProgress(model, texts.effort);
  rows->push_back({"planned", encoded, model.CostOf(planned)});
  return planned;
}

void PrintTable(const Texts& texts, const std::vector<Row>& rows) {
  const TrainingJob& job = texts.job;
  fmt::print(
      "# {} stages x {} replicas on {}, {} sends; random: mean of {}; seconds an iteration\n",
      job.stages, job.replicas, texts.links, texts.sends, kRandomPlacements);
  fmt::print("# gradients {} a stage in {}, activations {} x {} in {}\n", texts.gradients,
             texts.gradient_codec, job.micro_batches, texts.activations, texts.activation_codec);
  fmt::print("#{:>15} {:>8} {:>10} {:>12} {:>10} {:>8}\n", "placement", "bytes", "gradients",
             "activations", "total", "faster");
  for (const Row& row : rows) {
    fmt::print(" {:>15} {:>8} {:>10.4g} {:>12.4g} {:>10.4g} {:>7.2f}x\n", row.placement,
               row.encoded ? "encoded" : "dense", row.cost.gradient_seconds,
               row.cost.activation_seconds, row.cost.total(),
               rows.front().cost.total() / row.cost.total());
  }
}

void PrintJson(const std::vector<Row>& rows, const Hosts& hosts, const TrainingJob& job,
               const Placement& placement) {
  nlohmann::json costs = nlohmann::json::array();
  for (const Row& row : rows) {
    costs.push_back({{"placement", row.placement},
                     {"encoded", row.encoded},
                     {"gradient_seconds", row.cost.gradient_seconds},
                     {"activation_seconds", row.cost.activation_seconds},
                     {"seconds", row.cost.total()},
                     {"faster", rows.front().cost.total() / row.cost.total()}});
  }
  nlohmann::json ranks = nlohmann::json::array();
  for (size_t rank = 0; rank < placement.size(); ++rank) {
    const auto replicas = static_cast<size_t>(job.replicas);
    ranks.push_back({{"rank", rank},
                     {"host", hosts.names[static_cast<size_t>(placement[rank])]},
                     {"stage", rank / replicas},
                     {"replica", rank % replicas}});
  }
  fmt::print("{}\n", nlohmann::json{{"costs", costs}, {"ranks", ranks}}.dump(1));
}

Status Run(const Texts& texts) {
  const Sends sends = texts.sends == "serial" ? Sends::kSerial : Sends::kParallel;
  TW_ASSIGN(const Hosts hosts, HostsOf(texts.links, texts.job.hosts(), texts.names));
  std::vector<Row> rows;
  Placement placement;
  const bool encodes = texts.gradient_codec != "raw" || texts.activation_codec != "raw";
  for (int encoded = 0; encoded <= (encodes ? 1 : 0); ++encoded) {
    TW_ASSIGN(const TrainingJob job, JobOf(texts, encoded == 1));
    TW_ASSIGN(const PlacementModel model, PlacementModel::Make(hosts.links, job, sends));
    placement = Compare(model, texts, encoded == 1, &rows);
  }
  if (!texts.host_file.empty()) {
    TW_TRY(WriteFile(texts.host_file, HostFile(hosts, texts.job, placement)));
  }
  if (!texts.link_file.empty()) {
    TW_TRY(WriteFile(texts.link_file, LinkFile(hosts, placement)));
  }
  if (texts.json) {
    PrintJson(rows, hosts, texts.job, placement);
    return {};
  }
  PrintTable(texts, rows);
  if (texts.host_file.empty()) fmt::print("\n{}", HostFile(hosts, texts.job, placement));
  return {};
}

}  // namespace

int PlaceMain(int argc, char** argv) {
  Texts texts;
  CLI::App app("Finds which host should take which rank of a training job.", "thinwire-plan place");
  AddFlags(&app, &texts);
  return RunSubcommand(&app, argc, argv, [&] { return Run(texts); });
}

}  // namespace thinwire::plan
