// SPDX-License-Identifier: Apache-2.0
//
// Traffic patterns: what every rank sends in every hop of an all-reduce, computed when asked for.
// The plans of 10,000 ranks would not fit in memory; their traffic needs none. Tests hold patterns
// against the library's plans.
//
// The hop of a message is how many others have to come before it can be sent, one after the other.

#ifndef THINWIRE_BENCH_PLAN_TRAFFIC_PATTERN_H_
#define THINWIRE_BENCH_PLAN_TRAFFIC_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thinwire {

// What a rank sends to another in a hop.
struct Traffic {
  int to = 0;
  uint32_t messages = 1;
  size_t elements = 0;   // in all messages together
  bool encoded = false;  // just for this; else it was received, or summed, or went elsewhere before
  uint8_t part = 0;      // of the vector
};

class TrafficPattern {
 public:
  TrafficPattern(int ranks, size_t count) : ranks_(ranks), count_(count) {}
  virtual ~TrafficPattern() = default;

  int ranks() const { return ranks_; }
  virtual int hops() const = 0;
  // Replaces `sends` by what `rank` sends in a hop, in that order.
  virtual void Sends(int hop, int rank, std::vector<Traffic>* sends) const = 0;
  // Whether what a hop brings is added up; else it is a part of the result.
  virtual bool sums(int hop) const = 0;
  // Whether a hop's messages go uncoded, whatever the codec.
  virtual bool uncoded(int hop) const {
    (void)hop;
    return false;
  }
  // Parts of the vector whose hops don't wait for one another's.
  virtual int parts() const { return 1; }

 protected:
  size_t count() const { return count_; }
  // Elements of a rank's chunk.
  size_t ChunkElements(int rank) const {
    const auto n = static_cast<size_t>(ranks_);
    return count_ / n + (static_cast<size_t>(rank) < count_ % n ? 1 : 0);
  }
  int After(int rank, int distance) const { return (rank + distance) % ranks_; }
  int Before(int rank, int distance) const { return (rank - distance + ranks_) % ranks_; }

 private:
  int ranks_;
  size_t count_;
};

// Names of algorithms there are patterns of: those of the library's plans.
std::span<const std::string_view> PatternNames();

// An all-reduce of `count` elements over `ranks` >= 2. `first_ranks`: the first rank of each site,
// ascending from 0; sites matter to "hierarchical" alone. kInvalidArgument: unknown name.
Result<std::unique_ptr<TrafficPattern>> MakePattern(std::string_view algorithm, int ranks,
                                                    size_t count,
                                                    const std::vector<int>& first_ranks);

}  // namespace thinwire

#endif  // THINWIRE_BENCH_PLAN_TRAFFIC_PATTERN_H_
