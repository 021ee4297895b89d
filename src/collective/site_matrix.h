// SPDX-License-Identifier: Apache-2.0
//
// Sites and the links between them: what the links of many ranks are made of when ranks stand in
// few places. Text form and built-in profiles: docs/simulation.md.

#ifndef THINWIRE_COLLECTIVE_SITE_MATRIX_H_
#define THINWIRE_COLLECTIVE_SITE_MATRIX_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "collective/link_model.h"

namespace thinwire {

class SiteMatrix {
 public:
  // links[from * names.size() + to]; see at() and nic_rate().
  SiteMatrix(std::vector<std::string> names, std::vector<Link> links, double nic_rate)
      : names_(std::move(names)), links_(std::move(links)), nic_rate_(nic_rate) {}
  // One site, in which every two ranks are joined by `every`, whose rate is also the ranks' own.
  explicit SiteMatrix(const Link& every) : SiteMatrix({"everywhere"}, {every}, every.rate) {}

  // A built-in profile. kInvalidArgument names those there are.
  static Result<SiteMatrix> Named(std::string_view name);
  static std::vector<std::string_view> Names();
  // Lines `nic RATE`, `inside RATE DELAY [LOSS]` and `FROM TO RATE DELAY [LOSS]`. Sites are
  // numbered as they first appear. kInvalidArgument: names the line, or the pair that has none.
  static Result<SiteMatrix> Parse(std::string_view text);
  static Result<SiteMatrix> ParseFile(const std::string& path);

  int sites() const { return static_cast<int>(names_.size()); }
  const std::string& name(int site) const { return names_[static_cast<size_t>(site)]; }
  // From a rank of one site to a rank of another, or to another rank of the same site.
  const Link& at(int from, int to) const {
    return links_[static_cast<size_t>(from) * names_.size() + static_cast<size_t>(to)];
  }
  // Bytes a second that a rank sends or receives over all its peers together.
  double nic_rate() const { return nic_rate_; }

  // The site of each rank when `ranks` are dealt evenly, neighbours to the same site.
  int SiteOf(int rank, int ranks) const;
  // The links of so many ranks, dealt so.
  LinkModel Links(int ranks) const;

 private:
  std::vector<std::string> names_;
  std::vector<Link> links_;
  double nic_rate_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_SITE_MATRIX_H_
