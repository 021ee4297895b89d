// SPDX-License-Identifier: Apache-2.0
#include "subcommands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/units.h"
#include "collective/link_model.h"
#include "fleet_study.h"

namespace thinwire::plan {
namespace {

constexpr int kMostRanks = 100'000;

// Flags as they were written.
struct Texts {
  std::string link = "profile=worldwide-8";
  std::string loss = "0";
  std::string congestion = "bbr";
  int flows = 1;
  std::string bytes = "64M";
  std::string type = "float";
  std::vector<std::string> codecs = {"raw", "q4"};
  std::vector<std::string> algorithms;
  std::vector<int> ranks = {2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 10000};
  std::string stragglers = "0";
  double slower = 4;
  std::string lifetime = "0";
  std::string restart = "10s";
  int peers = 1000;
  uint64_t seed = 1;
  bool json = false;
};

void AddFlags(CLI::App* app, Texts* texts) {
  const auto add = [&](const char* name, auto* value, const char* what) {
    return app->add_option(name, *value, what)->capture_default_str();
  };
  add("--link", &texts->link, "profile=NAME, sites=FILE or rate=500mbit,delay=20ms[,loss=0.1%]");
  add("--loss", &texts->loss, "loss of every link, in place of its own, such as 0.1%");
  add("--congestion", &texts->congestion, "how TCP takes a lost packet: bbr or cubic")
      ->check(CLI::IsMember({"bbr", "cubic"}));
  add("--flows", &texts->flows, "flows between two ranks")->check(CLI::Range(1, 64));
  add("--bytes", &texts->bytes, "size of the vector, such as 64M");
  add("-d,--datatype", &texts->type, "element type");
  add("--codec", &texts->codecs, "codecs")->delimiter(',');
  add("--algo", &texts->algorithms, "algorithms [all]")->delimiter(',');
  add("--ranks", &texts->ranks, "numbers of ranks, ascending")
      ->delimiter(',')
      ->check(CLI::Range(2, kMostRanks));
  add("--stragglers", &texts->stragglers, "part of the ranks that are slower, such as 1%");
  add("--slower", &texts->slower, "how many times slower their links and processors are")
      ->check(CLI::Range(1.0, 1e6));
  add("--lifetime", &texts->lifetime, "mean time until a rank fails, such as 1440min; 0: never");
  add("--restart", &texts->restart, "from a failure until the operation runs again");
  add("--peers", &texts->peers, "most peers a rank can have connections to");
  add("--seed", &texts->seed, "of stragglers and of packets lost");
  app->add_flag("--json", texts->json, "print points and what breaks where as JSON");
}

Result<SiteMatrix> SitesFrom(const std::string& text) {
  constexpr std::string_view kProfile = "profile=";
  constexpr std::string_view kSites = "sites=";
  if (text.starts_with(kProfile)) return SiteMatrix::Named(text.substr(kProfile.size()));
  if (text.starts_with(kSites)) return SiteMatrix::ParseFile(text.substr(kSites.size()));
  TW_ASSIGN(const LinkModel pair, LinkModel::Parse(text, 2));
  const Link& every = pair.at(0, 1);
  if (every.rate <= 0) return InvalidArgument("link '{}' has no rate", text);
  return SiteMatrix(every);
}

SiteMatrix WithLoss(const SiteMatrix& sites, double loss) {
  std::vector<std::string> names;
  std::vector<Link> links;
  for (int from = 0; from < sites.sites(); ++from) {
    names.push_back(sites.name(from));
    for (int to = 0; to < sites.sites(); ++to) {
      links.push_back(sites.at(from, to));
      links.back().loss = loss;
    }
  }
  return SiteMatrix(std::move(names), std::move(links), sites.nic_rate());
}

Result<Fleet> FleetOf(const Texts& texts) {
  TW_ASSIGN(SiteMatrix sites, SitesFrom(texts.link));
  TW_ASSIGN(const double loss, ParseLoss(texts.loss));
  Fleet fleet{.sites = loss > 0 ? WithLoss(sites, loss) : std::move(sites), .costs = {}};
  const bool bbr = texts.congestion == "bbr";
  fleet.costs.congestion = bbr ? Congestion::kBbr : Congestion::kCubic;
  fleet.costs.flows = texts.flows;
  TW_ASSIGN(fleet.straggler_part, ParseLoss(texts.stragglers));
  fleet.straggler_factor = texts.slower;
  fleet.seed = texts.seed;
  return fleet;
}

Status CheckAlgorithms(const std::vector<std::string>& algorithms) {
  for (const std::string& algorithm : algorithms) {
    const auto pattern = MakePattern(algorithm, 2, 1, {0});
    if (!pattern.ok()) return pattern.status();
  }
  return {};
}

Result<FleetStudy> StudyOf(const Texts& texts) {
  TW_ASSIGN(Fleet fleet, FleetOf(texts));
  FleetStudy study{.fleet = std::move(fleet)};
  const auto dtype = DataTypeFromName(texts.type);
  if (!dtype) return InvalidArgument("unknown type '{}'", texts.type);
  study.dtype = *dtype;
  TW_ASSIGN(const size_t bytes, ParseBytes(texts.bytes));
  study.count = bytes / SizeOf(study.dtype);
  for (const std::string& spec : texts.codecs) {
    TW_ASSIGN(const Codec* codec, FindCodec(spec));
    if (!codec->Supports(study.dtype)) {
      return InvalidArgument("codec {} can't code {}", spec, texts.type);
    }
    study.codecs.push_back(codec);
  }
  study.algorithms = texts.algorithms;
  if (study.algorithms.empty()) {
    study.algorithms.assign(PatternNames().begin(), PatternNames().end());
  }
  TW_TRY(CheckAlgorithms(study.algorithms));
  study.ranks = texts.ranks;
  if (!std::is_sorted(study.ranks.begin(), study.ranks.end())) {
    return InvalidArgument("--ranks must ascend");
  }
  TW_ASSIGN(study.mean_seconds_between_failures, ParseSeconds(texts.lifetime));
  TW_ASSIGN(study.restart_seconds, ParseSeconds(texts.restart));
  study.most_peers = texts.peers;
  return study;
}

void PrintTable(const FleetStudy& study, const std::vector<FleetPoint>& points,
                const Texts& texts) {
  fmt::print("# all_reduce of {} bytes {}, links {}, loss {}, {}\n", texts.bytes, texts.type,
             texts.link, texts.loss, texts.congestion);
  fmt::print("#{:>7} {:>20} {:>10} {:>12} {:>12} {:>15} {:>7} {:>9}\n", "ranks", "algorithm",
             "codec", "time", "with churn", "wire (B/rank)", "peers", "breaks by");
  for (const FleetPoint& point : points) {
    fmt::print("{:>8} {:>20} {:>10} {:>12} {:>12} {:>15} {:>7} {:>9}\n", point.ranks,
               point.algorithm, point.codec->spec(), FormatSeconds(point.time.seconds),
               FormatSeconds(point.churn_seconds), point.time.wire_bytes, point.time.peers,
               point.broken ? NameOf(*point.broken) : "");
  }
  fmt::print("# first number of ranks at which it breaks\n");
  fmt::print("#{:>20} {:>10} {:>8} {:>8} {:>8} {:>8}\n", "algorithm", "codec", "peers", "churn",
             "messages", "slower");
  for (const Codec* codec : study.codecs) {
    for (const std::string& algorithm : study.algorithms) {
      fmt::print("{:>21} {:>10}", algorithm, codec->spec());
      for (int i = 0; i < kBreakages; ++i) {
        const auto first = FirstBroken(points, algorithm, codec, static_cast<Breakage>(i));
        fmt::print(" {:>8}", first ? std::to_string(*first) : "-");
      }
      fmt::print("\n");
    }
  }
}

void PrintJson(const std::vector<FleetPoint>& points, const Texts& texts) {
  nlohmann::json rows = nlohmann::json::array();
  for (const FleetPoint& point : points) {
    rows.push_back({{"ranks", point.ranks},
                    {"algo", point.algorithm},
                    {"codec", point.codec->spec()},
                    {"seconds", point.time.seconds},
                    {"churn_seconds", point.churn_seconds},
                    {"overhead_seconds", point.time.overhead_seconds},
                    {"wire_bytes", point.time.wire_bytes},
                    {"peers", point.time.peers},
                    {"broken", point.broken ? NameOf(*point.broken) : ""}});
  }
  const nlohmann::json study = {{"op", "all_reduce"},       {"bytes", texts.bytes},
                                {"dtype", texts.type},      {"link", texts.link},
                                {"loss", texts.loss},       {"congestion", texts.congestion},
                                {"flows", texts.flows},     {"stragglers", texts.stragglers},
                                {"slower", texts.slower},   {"lifetime", texts.lifetime},
                                {"restart", texts.restart}, {"points", std::move(rows)}};
  fmt::print("{}\n", study.dump(1));
}

Status Run(const Texts& texts) {
  TW_ASSIGN(const FleetStudy study, StudyOf(texts));
  const size_t all = study.ranks.size() * study.codecs.size() * study.algorithms.size();
  size_t done = 0;
  const auto points = RunStudy(study, [&](const FleetPoint& point) {
    fmt::print(stderr, "{}/{}: {} ranks, {}, {}: {}\n", ++done, all, point.ranks, point.algorithm,
               point.codec->spec(), FormatSeconds(point.time.seconds));
  });
  if (texts.json) {
    PrintJson(points, texts);
  } else {
    PrintTable(study, points, texts);
  }
  return {};
}

}  // namespace

int FleetMain(int argc, char** argv) {
  Texts texts;
  CLI::App app("Simulates all-reduces among very many ranks, and says where algorithms break.",
               "thinwire-plan fleet");
  AddFlags(&app, &texts);
  return RunSubcommand(&app, argc, argv, [&] { return Run(texts); });
}

}  // namespace thinwire::plan
