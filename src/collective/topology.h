// SPDX-License-Identifier: Apache-2.0
//
// Topology: what algorithms need to know of the links beside rates and delays: who stands near
// whom, in which order to go round, who can carry how much. Pure functions of the link model: equal
// on all ranks, since that is.

#ifndef THINWIRE_COLLECTIVE_TOPOLOGY_H_
#define THINWIRE_COLLECTIVE_TOPOLOGY_H_

#include <cstdint>
#include <vector>

#include "collective/link_model.h"

namespace thinwire {

// Ranks that stand together; each rank in one group, ascending, groups by their first rank.
using Groups = std::vector<std::vector<int>>;

struct Topology {
  explicit Topology(const LinkModel& links);

  // Sites, by a gap in the delays: those of all pairs are sorted, the largest ratio of two
  // neighbours is looked for, and ranks whose delay stands below it share a site. One site holds
  // all where no gap is kSiteGap wide with at least kSiteDelay above it, or where "near" is not
  // mutual.
  Groups sites;
  // Round a ring: nearest neighbour from rank 0, then improved by reversing runs (2-opt), on the
  // sum of the hops and n times the worst. The ranks' own order where all links are alike.
  std::vector<int> ring;
  // What part of an all-reduce rank i should sum: weights, equal ones where links are. Rank i sends
  // and receives V (1 + (n - 2) f_i) bytes for a share f_i; the largest time over all ranks at the
  // slower of its two directions is made smallest. 0: the rank only sends its input and gets the
  // result.
  std::vector<uint32_t> weights;

  bool has_sites() const { return sites.size() > 1; }
  bool uneven() const;
};

inline constexpr double kSiteGap = 2;
inline constexpr double kSiteDelay = 1e-3;  // seconds

// `ranks` in rows of equal or nearly equal length, about as many as a row is long.
Groups GridOf(int ranks);

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_TOPOLOGY_H_
