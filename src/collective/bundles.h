// SPDX-License-Identifier: Apache-2.0
//
// Bundles: small frames to one peer leave together, as one message. A group of a thousand small
// operations then costs a few messages a peer, not a thousand. Layer: collective. One thread.

#ifndef THINWIRE_COLLECTIVE_BUNDLES_H_
#define THINWIRE_COLLECTIVE_BUNDLES_H_

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace thinwire {

class Bundles {
 public:
  explicit Bundles(int ranks) : waiting_(static_cast<size_t>(ranks)) {}

  // Whether a frame is small enough that copying it costs less than a message of its own.
  static bool Takes(size_t frame_bytes) { return frame_bytes <= kMaxFrameBytes; }

  // Adds a frame to what waits for `peer`. REQUIRES: Takes(frame.size()).
  void Add(int peer, std::span<const std::byte> frame) {
    std::vector<std::byte>& waiting = waiting_[static_cast<size_t>(peer)];
    if (waiting.empty() || waiting.size() + frame.size() > kMaxMessageBytes) {
      if (!waiting.empty()) ready_.emplace_back(peer, std::exchange(waiting, {}));
      waiting.reserve(frame.size());
    }
    waiting.insert(waiting.end(), frame.begin(), frame.end());
  }

  // Takes out everything that was added, as messages with their peers.
  std::vector<std::pair<int, std::vector<std::byte>>> Take() {
    for (size_t peer = 0; peer < waiting_.size(); ++peer) {
      if (waiting_[peer].empty()) continue;
      ready_.emplace_back(static_cast<int>(peer), std::exchange(waiting_[peer], {}));
    }
    return std::exchange(ready_, {});
  }

 private:
  static constexpr size_t kMaxFrameBytes = size_t{4} << 10;
  static constexpr size_t kMaxMessageBytes = size_t{64} << 10;

  std::vector<std::vector<std::byte>> waiting_;  // by peer
  std::vector<std::pair<int, std::vector<std::byte>>> ready_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_BUNDLES_H_
