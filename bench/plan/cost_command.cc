// SPDX-License-Identifier: Apache-2.0
//
// thinwire-plan cost: bytes and seconds of an exchange, for wires x algorithms x links.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "cost_model.h"
#include "subcommands.h"

namespace thinwire::plan {
namespace {

// Flags as they were written.
struct Texts {
  Job job = {.parameters = 175e9, .ranks = 100, .steps_between = 100};
  int stages = 1;
  std::vector<std::string> codecs;
  std::vector<std::string> bits;
  std::vector<std::string> algorithms = {"sra"};
  std::vector<std::string> links = {"rate=25gbit", "rate=1gbit"};
  bool json = false;
};

void AddFlags(CLI::App* app, Texts* texts) {
  app->add_option("--parameters", texts->job.parameters, "of the model, such as 175e9")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 1e15));
  app->add_option("--ranks", texts->job.ranks, "replicas that are kept equal")
      ->capture_default_str()
      ->check(CLI::Range(2, 1'000'000));
  app->add_option("--every", texts->job.steps_between, "steps from one exchange to the next")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 1e9));
  app->add_option("--stages", texts->stages, "pipeline stages, each exchanging its own part")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("--codec", texts->codecs, "a codec of the library, such as q8; may be repeated");
  app->add_option("--bits", texts->bits, "bits a parameter, such as 4.125 or mine=4.125");
  app->add_option("--algo", texts->algorithms,
                  fmt::format("all, or of {}", fmt::join(PatternNames(), ", ")))
      ->capture_default_str();
  app->add_option("--link", texts->links, "rate=1gbit,delay=20ms; may be repeated")
      ->capture_default_str();
  app->add_flag("--json", texts->json, "print an object a wire, algorithm and link");
}

// "4.125" or "name=4.125"
Result<Wire> StatedWire(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
  double bits = 0;
  const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
  if (error != std::errc() || rest != number.data() + number.size() || !(bits > 0 && bits < 1e3)) {
    return InvalidArgument("--bits '{}': write a number of bits, or name=bits", text);
  }
  const std::string name = equals == std::string::npos ? text + " bits" : text.substr(0, equals);
  return Wire{.name = name, .stated_bits = bits};
}

Result<Wire> CodecWire(const std::string& spec) {
  TW_ASSIGN(const Codec* codec, FindCodec(spec));
  if (!codec->Supports(DataType::kFloat32)) {
    return InvalidArgument("codec {} can't code float", spec);
  }
  if (codec->sums_exactly()) {
    return InvalidArgument("sums of {} are wider than what is summed: state their --bits", spec);
  }
  return Wire{.name = codec->spec(), .codec = codec};
}

// Those asked for, else the published ones.
Result<std::vector<Wire>> WiresOf(const Texts& texts) {
  std::vector<Wire> wires;
  for (const std::string& spec : texts.codecs) {
    TW_ASSIGN(const Wire wire, CodecWire(spec));
    wires.push_back(wire);
  }
  for (const std::string& text : texts.bits) {
    TW_ASSIGN(const Wire wire, StatedWire(text));
    wires.push_back(wire);
  }
  if (wires.empty()) wires.assign(PublishedWires().begin(), PublishedWires().end());
  for (Wire& wire : wires) wire.stages *= texts.stages;
  return wires;
}

Result<std::vector<Link>> LinksOf(const Texts& texts) {
  std::vector<Link> links;
  for (const std::string& text : texts.links) {
    TW_ASSIGN(const LinkModel model, LinkModel::Parse(text, 2));
    if (model.at(0, 1).rate <= 0) return InvalidArgument("--link '{}' states no rate", text);
    links.push_back(model.at(0, 1));
  }
  return links;
}

// Decimal, as rates are: 700 GB over 25 Gbit/s take 224 s.
std::string DecimalBytes(double bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  size_t unit = 0;
  for (; bytes >= 999.95 && unit + 1 < kUnits.size(); ++unit) bytes /= 1e3;
  return fmt::format("{:.4g} {}", bytes, kUnits[unit]);
}

std::string FourDigits(double value) {
  return value >= 1e3 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

void PrintTable(const Texts& texts, const std::string& algorithm, const std::vector<Wire>& wires,
                const Pattern& pattern, const std::vector<Link>& links) {
  fmt::print("# {:.4g} parameters, {} ranks, {}, an exchange every {:g} steps; seconds\n",
             texts.job.parameters, texts.job.ranks, algorithm, texts.job.steps_between);
  fmt::print("#{:>16} {:>8} {:>10} {:>10} {:>10}", "wire", "bits", "vector", "all ranks", "sent");
  for (const Link& link : links) {
    const std::string rate = FormatRate(link.rate);
    fmt::print(" | {:>12} {:>10} {:>10}", rate + " 1way", "all-reduce", "a step");
  }
  fmt::print("\n");
  for (const Wire& wire : wires) {
    const Cost cost = CostOf(wire, texts.job, pattern, links.front());
    fmt::print(" {:>16} {:>8.4g} {:>10} {:>10} {:>10}", wire.name, cost.bits_per_parameter,
               DecimalBytes(cost.vector_bytes), DecimalBytes(cost.all_vectors_bytes),
               DecimalBytes(cost.sent_bytes));
    for (const Link& link : links) {
      const Cost over = CostOf(wire, texts.job, pattern, link);
      fmt::print(" | {:>15} {:>10} {:>10}", FourDigits(over.one_way_seconds),
                 FourDigits(over.all_reduce_seconds), FourDigits(over.seconds_per_step));
    }
    fmt::print("\n");
  }
}

nlohmann::json RowOf(const Texts& texts, const std::string& algorithm, const Wire& wire,
                     const Link& link, const Cost& cost) {
  return {{"wire", wire.name},
          {"stages", wire.stages},
          {"parameters", texts.job.parameters},
          {"ranks", texts.job.ranks},
          {"steps_between", texts.job.steps_between},
          {"algo", algorithm},
          {"rate", link.rate},
          {"delay", link.delay},
          {"bits_per_parameter", cost.bits_per_parameter},
          {"vector_bytes", cost.vector_bytes},
          {"all_vectors_bytes", cost.all_vectors_bytes},
          {"one_way_seconds", cost.one_way_seconds},
          {"sent_bytes", cost.sent_bytes},
          {"all_reduce_seconds", cost.all_reduce_seconds},
          {"seconds_per_step", cost.seconds_per_step}};
}

Status Run(Texts texts) {
  if (texts.algorithms == std::vector<std::string>{"all"}) {
    texts.algorithms.assign(PatternNames().begin(), PatternNames().end());
  }
  TW_ASSIGN(const std::vector<Wire> wires, WiresOf(texts));
  TW_ASSIGN(const std::vector<Link> links, LinksOf(texts));
  std::vector<std::pair<std::string, Pattern>> patterns;
  for (const std::string& algorithm : texts.algorithms) {
    TW_ASSIGN(const Pattern pattern, PatternOf(algorithm, texts.job.ranks));
    patterns.emplace_back(algorithm, pattern);
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& [algorithm, pattern] : patterns) {
    if (!texts.json) {
      PrintTable(texts, algorithm, wires, pattern, links);
      continue;
    }
    for (const Wire& wire : wires) {
      for (const Link& link : links) {
        const Cost cost = CostOf(wire, texts.job, pattern, link);
        rows.push_back(RowOf(texts, algorithm, wire, link, cost));
      }
    }
  }
  if (texts.json) fmt::print("{}\n", rows.dump(1));
  return {};
}

}  // namespace

int CostMain(int argc, char** argv) {
  Texts texts;
  CLI::App app(
      "Bytes and seconds of keeping a model's replicas equal. Without a wire, the published "
      "ones.",
      "thinwire-plan cost");
  AddFlags(&app, &texts);
  return RunSubcommand(&app, argc, argv, [&] { return Run(texts); });
}

}  // namespace thinwire::plan
