// SPDX-License-Identifier: Apache-2.0
//
// Engine: how it notices that peers are gone or stuck, how it fails, and what ranks tell each other
// about it. docs/design/013-failure-detection.md.
#include <algorithm>

#include "base/log.h"
#include "collective/engine.h"

namespace thinwire {
namespace {

constexpr double kWatchSeconds = 0.1;        // how often peers and deadlines are looked at
constexpr double kDepartedGraceSeconds = 1;  // frames may still overtake a goodbye
constexpr double kLostGraceSeconds = 0.1;    // the reason may come behind a lost connection
constexpr double kFailedCloseSeconds = 0.2;  // wait, beside a round trip, until peers know why
constexpr double kSilentPart = 0.5;  // of what is allowed: so silent a peer is worth a mention
constexpr size_t kMaxReasonBytes = 1024;
constexpr size_t kMaxErrorBytes = 4096;

// "rank 2", "ranks 0, 1, 3".
std::string NameOf(const std::vector<int>& ranks) {
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "));
}

}  // namespace

void Engine::AddPeers() {
  const int peers = std::max(1, options_.ranks - 1);
  for (int rank = 0; rank < options_.ranks; ++rank) {
    // At worst all peers send to this rank, or the peer to all others, at once.
    const double rate = links_.at(rank, options_.rank).rate * kWireEfficiency / peers;
    peers_.push_back({.life = Liveness(options_.silence_seconds, rate, Now())});
  }
}

void Engine::Watch(TimePoint now) {
  // After a pause of our own (a debugger, a suspended machine) the others are not to blame.
  if (next_watch_ != TimePoint{} && now - next_watch_ > FromSeconds(options_.silence_seconds / 2)) {
    for (Peer& peer : peers_) peer.life.Forgive(now);
  }
  next_watch_ = now + FromSeconds(std::min(kWatchSeconds, options_.silence_seconds / 4));
  WatchConnections(now);
  WatchSilence(now);
  if (!Failed()) PingPaths(now);
  WatchRuns(now);
}

void Engine::WatchConnections(TimePoint now) {
  TimePoint first = TimePoint::max();
  for (int rank = 0; rank < options_.ranks && !Failed(); ++rank) {
    Peer& peer = PeerAt(rank);
    if (rank == options_.rank || WatchDeparted(rank, now)) continue;
    if (transport_->PeerStatus(rank).ok()) continue;
    if (peer.lost_at == TimePoint{}) peer.lost_at = now;
    first = std::min(first, peer.lost_at);
  }
  if (Failed() || first == TimePoint::max()) return;
  if (now - first < FromSeconds(kLostGraceSeconds)) return;
  // Who was lost later may have left because of the first.
  std::vector<int> lost;
  for (int rank = 0; rank < options_.ranks; ++rank) {
    if (PeerAt(rank).lost_at == first) lost.push_back(rank);
  }
  Fail(RemoteError("lost {}: {}", NameOf(lost), transport_->PeerStatus(lost.front()).message()),
       lost.front());
}

// Whether the peer said goodbye: then nothing more is expected of it, and waiting for it is vain.
bool Engine::WatchDeparted(int rank, TimePoint now) {
  const Peer& peer = PeerAt(rank);
  if (!peer.left) return false;
  const double grace = kDepartedGraceSeconds + peer.life.SlownessSeconds(largest_frame_bytes_, now);
  if (peer.life.SilentSeconds(now) > grace && Awaits(rank)) {
    Fail(RemoteError("rank {} left the communicator while {} waits for it", rank,
                     runs_.front()->Describe()),
         rank);
  }
  return true;
}

void Engine::WatchSilence(TimePoint now) {
  for (int rank = 0; rank < options_.ranks && !Failed(); ++rank) {
    Peer& peer = PeerAt(rank);
    if (rank == options_.rank || peer.left || peer.lost_at != TimePoint{}) continue;
    if (peer.life.HeartbeatIsDue(now)) {
      FrameHeader heartbeat = Header(FrameKind::kHeartbeat, rank);
      heartbeat.sequence = NextSequence({});
      SendFrame(rank, heartbeat, {});
    }
    if (peer.life.SilentSeconds(now) <= peer.life.AllowedSeconds(largest_frame_bytes_, now)) {
      continue;
    }
    // Others about to be lost too tell who is cut off: one of them, or this rank.
    const std::vector<int> silent = SilentRanks(now);
    const bool all = silent.size() > 1 && static_cast<int>(silent.size()) == options_.ranks - 1;
    Fail(RemoteError("lost {}: nothing heard of {} for {:.3g} s (THINWIRE_SILENCE){}",
                     NameOf(silent), silent.size() == 1 ? "it" : "them",
                     peer.life.SilentSeconds(now),
                     all ? "; all at once: is this rank's own host cut off?" : ""),
         rank);
  }
}

std::vector<int> Engine::SilentRanks(TimePoint now) const {
  std::vector<int> silent;
  for (int rank = 0; rank < options_.ranks; ++rank) {
    const Peer& peer = PeerAt(rank);
    if (rank == options_.rank || peer.left) continue;
    const double allowed = peer.life.AllowedSeconds(largest_frame_bytes_, now);
    if (peer.life.SilentSeconds(now) > kSilentPart * allowed) silent.push_back(rank);
  }
  return silent;
}

// Operations that began earlier have the link first: while one of them moves, later ones may wait.
void Engine::WatchRuns(TimePoint now) {
  double limit = options_.timeout_seconds;
  for (const Peer& peer : peers_) {
    limit = std::max(
        limit, options_.timeout_seconds + peer.life.SlownessSeconds(largest_frame_bytes_, now));
  }
  TimePoint moved{};
  for (const auto& run : runs_) {
    if (Failed()) return;
    moved = std::max(moved, run->last_progress());
    if (now - moved < FromSeconds(limit)) continue;
    const std::vector<int> absent = AbsentRanks(*run);
    std::string why =
        fmt::format("{} made no progress for {:.3g} s (THINWIRE_TIMEOUT); it waits for ",
                    run->Describe(), limit);
    const std::vector<int> awaited = run->AwaitedPeers();
    why += awaited.empty() ? "ranks that are slow" : NameOf(awaited);
    if (!absent.empty()) why += fmt::format("; not called so far by {}", NameOf(absent));
    const std::vector<int>& to_blame = absent.empty() ? awaited : absent;
    return Fail(TimeoutError("{}", why), to_blame.empty() ? kNobody : to_blame.front());
  }
}

// Ranks that said, after the run last moved, that they had not been handed it.
std::vector<int> Engine::AbsentRanks(const OperationRun& run) const {
  std::vector<int> absent;
  const OperationKey& key = run.key();
  if (key.kind != OperationKey::Kind::kCollective || (key.sequence & kCapturedSequence) != 0) {
    return absent;
  }
  for (int rank = 0; rank < options_.ranks; ++rank) {
    const Peer& peer = PeerAt(rank);
    if (peer.idle_at > run.last_progress() && peer.calls <= key.sequence) absent.push_back(rank);
  }
  return absent;
}

bool Engine::Awaits(int peer) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
    const std::vector<int> awaited = run->AwaitedPeers();
    return std::find(awaited.begin(), awaited.end(), peer) != awaited.end();
  });
}

void Engine::Fail(Status status, int blamed) {
  if (Failed()) return;
  gave_up_.insert(options_.rank);
  EndAll(status, blamed, /*suspect=*/blamed);
  TellPeers(options_.rank, blamed, status.message().substr(0, kMaxReasonBytes));
}

void Engine::EndAll(const Status& status, int blamed, int suspect) {
  TW_LOG(kWarn, "rank {}: {}", options_.rank, status.message());
  if (blamed != kNobody) blamed_.insert(blamed);
  std::list<Submission> submitted;
  {
    const std::lock_guard lock(mutex_);
    error_ = status;
    for (int rank = 0; rank < options_.ranks; ++rank) {
      const Peer& peer = PeerAt(rank);
      if (rank == suspect || peer.left || peer.lost_at != TimePoint{}) suspects_.insert(rank);
    }
    submitted.swap(submitted_);
  }
  failed_.store(true, std::memory_order_release);
  in_flight_.store(0, std::memory_order_release);
  const TimePoint now = Now();
  for (const auto& run : runs_) {
    run->End(status, now, options_.ledger.get(), options_.ended.get());
  }
  for (auto* const waiting : {&submitted, &gated_}) {
    for (const Submission& submission : *waiting) {
      // Of those that repeat, only what runs holds its stream, and has let go.
      if (Repeats(submission.collective)) continue;
      if (submission.collective.gate != nullptr) submission.collective.gate->Release();
      submission.completion->Set(status, {});
    }
  }
  gated_.remove_if([](const Submission& submission) { return !Repeats(submission.collective); });
  awaited_.clear();
  by_key_.clear();
  unsettled_.clear();
  early_.clear();
  runs_.clear();  // sends in flight keep theirs, and with it the bytes they send
}

// The first reason ends everything here and is passed on, for the rank that gave up may not reach
// all. A later one is added to the error where it blames another rank.
void Engine::ReceiveAbort(const ParsedFrame& frame, int source) {
  const auto rank_or = [&](uint16_t rank, int other) {
    return rank < options_.ranks ? static_cast<int>(rank) : other;
  };
  const int origin = rank_or(frame.header.root, source);
  const int blamed = rank_or(frame.header.message, kNobody);
  if (!gave_up_.insert(origin).second) return;
  const std::string why(reinterpret_cast<const char*>(frame.payload.data()),
                        std::min(frame.payload.size(), kMaxReasonBytes));
  std::string text = fmt::format("rank {} gave up: {}", origin, why);
  if (!Failed()) {
    const TimePoint now = Now();
    for (const int rank : SilentRanks(now)) {
      text += fmt::format("; here nothing was heard of rank {} for {:.3g} s", rank,
                          PeerAt(rank).life.SilentSeconds(now));
    }
    EndAll(RemoteError("{}", text), blamed, /*suspect=*/blamed == kNobody ? origin : blamed);
    return TellPeers(origin, blamed, why);
  }
  Suspect(blamed == kNobody ? origin : blamed);
  if (blamed == kNobody || !blamed_.insert(blamed).second) return;
  const std::lock_guard lock(mutex_);
  if (error_.message().size() > kMaxErrorBytes) return;
  error_ = Status(error_.code(), fmt::format("{}; {}", error_.message(), text));
}

void Engine::Suspect(int rank) {
  const std::lock_guard lock(mutex_);
  suspects_.insert(rank);
}

std::set<int> Engine::Suspects() const {
  const std::lock_guard lock(mutex_);
  return suspects_;
}

void Engine::TellPeers(int origin, int blamed, const std::string& why) {
  for (int peer = 0; peer < options_.ranks; ++peer) {
    if (peer == origin || PeerAt(peer).left) continue;
    FrameHeader header = Header(FrameKind::kAbort, peer);
    header.root = static_cast<uint16_t>(origin);
    header.message = blamed == kNobody ? kAnyRank : static_cast<uint16_t>(blamed);
    SendFrame(peer, header, std::as_bytes(std::span(why)));
  }
}

double Engine::FailedCloseSeconds() const {
  double round_trip = 0;
  for (int peer = 0; peer < options_.ranks; ++peer) {
    const double there = links_.at(options_.rank, peer).delay;
    round_trip = std::max(round_trip, there + links_.at(peer, options_.rank).delay);
  }
  return kFailedCloseSeconds + round_trip;
}

}  // namespace thinwire
