// SPDX-License-Identifier: Apache-2.0
#include "collective/link_model.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/units.h"
#include "collective/site_matrix.h"

namespace thinwire {
namespace {

constexpr int kEveryRank = -1;
constexpr std::string_view kFile = "file=";
constexpr std::string_view kLines = "lines=";
constexpr std::string_view kProfile = "profile=";

std::vector<std::string_view> Split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> fields;
  for (size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    fields.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(separators, end);
  }
  return fields;
}

Result<int> ParseRank(std::string_view text, int ranks) {
  if (text == "*") return kEveryRank;
  int rank = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), rank);
  if (error != std::errc() || stop != text.data() + text.size() || rank < 0) {
    return InvalidArgument("bad rank '{}': write a number or *", text);
  }
  if (rank >= ranks) {
    return InvalidArgument("rank {}, but there are only {} ranks (0 to {})", rank, ranks,
                           ranks - 1);
  }
  return rank;
}

// `nic rank rate`
Status ApplyNic(const std::vector<std::string_view>& fields, LinkModel* model) {
  if (fields.size() != 3)
    return InvalidArgument("write 'nic rank rate', not {} fields", fields.size());
  TW_ASSIGN(const int named, ParseRank(fields[1], model->ranks()));
  TW_ASSIGN(const double rate, ParseRate(fields[2]));
  for (int rank = 0; rank < model->ranks(); ++rank) {
    if (named == kEveryRank || named == rank) model->set_nic(rank, rate);
  }
  return {};
}

// One line of a link file, `from to rate delay [loss]`, into every pair it names.
Status ApplyLine(const std::vector<std::string_view>& fields, LinkModel* model) {
  if (fields[0] == "nic") return ApplyNic(fields, model);
  if (fields.size() < 4 || fields.size() > 5) {
    return InvalidArgument("write 'from to rate delay [loss]', not {} fields", fields.size());
  }
  TW_ASSIGN(const int from, ParseRank(fields[0], model->ranks()));
  TW_ASSIGN(const int to, ParseRank(fields[1], model->ranks()));
  if (from == to && from != kEveryRank) return InvalidArgument("a rank has no link to itself");
  Link link;
  link.origin = Link::Origin::kGiven;
  TW_ASSIGN(link.rate, ParseRate(fields[2]));
  TW_ASSIGN(link.delay, ParseSeconds(fields[3]));
  if (fields.size() == 5) {
    TW_ASSIGN(link.loss, ParseLoss(fields[4]));
  }
  for (int i = 0; i < model->ranks(); ++i) {
    for (int j = 0; j < model->ranks(); ++j) {
      const bool named = (from == kEveryRank || from == i) && (to == kEveryRank || to == j);
      if (named && i != j) model->at(i, j) = link;
    }
  }
  return {};
}

// "rate=500mbit,delay=20ms,loss=0.1%"
Result<Link> ParseUniform(std::string_view text) {
  Link link;
  if (!text.empty()) link.origin = Link::Origin::kGiven;
  for (const std::string_view field : Split(text, ",")) {
    const size_t equals = std::min(field.find('='), field.size());
    const std::string_view key = field.substr(0, equals);
    const std::string_view value = field.substr(std::min(equals + 1, field.size()));
    if (key == "rate") {
      TW_ASSIGN(link.rate, ParseRate(value));
    } else if (key == "delay") {
      TW_ASSIGN(link.delay, ParseSeconds(value));
    } else if (key == "loss") {
      TW_ASSIGN(link.loss, ParseLoss(value));
    } else {
      return InvalidArgument(
          "link '{}': unknown part '{}'; write rate=500mbit,delay=20ms or file=PATH", text, field);
    }
  }
  return link;
}

}  // namespace

std::string_view NameOf(Link::Origin origin) {
  constexpr std::string_view kNames[] = {"unknown",  "given",   "measured",
                                         "inferred", "learned", "at least"};
  return kNames[static_cast<size_t>(origin)];
}

Result<std::string> LinkModel::Inline(const std::string& text) {
  if (!text.starts_with(kFile)) return text;
  const std::string path = text.substr(kFile.size());
  std::ifstream file(path);
  std::stringstream lines;
  lines << file.rdbuf();
  if (!file) return SystemErrno("link file " + path);
  return std::string(kLines) + lines.str();
}

Result<LinkModel> LinkModel::Parse(const std::string& text, int ranks) {
  if (text.starts_with(kFile)) {
    TW_ASSIGN(const std::string inlined, Inline(text));
    const Result<LinkModel> model = Parse(inlined, ranks);
    return model.ok() ? model : model.status().WithContext(text.substr(kFile.size()));
  }
  if (text.starts_with(kLines)) {
    return ParseLines(std::string_view(text).substr(kLines.size()), ranks);
  }
  if (text.starts_with(kProfile)) {
    TW_ASSIGN(const SiteMatrix sites, SiteMatrix::Named(text.substr(kProfile.size())));
    return sites.Links(ranks);
  }
  TW_ASSIGN(const Link every, ParseUniform(text));
  return LinkModel(ranks, every);
}

Result<LinkModel> LinkModel::ParseLines(std::string_view lines, int ranks) {
  LinkModel model(ranks);
  for (int number = 1; !lines.empty(); ++number) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const auto fields = Split(line.substr(0, line.find('#')), " \t\r");
    if (fields.empty()) continue;
    const Status applied = ApplyLine(fields, &model);
    if (!applied.ok()) return applied.WithContext(fmt::format("line {}", number));
  }
  for (int from = 0; from < ranks; ++from) {
    for (int to = 0; to < ranks; ++to) {
      if (from != to && model.at(from, to).rate == 0) {
        return InvalidArgument("the pair {} {} has no line, or a rate of 0", from, to);
      }
    }
  }
  return model;
}

bool LinkModel::known() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const Link& link) { return link.rate > 0 || link.delay > 0; });
}

double LinkModel::uplink(int rank) const {
  if (nic(rank) > 0) return nic(rank);
  double rate = 0;
  for (int to = 0; to < ranks_; ++to) {
    if (to != rank) rate = std::max(rate, at(rank, to).rate);
  }
  return rate;
}

double LinkModel::min_delay() const {
  double least = ranks_ > 1 ? at(0, 1).delay : 0;
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      if (from != to) least = std::min(least, at(from, to).delay);
    }
  }
  return least;
}

double LinkModel::max_bandwidth_delay() const {
  double most = 0;
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      if (from == to) continue;
      most = std::max(most, at(from, to).rate * (at(from, to).delay + at(to, from).delay));
    }
  }
  return most;
}

double LinkModel::downlink(int rank) const {
  if (nic(rank) > 0) return nic(rank);
  double rate = 0;
  for (int from = 0; from < ranks_; ++from) {
    if (from != rank) rate = std::max(rate, at(from, rank).rate);
  }
  return rate;
}

}  // namespace thinwire
