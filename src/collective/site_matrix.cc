// SPDX-License-Identifier: Apache-2.0
#include "collective/site_matrix.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "base/units.h"

namespace thinwire {
namespace {

// Eight cities as DT-FM measured them between data centres (Yuan et al. 2022, "Decentralized
// Training of Foundation Models in Heterogeneous Environments", case 5). Delays one way.
constexpr std::string_view kWorldwide8 = R"(
nic 2gbit
inside 2gbit 5ms
oregon    virginia  790mbit   67ms
oregon    ohio      1100mbit  49ms
oregon    tokyo     523mbit   96ms
oregon    seoul     460mbit   124ms
oregon    london    420mbit   136ms
oregon    frankfurt 404mbit   143ms
oregon    ireland   482mbit   124ms
virginia  ohio      1120mbit  11ms
virginia  tokyo     524mbit   143ms
virginia  seoul     500mbit   172ms
virginia  london    1160mbit  76ms
virginia  frankfurt 1020mbit  90ms
virginia  ireland   1050mbit  67ms
ohio      tokyo     694mbit   130ms
ohio      seoul     529mbit   159ms
ohio      london    1050mbit  86ms
ohio      frankfurt 799mbit   99ms
ohio      ireland   1140mbit  77ms
tokyo     seoul     1100mbit  34ms
tokyo     london    366mbit   210ms
tokyo     frankfurt 360mbit   223ms
tokyo     ireland   465mbit   199ms
seoul     london    342mbit   238ms
seoul     frankfurt 358mbit   235ms
seoul     ireland   335mbit   228ms
london    frankfurt 1140mbit  14ms
london    ireland   1090mbit  12ms
frankfurt ireland   1080mbit  24ms
)";

struct Profile {
  std::string_view name;
  std::string_view text;
};
constexpr std::array<Profile, 1> kProfiles = {{{"worldwide-8", kWorldwide8}}};

using Fields = std::vector<std::string>;

// RATE DELAY [LOSS], from fields[first] on.
Result<Link> ParseLink(const Fields& fields, size_t first) {
  if (fields.size() < first + 2 || fields.size() > first + 3) {
    return InvalidArgument(
        "write 'nic RATE', 'inside RATE DELAY [LOSS]' or 'FROM TO RATE DELAY [LOSS]'");
  }
  Link link;
  TW_ASSIGN(link.rate, ParseRate(fields[first]));
  TW_ASSIGN(link.delay, ParseSeconds(fields[first + 1]));
  if (fields.size() == first + 3) {
    TW_ASSIGN(link.loss, ParseLoss(fields[first + 2]));
  }
  if (link.rate == 0) return InvalidArgument("a link with a rate of 0");
  return link;
}

class Parser {
 public:
  Status Line(const Fields& fields) {
    if (fields[0] == "nic") {
      if (fields.size() != 2) return InvalidArgument("write 'nic RATE'");
      TW_ASSIGN(nic_rate_, ParseRate(fields[1]));
      return {};
    }
    if (fields[0] == "inside") {
      TW_ASSIGN(inside_, ParseLink(fields, 1));
      return {};
    }
    TW_ASSIGN(const Link link, ParseLink(fields, 2));
    const size_t from = SiteNamed(fields[0]);
    const size_t to = SiteNamed(fields[1]);
    stated_.push_back({from, to, link});
    return {};
  }

  // A line holds for both directions unless the other has one of its own.
  Result<SiteMatrix> Finish() {
    if (names_.empty()) return InvalidArgument("no sites: write 'FROM TO RATE DELAY [LOSS]'");
    const size_t sites = names_.size();
    std::vector<Link> links(sites * sites);
    const auto at = [&](size_t from, size_t to) -> Link& { return links[from * sites + to]; };
    for (size_t site = 0; site < sites; ++site) at(site, site) = inside_;
    for (const Stated& line : stated_) at(line.to, line.from) = line.link;
    for (const Stated& line : stated_) at(line.from, line.to) = line.link;
    for (size_t from = 0; from < sites; ++from) {
      for (size_t to = 0; to < sites; ++to) {
        if (at(from, to).rate > 0) continue;
        if (from == to) return InvalidArgument("no line 'inside', nor '{0} {0}'", names_[from]);
        return InvalidArgument("the sites {} and {} have no line", names_[from], names_[to]);
      }
    }
    for (const Link& link : links) fastest_ = std::max(fastest_, link.rate);
    return SiteMatrix(std::move(names_), std::move(links), nic_rate_ > 0 ? nic_rate_ : fastest_);
  }

 private:
  struct Stated {
    size_t from, to;
    Link link;
  };

  size_t SiteNamed(const std::string& name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<size_t>(found - names_.begin());
    names_.push_back(name);
    return names_.size() - 1;
  }

  std::vector<std::string> names_;
  std::vector<Stated> stated_;
  Link inside_;
  double nic_rate_ = 0;
  double fastest_ = 0;
};

}  // namespace

std::vector<std::string_view> SiteMatrix::Names() {
  std::vector<std::string_view> names;
  for (const Profile& profile : kProfiles) names.push_back(profile.name);
  return names;
}

Result<SiteMatrix> SiteMatrix::Named(std::string_view name) {
  for (const Profile& profile : kProfiles) {
    if (profile.name == name) return Parse(profile.text);
  }
  return InvalidArgument("unknown profile '{}'; there are: {}", name, fmt::join(Names(), ", "));
}

Result<SiteMatrix> SiteMatrix::Parse(std::string_view text) {
  Parser parser;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    Fields fields;
    for (std::string field; words >> field;) fields.push_back(field);
    if (fields.empty()) continue;
    const Status status = parser.Line(fields);
    if (!status.ok()) return status.WithContext(fmt::format("line {}", number));
  }
  return parser.Finish();
}

Result<SiteMatrix> SiteMatrix::ParseFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return SystemErrno("site file " + path);
  const Result<SiteMatrix> matrix = Parse(text.str());
  return matrix.ok() ? matrix : matrix.status().WithContext(path);
}

int SiteMatrix::SiteOf(int rank, int ranks) const {
  return static_cast<int>(int64_t{rank} * sites() / ranks);
}

LinkModel SiteMatrix::Links(int ranks) const {
  LinkModel model(ranks);
  for (int from = 0; from < ranks; ++from) {
    model.set_nic(from, nic_rate_);
    for (int to = 0; to < ranks; ++to) {
      if (from != to) model.at(from, to) = at(SiteOf(from, ranks), SiteOf(to, ranks));
    }
  }
  return model;
}

}  // namespace thinwire
