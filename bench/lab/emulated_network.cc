// SPDX-License-Identifier: Apache-2.0
// Derives each host's settings from its links.
#include "emulated_network.h"

#include <algorithm>
#include <limits>

namespace thinwire::lab {
namespace {

constexpr int64_t kMaxSuperPacket = 65536;
constexpr int64_t kLeastSocketBuffer = int64_t{32} << 20;
constexpr double kSuperPacketSeconds = 1e-3;

// A super-packet arrives as one, so it should take no more than about a millisecond on the wire of
// the narrowest link it may take.
int64_t SuperPacketLimit(const NetworkOptions& options, int rank) {
  const LinkModel& links = options.links;
  double rate = std::numeric_limits<double>::infinity();
  for (int other = 0; other < links.ranks(); ++other) {
    if (other == rank) continue;
    rate = std::min({rate, links.at(rank, other).rate, links.downlink(other)});
  }
  auto limit = static_cast<int64_t>(std::min(rate * kSuperPacketSeconds, 1e9));
  // Nor should it fill a small queue by itself.
  if (options.queue_bytes != 0) {
    limit = std::min(limit, static_cast<int64_t>(options.queue_bytes / 4));
  }
  return std::clamp<int64_t>(limit, int64_t{2} * options.mtu, kMaxSuperPacket);
}

// The link's and the queue's fill can be under way; the kernel counts about twice the payload; a
// sender in start-up sends nearly three times what fits, and keeps what was acknowledged behind a
// loss. With less, BBR takes its own buffer for an idle program and stays in start-up for good.
int64_t SocketBuffer(const NetworkOptions& options) {
  const auto fill = static_cast<uint64_t>(options.links.max_bandwidth_delay());
  return std::max(kLeastSocketBuffer,
                  static_cast<int64_t>(8 * (fill + std::max(fill, options.queue_bytes))));
}

}  // namespace

EmulatedNetwork::EmulatedNetwork(const NetworkOptions& options) {
  HostOptions host;
  host.mtu = options.mtu;
  host.congestion = options.congestion;
  host.socket_buffer_bytes = SocketBuffer(options);
  for (int rank = 0; rank < options.links.ranks(); ++rank) {
    host.max_super_packet_bytes = SuperPacketLimit(options, rank);
    hosts_.push_back(MakeHost(rank, host));
  }
  forwarder_ = std::make_unique<Forwarder>(
      hosts_, LinkScheduler(options.links, options.queue_bytes, options.seed));
}

const ForwarderStats& EmulatedNetwork::Stop() {
  forwarder_->Stop();
  return forwarder_->stats();
}

}  // namespace thinwire::lab
