// SPDX-License-Identifier: Apache-2.0
//
// Hierarchy: all-reduce in three steps where the ranks stand in sites with a fast network inside:
// every rank of a site gets the site's sum of its share of the elements (exact, by Site); shares
// meet across sites, among the ranks that have the same one (compressed, by a communicator of
// theirs); and the site's ranks give each other the results (exact). Per rank 1 / (ranks of a site)
// of the elements crosses the long links.

#ifndef THINWIRE_COMM_HIERARCHY_H_
#define THINWIRE_COMM_HIERARCHY_H_

#include <memory>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/status.h"
#include "comm/communicator.h"
#include "device/site.h"

namespace thinwire {

// Which ranks stand together: sites of equally many ranks.
struct Sites {
  int of_site = 1;                      // ranks of each
  std::vector<std::vector<int>> ranks;  // by site

  // "4": every four consecutive ranks; or lists and ranges, "0-3,8;4-7,9": a site before each
  // semicolon. Every rank stands in one site.
  static Result<Sites> Parse(const std::string& text, int ranks);
};

class Hierarchy {
 public:
  // Collective over the ranks of `whole`, whose devices are CUDA's.
  static Result<std::unique_ptr<Hierarchy>> Make(Communicator* whole, const Sites& sites,
                                                 const Env& env, Device* device);

  // Whether a call goes this way.
  bool Takes(const Call& call) const;

  // The three steps, on the call's stream. Before and After may be issued as soon as the step
  // before was; the middle one is Across() of the communicator between().
  Status Before(const Call& call);
  Call Across(const Call& call) const;
  Status After(const Call& call);

  const std::shared_ptr<Communicator>& between() const { return between_; }
  void Abort(const std::string& why);

 private:
  // The elements of a call of which this rank has the site's sum.
  struct Share {
    size_t begin;
    size_t count;
    size_t even;  // of each rank; the last one has those left over besides
    size_t left;
  };
  Share ShareOf(size_t count) const;

  Device* device_ = nullptr;
  int site_rank_ = 0;
  int site_ranks_ = 1;
  std::unique_ptr<Site> site_;
  std::shared_ptr<Communicator> between_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_HIERARCHY_H_
