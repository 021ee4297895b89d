// SPDX-License-Identifier: Apache-2.0
// Rate, delay and loss of every ordered pair of ranks, and the text file that states them.
// The format is docs/link-file.md; the library's link model reads the same files, so this depends
// on the standard library and link_units.h alone.
#ifndef THINWIRE_BENCH_LAB_LINK_FILE_H_
#define THINWIRE_BENCH_LAB_LINK_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thinwire::lab {

struct Link {
  uint64_t rate_bps = 0;  // bits per second of IP packets, headers included
  int64_t delay_ns = 0;   // one way
  double loss = 0;        // probability that a packet is lost, independent of all others

  bool operator==(const Link&) const = default;
};

// One Link for every ordered pair (from, to) of `ranks` ranks; the diagonal is unused.
class LinkMatrix {
 public:
  LinkMatrix() = default;
  LinkMatrix(int ranks, const Link& uniform)
      : ranks_(ranks), links_(static_cast<size_t>(ranks) * static_cast<size_t>(ranks), uniform) {}

  int ranks() const { return ranks_; }
  Link& at(int from, int to) { return links_[Index(from, to)]; }
  const Link& at(int from, int to) const { return links_[Index(from, to)]; }

  // Rate at which a host serialises all it sends (receives): the largest of its outgoing
  // (incoming) pairs. A slower pair is a narrower stretch further along the path.
  uint64_t UplinkRate(int rank) const;
  uint64_t DownlinkRate(int rank) const;

  int64_t MinDelay() const;
  // Largest rate x round trip over all pairs, in bytes.
  uint64_t MaxBandwidthDelay() const;

 private:
  size_t Index(int from, int to) const {
    return static_cast<size_t>(from) * static_cast<size_t>(ranks_) + static_cast<size_t>(to);
  }

  int ranks_ = 0;
  std::vector<Link> links_;
};

// Parses the text of a link file. `name` stands for the file in messages. On failure returns
// nothing and sets `error` to "name:line: what is wrong", or "name: ..." when a pair is missing.
std::optional<LinkMatrix> ParseLinkFile(std::string_view text, std::string_view name, int ranks,
                                        std::string* error);

// Reads and parses the file at `path`.
std::optional<LinkMatrix> ReadLinkFile(const std::string& path, int ranks, std::string* error);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_LINK_FILE_H_
