// SPDX-License-Identifier: Apache-2.0
#include "collective/warm_up.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>

#include "base/log.h"
#include "base/units.h"

namespace thinwire {
namespace {

constexpr double kTrainRoundTrips = 2;  // 1 + 1/2 + 1/4 ...: what slow start has sent at its end
constexpr double kMostRoundTrips = 12;
constexpr double kWaitSeconds = 5e-3;
constexpr double kLeastBytes = 16 << 10;  // flows begin with that much
constexpr const char* kContext = "warming up flows";

class WarmingUp {
 public:
  WarmingUp(const WarmUpOptions& options, const LinkModel& links, Transport* transport,
            std::vector<Message>* early);
  Status Run();

 private:
  struct Peer {
    int rank;
    size_t left;  // of its train, in bytes
    bool pinged = false;
    bool warm = false;
  };
  bool Step(Peer* peer, bool in_time);
  Status Take(const ProbeChannel::Arrived& arrived);
  Status TooSlow() const;

  const WarmUpOptions options_;
  Transport& transport_;
  ProbeChannel channel_;
  std::vector<Peer> cold_;
  TimePoint end_ = Now();
};

WarmingUp::WarmingUp(const WarmUpOptions& options, const LinkModel& links, Transport* transport,
                     std::vector<Message>* early)
    : options_(options),
      transport_(*transport),
      channel_(options.self, kContext, transport, early) {
  const int rank = options.self.rank;
  double longest = 0;
  for (int to = 0; to < links.ranks(); ++to) {
    const Link& link = links.at(rank, to);
    if (to == rank || link.origin == Link::Origin::kMeasured) continue;
    const double round_trip = link.delay + links.at(to, rank).delay;
    const double share = std::min(link.rate, links.uplink(rank) / (links.ranks() - 1));
    const double bytes = kTrainRoundTrips * share * round_trip;
    if (bytes < kLeastBytes) continue;
    cold_.push_back({.rank = to, .left = static_cast<size_t>(bytes)});
    longest = std::max(longest, round_trip);
  }
  end_ += FromSeconds(std::min(options.budget_seconds, kMostRoundTrips * longest + kWaitSeconds));
}

Status WarmingUp::Run() {
  bool moved = true;
  bool done = cold_.empty();
  while (!done) {
    if (!moved) transport_.Wait(Now() + FromSeconds(kWaitSeconds));
    moved = false;
    TW_TRY(channel_.Receive([this](const ProbeChannel::Arrived& arrived) { return Take(arrived); },
                            &moved));
    moved |= channel_.Reap();
    const bool in_time = Now() < end_;
    for (Peer& peer : cold_) moved |= Step(&peer, in_time);
    done = channel_.idle() && (!in_time || std::all_of(cold_.begin(), cold_.end(), [&](auto& peer) {
             return peer.warm || !transport_.PeerStatus(peer.rank).ok();
           }));
    if (!done && Now() > options_.deadline) return TooSlow();
  }
  return {};
}

// True if something was sent.
bool WarmingUp::Step(Peer* peer, bool in_time) {
  if (!in_time || peer->pinged) return false;
  const size_t sent = channel_.SendTrain(peer->rank, peer->left);
  peer->left -= std::min(peer->left, sent);
  if (peer->left > 0 || channel_.train_in_flight(peer->rank)) return sent > 0;
  // The answer tells that what left before has arrived, or nearly all.
  channel_.Send(peer->rank, ProbeNote{.what = ProbeNote::What::kPing});
  return peer->pinged = true;
}

Status WarmingUp::Take(const ProbeChannel::Arrived& arrived) {
  if (arrived.note.what == ProbeNote::What::kPing) channel_.Answer(arrived);
  if (arrived.note.what != ProbeNote::What::kPong) return {};
  for (Peer& peer : cold_) peer.warm |= peer.rank == arrived.source && peer.pinged;
  return {};
}

Status WarmingUp::TooSlow() const {
  std::vector<int> slow;
  for (const Peer& peer : cold_) {
    if (channel_.train_in_flight(peer.rank)) slow.push_back(peer.rank);
  }
  return TimeoutError("{}: rank {} takes nothing (THINWIRE_LINK=unknown warms up nothing)",
                      kContext, fmt::join(slow, ", "));
}

}  // namespace

Status WarmUp(const WarmUpOptions& options, const LinkModel& links, Transport* transport,
              std::vector<Message>* early) {
  return WarmingUp(options, links, transport, early).Run();
}

}  // namespace thinwire
