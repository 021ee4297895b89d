// SPDX-License-Identifier: Apache-2.0
// Reader of link files: one line "from to rate delay [loss]" per ordered pair, later lines win.
#include "link_file.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "link_units.h"

namespace thinwire::lab {
namespace {

constexpr int kAnyRank = -1;

struct Line {
  int from = 0;
  int to = 0;
  Link link;
};

std::vector<std::string_view> Fields(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> fields;
  for (size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return fields;
}

// The complaint about `text` as a rank, or an empty string.
std::string ParseRank(std::string_view text, int ranks, int* rank) {
  if (text == "*") {
    *rank = kAnyRank;
    return "";
  }
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), *rank);
  if (error != std::errc() || stop != text.data() + text.size() || *rank < 0) {
    return "bad rank '" + std::string(text) + "': a number or * is wanted";
  }
  if (*rank >= ranks) {
    return "rank " + std::string(text) + ", but there are only " + std::to_string(ranks) +
           " ranks (0 to " + std::to_string(ranks - 1) + ")";
  }
  return "";
}

// The complaint about these fields, or an empty string.
std::string ParseFields(const std::vector<std::string_view>& fields, int ranks, Line* line) {
  if (fields.size() < 4 || fields.size() > 5) {
    return "expected 'from to rate delay [loss]', found " + std::to_string(fields.size()) +
           (fields.size() == 1 ? " field" : " fields");
  }
  for (const auto& [field, rank] : {std::pair{fields[0], &line->from}, {fields[1], &line->to}}) {
    if (std::string wrong = ParseRank(field, ranks, rank); !wrong.empty()) return wrong;
  }
  if (line->from == line->to && line->from != kAnyRank) return "a rank has no link to itself";
  const auto rate = ParseRate(fields[2]);
  if (!rate) return "bad rate '" + std::string(fields[2]) + "': write it like 500mbit";
  const auto delay = ParseDuration(fields[3]);
  if (!delay) return "bad delay '" + std::string(fields[3]) + "': write it like 20ms";
  const auto loss = fields.size() == 5 ? ParseLoss(fields[4]) : 0.0;
  if (!loss) return "bad loss '" + std::string(fields[4]) + "': write it like 0.1%, or 0";
  line->link = {*rate, *delay, *loss};
  return "";
}

void Apply(const Line& line, LinkMatrix* links) {
  const int ranks = links->ranks();
  for (int from = 0; from < ranks; ++from) {
    if (line.from != kAnyRank && line.from != from) continue;
    for (int to = 0; to < ranks; ++to) {
      if (from == to || (line.to != kAnyRank && line.to != to)) continue;
      links->at(from, to) = line.link;
    }
  }
}

// The first pair that no line named, as text, or an empty string.
std::string MissingPair(const LinkMatrix& links) {
  for (int from = 0; from < links.ranks(); ++from) {
    for (int to = 0; to < links.ranks(); ++to) {
      if (from != to && links.at(from, to).rate_bps == 0) {
        return "no line for the pair " + std::to_string(from) + " " + std::to_string(to);
      }
    }
  }
  return "";
}

}  // namespace

uint64_t LinkMatrix::UplinkRate(int rank) const {
  uint64_t rate = 0;
  for (int to = 0; to < ranks_; ++to) {
    if (to != rank) rate = std::max(rate, at(rank, to).rate_bps);
  }
  return rate;
}

uint64_t LinkMatrix::DownlinkRate(int rank) const {
  uint64_t rate = 0;
  for (int from = 0; from < ranks_; ++from) {
    if (from != rank) rate = std::max(rate, at(from, rank).rate_bps);
  }
  return rate;
}

int64_t LinkMatrix::MinDelay() const {
  int64_t least = INT64_MAX;
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      if (from != to) least = std::min(least, at(from, to).delay_ns);
    }
  }
  return least == INT64_MAX ? 0 : least;
}

uint64_t LinkMatrix::MaxBandwidthDelay() const {
  double most = 0;
  for (int from = 0; from < ranks_; ++from) {
    for (int to = 0; to < ranks_; ++to) {
      if (from == to) continue;
      const auto round_trip = static_cast<double>(at(from, to).delay_ns + at(to, from).delay_ns);
      most = std::max(most, static_cast<double>(at(from, to).rate_bps) * round_trip / 8e9);
    }
  }
  return static_cast<uint64_t>(most);
}

std::optional<LinkMatrix> ParseLinkFile(std::string_view text, std::string_view name, int ranks,
                                        std::string* error) {
  LinkMatrix links(ranks, Link{});
  int number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> fields = Fields(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (fields.empty()) continue;
    Line line;
    if (const std::string wrong = ParseFields(fields, ranks, &line); !wrong.empty()) {
      *error = std::string(name) + ":" + std::to_string(number) + ": " + wrong;
      return std::nullopt;
    }
    Apply(line, &links);
  }
  if (const std::string missing = MissingPair(links); !missing.empty()) {
    *error = std::string(name) + ": " + missing;
    return std::nullopt;
  }
  return links;
}

std::optional<LinkMatrix> ReadLinkFile(const std::string& path, int ranks, std::string* error) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    *error = path + ": cannot be read, or is empty";
    return std::nullopt;
  }
  return ParseLinkFile(text.str(), path, ranks, error);
}

}  // namespace thinwire::lab
