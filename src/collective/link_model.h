// SPDX-License-Identifier: Apache-2.0
//
// What is known about the links: rate, one-way delay and loss of every ordered pair of ranks.
// Text form: "rate=500mbit,delay=20ms[,loss=0.1%]" for all pairs, "file=PATH" (docs/link-file.md),
// "lines=" and the lines of such a file, or "profile=worldwide-8" (docs/simulation.md). Rank 0's
// text holds for the whole communicator, so that all ranks plan alike.

#ifndef THINWIRE_COLLECTIVE_LINK_MODEL_H_
#define THINWIRE_COLLECTIVE_LINK_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thinwire {

struct Link {
  double rate = 0;   // bytes a second on the wire, headers included; 0: unknown or unlimited
  double delay = 0;  // seconds, one way
  double loss = 0;   // probability of a packet
  // How it was found: by text; by a probe; from probes of other pairs; from traffic since; or the
  // rate is a lower bound, from a probe that lost packets or that there was too little time for.
  enum class Origin : uint8_t { kUnknown, kGiven, kMeasured, kInferred, kLearned, kAtLeast };
  Origin origin = Origin::kUnknown;
};
std::string_view NameOf(Link::Origin origin);

// Part of a rate that is left for payload by TCP/IP over Ethernet-size packets: 1448 of 1500 bytes.
inline constexpr double kWireEfficiency = 1448.0 / 1500.0;

class LinkModel {
 public:
  // Nothing known.
  explicit LinkModel(int ranks) : LinkModel(ranks, Link{}) {}
  LinkModel(int ranks, Link every)
      : ranks_(ranks),
        links_(static_cast<size_t>(ranks) * static_cast<size_t>(ranks), every),
        nics_(static_cast<size_t>(ranks)) {}

  // An empty text gives a model that knows nothing.
  static Result<LinkModel> Parse(const std::string& text, int ranks);
  // "file=PATH" as "lines=...", so that it can be sent to other hosts; other texts as they are.
  static Result<std::string> Inline(const std::string& text);

  int ranks() const { return ranks_; }
  const Link& at(int from, int to) const { return links_[Index(from, to)]; }
  Link& at(int from, int to) { return links_[Index(from, to)]; }

  bool known() const;  // some pair has a rate or a delay
  // What a host can send or receive over all its peers together: what its NIC is said to carry,
  // else the best of its pairs; 0: unknown.
  double uplink(int rank) const;
  double downlink(int rank) const;
  double nic(int rank) const { return nics_[static_cast<size_t>(rank)]; }  // as said; 0: not
  void set_nic(int rank, double rate) { nics_[static_cast<size_t>(rank)] = rate; }
  double min_delay() const;
  double max_bandwidth_delay() const;  // largest rate x round trip of a pair, in bytes

 private:
  static Result<LinkModel> ParseLines(std::string_view lines, int ranks);
  size_t Index(int from, int to) const {
    return static_cast<size_t>(from) * static_cast<size_t>(ranks_) + static_cast<size_t>(to);
  }
  int ranks_;
  std::vector<Link> links_;
  std::vector<double> nics_;  // bytes a second
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_LINK_MODEL_H_
