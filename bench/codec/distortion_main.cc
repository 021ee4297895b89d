// SPDX-License-Identifier: Apache-2.0
//
// distortion: how much every codec loses for the bits it takes, and how far that is from what
// rate-distortion theory allows.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "distortion_data.h"
#include "trellis_experiment.h"

namespace thinwire {
namespace {

constexpr int kExitUsage = 2;

struct Options {
  std::vector<std::string> specs;
  std::vector<std::string> files;
  size_t count = size_t{1} << 22;
  bool trellis = false;
  bool json = false;
  bool markdown = false;
};

void AddFlags(CLI::App* app, Options* options) {
  app->add_option("spec", options->specs, "codecs beyond the built-in ones, such as tk(3%)");
  app->add_option("--data", options->files, "NAME=PATH: also on this file of raw binary32")
      ->allow_extra_args(false);
  app->add_option("--count", options->count, "elements drawn of each distribution")
      ->capture_default_str()
      ->check(CLI::Range(size_t{4096}, size_t{1} << 30));
  app->add_flag("--trellis", options->trellis,
                "also an experiment: trellis-coded quantization at 1 and 2 bits, with the time it "
                "takes to encode");
  auto* const json = app->add_flag("--json", options->json, "print JSON");
  app->add_flag("--markdown", options->markdown, "print Markdown tables")->excludes(json);
  app->footer(
      "D = sum (x - y)^2 / sum x^2, y = decode(encode(x)). bits: encoded bits an element, scales "
      "and\n"
      "heads included. excess = bits - log2(1/D)/2: what is above Shannon's bound for Gaussian\n"
      "elements; on other data, whose own bound is lower, it is against the Gaussian bound all "
      "the\n"
      "same. '-' where nothing is lost. ns: processor time of an element on one core, best of 3.");
}

struct Row {
  std::string codec;
  double bits = 0;
  double distortion = 0;
  double encode_ns = 0;  // an element, on one core
  double decode_ns = 0;

  bool exact() const { return distortion == 0; }
  double excess() const { return bits + 0.5 * std::log2(distortion); }
};

struct Table {
  std::string title;
  bool timed = false;
  std::vector<Row> rows = {};
};

Result<Row> MeasureCodec(const Codec& codec, const std::vector<float>& x) {
  constexpr auto kType = DataType::kFloat32;
  constexpr int kRuns = 3;
  std::vector<std::byte> encoded(codec.EncodedBytes(x.size(), kType));
  std::vector<float> y(x.size());
  size_t used = 0;
  double encode = 1e30, decode = 1e30;  // seconds of the quickest run
  for (int run = 0; run < kRuns; ++run) {
    const double start = ProcessorSeconds();
    codec.Encode(x.data(), kType, x.size(), encoded.data());
    const double middle = ProcessorSeconds();
    used = codec.fixed_size() ? encoded.size() : codec.UsedBytes(encoded.data(), x.size(), kType);
    TW_TRY(codec.Decode(std::span(encoded).first(used), kType, x.size(), y.data()));
    encode = std::min(encode, middle - start);
    decode = std::min(decode, ProcessorSeconds() - middle);
  }
  const auto count = static_cast<double>(x.size());
  return Row{.codec = codec.spec(),
             .bits = 8.0 * static_cast<double>(used) / count,
             .distortion = codec.exact() ? 0 : Distortion(x, y),
             .encode_ns = 1e9 * encode / count,
             .decode_ns = 1e9 * decode / count};
}

Result<Table> CodecTable(const std::vector<const Codec*>& codecs, const DataSet& data) {
  Table table = {.title = data.name};
  for (const Codec* codec : codecs) {
    TW_ASSIGN(Row row, MeasureCodec(*codec, data.values));
    table.rows.push_back(std::move(row));
  }
  return table;
}

// Beside the codecs that quantize the same rotated elements one by one.
Result<Table> TrellisTable(const std::vector<const Codec*>& codecs, const DataSet& data) {
  Table table = {.title = data.name + ", trellis experiment", .timed = true};
  for (const Codec* codec : codecs) {
    if (codec->id() != CodecId::kRq1 && codec->id() != CodecId::kRq2) continue;
    TW_ASSIGN(Row row, MeasureCodec(*codec, data.values));
    table.rows.push_back(std::move(row));
  }
  for (const TrellisFigures& figures : RunTrellisExperiment(data.values)) {
    const std::string name =
        figures.states == 1 ? "scalar" : fmt::format("trellis of {} states", figures.states);
    table.rows.push_back({.codec = fmt::format("({} bit {})", figures.rate, name),
                          .bits = figures.bits,
                          .distortion = figures.distortion,
                          .encode_ns = figures.encode_ns,
                          .decode_ns = figures.decode_ns});
  }
  return table;
}

std::string ExcessText(const Row& row) {
  return row.exact() ? "-" : fmt::format("{:.3f}", row.excess());
}

std::string DistortionText(const Row& row) {
  return row.exact() ? "0" : fmt::format("{:#.3g}", row.distortion);
}

void PrintText(const Table& table) {
  fmt::print("{}\n{:>32}{:>10}{:>12}{:>9}{}\n", table.title, "codec", "bits", "D", "excess",
             table.timed ? "   encode ns   decode ns" : "");
  for (const Row& row : table.rows) {
    fmt::print("{:>32}{:>10.3f}{:>12}{:>9}{}\n", row.codec, row.bits, DistortionText(row),
               ExcessText(row),
               table.timed ? fmt::format("{:>12.2f}{:>12.2f}", row.encode_ns, row.decode_ns) : "");
  }
  fmt::print("\n");
}

void PrintMarkdown(const Table& table) {
  fmt::print("### {}\n\n| codec | bits | D | excess |{}\n|---|---|---|---|{}\n", table.title,
             table.timed ? " encode, ns | decode, ns |" : "", table.timed ? "---|---|" : "");
  for (const Row& row : table.rows) {
    fmt::print("| {} | {:.3f} | {} | {} |{}\n",
               row.codec.starts_with('(') ? row.codec : fmt::format("`{}`", row.codec), row.bits,
               DistortionText(row), ExcessText(row),
               table.timed ? fmt::format(" {:.2f} | {:.2f} |", row.encode_ns, row.decode_ns) : "");
  }
  fmt::print("\n");
}

void PrintJson(const std::vector<Table>& tables) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Table& table : tables) {
    for (const Row& row : table.rows) {
      nlohmann::ordered_json entry = {{"data", table.title},       {"codec", row.codec},
                                      {"bits", row.bits},          {"distortion", row.distortion},
                                      {"excess_bits", nullptr},    {"encode_ns", row.encode_ns},
                                      {"decode_ns", row.decode_ns}};
      if (!row.exact()) entry["excess_bits"] = row.excess();
      json.push_back(std::move(entry));
    }
  }
  fmt::print("{}\n", json.dump(2));
}

Status Run(const Options& options) {
  std::vector<const Codec*> codecs;
  std::vector<std::string> specs(CodecSpecs().begin(), CodecSpecs().end());
  specs.insert(specs.end(), options.specs.begin(), options.specs.end());
  for (const std::string& spec : specs) {
    TW_ASSIGN(const Codec* codec, FindCodec(spec));
    codecs.push_back(codec);
  }
  std::vector<DataSet> sets = StandardData(options.count);
  for (const std::string& file : options.files) {
    TW_ASSIGN(DataSet data, ReadDataSet(file));
    sets.push_back(std::move(data));
  }

  std::vector<Table> tables;
  for (const DataSet& data : sets) {
    TW_ASSIGN(Table table, CodecTable(codecs, data));
    tables.push_back(std::move(table));
  }
  for (const DataSet& data : sets) {
    if (!options.trellis || data.values.size() < kTrellisChunk) continue;
    TW_ASSIGN(Table table, TrellisTable(codecs, data));
    tables.push_back(std::move(table));
  }
  if (options.json) {
    PrintJson(tables);
    return {};
  }
  for (const Table& table : tables) {
    if (options.markdown) {
      PrintMarkdown(table);
    } else {
      PrintText(table);
    }
  }
  return {};
}

}  // namespace
}  // namespace thinwire

int main(int argc, char** argv) {
  thinwire::Options options;
  CLI::App app("Distortion and bits of every codec.", "distortion");
  thinwire::AddFlags(&app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : thinwire::kExitUsage;
  }
  const thinwire::Status status = thinwire::Run(options);
  if (status.ok()) return 0;
  fmt::print(stderr, "distortion: {}\n", status.message());
  return 1;
}
