// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/checked.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
// A message is followed in this many pieces at most, and in fewer where a hop has many messages:
// with many ranks they are short anyhow.
constexpr size_t kMostPieces = 16;
constexpr size_t kMostEvents = size_t{1} << 24;
// Up to so many ordered pairs, the time from which each is free is kept between hops.
constexpr size_t kMostPairsKept = size_t{1} << 22;

// Equal for equal arguments on every machine.
uint64_t Mixed(uint64_t seed, uint64_t value) {
  uint64_t x = seed * 0x9E3779B97F4A7C15 + value;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}
double Uniform(uint64_t seed, uint64_t value) {
  return static_cast<double>(Mixed(seed, value) >> 11) * 0x1p-53;
}

// What a rank gets of one piece in one hop.
struct Inbox {
  double first = kNever;  // when the first byte comes
  double last = 0;        // when the last could if the downlink were free
  double work = 0;        // seconds the downlink is busy with it
  double elements = 0;
  double items = 0;  // frames
  uint32_t senders = 0;
};

struct Host {
  double slowness = 1;
  double uplink_free = 0;
  double downlink_free = 0;
  double processor_free = 0;
  double done = 0;
  double overhead = 0;
  uint64_t wire_bytes = 0;
};

// The link between two sites as messages meet it.
struct Path {
  double delay;  // from send to engine
  double round_trip;
  double loss;
  double uplink_seconds_per_byte;  // of payload, paced
  double pair_seconds_per_byte;
  double last_seconds_per_byte;  // by which the last byte follows the first
  double bytes = -1;             // of a message ...
  double all_arrive = 1;         // ... and the probability that none of its packets is lost
};

// A pair that a rank sends over, and when it is free for more.
struct Pair {
  int to = -1;
  double free = 0;
};

// One piece of what a rank sends to another in a hop.
struct Piece {
  double bytes = 0;   // on the wire, headers included
  double frames = 0;  // at least one a message
  double elements = 0;
};

class FleetRun {
 public:
  FleetRun(const TrafficPattern& pattern, const Codec& codec, DataType dtype, const Fleet& fleet)
      : pattern_(pattern), codec_(codec), dtype_(dtype), fleet_(fleet), hosts_(ranks()) {
    for (size_t rank = 0; rank < ranks(); ++rank) {
      sites_.push_back(fleet.sites.SiteOf(static_cast<int>(rank), pattern.ranks()));
      const bool slow = Uniform(fleet.seed, rank) < fleet.straggler_part;
      if (slow) hosts_[rank].slowness = fleet.straggler_factor;
    }
    MakePaths();
    ChoosePieces();
    ready_.resize(lanes() * ranks());
    inboxes_.resize(lanes() * ranks());
  }

  FleetTime Run() {
    for (int hop = 0; hop < pattern_.hops(); ++hop) {
      for (size_t rank = 0; rank < ranks(); ++rank) SendAll(hop, rank);
      for (size_t lane = 0; lane < lanes(); ++lane) {
        for (size_t rank = 0; rank < ranks(); ++rank) Receive(hop, lane, rank);
      }
    }
    for (const Host& host : hosts_) {
      result_.seconds = std::max({result_.seconds, host.done, host.uplink_free});
      result_.overhead_seconds = std::max(result_.overhead_seconds, host.overhead);
      result_.wire_bytes = std::max(result_.wire_bytes, host.wire_bytes);
    }
    return result_;
  }

 private:
  size_t ranks() const { return static_cast<size_t>(pattern_.ranks()); }
  size_t parts() const { return static_cast<size_t>(pattern_.parts()); }
  size_t lanes() const { return pieces_ * parts(); }
  Path& PathBetween(size_t from, size_t to) {
    return paths_[static_cast<size_t>(sites_[from] * fleet_.sites.sites() + sites_[to])];
  }

  void MakePaths() {
    const SiteMatrix& sites = fleet_.sites;
    const CostModel& costs = fleet_.costs;
    nic_rate_ = sites.nic_rate() * kWireEfficiency;
    for (int from = 0; from < sites.sites(); ++from) {
      for (int to = 0; to < sites.sites(); ++to) {
        const Link& link = sites.at(from, to);
        const double round_trip = link.delay + sites.at(to, from).delay;
        const double rate = link.rate * kWireEfficiency;
        const double goodput =
            GoodputRate(costs.congestion, costs.flows, rate, round_trip, link.loss);
        paths_.push_back(
            {.delay = link.delay + costs.message_seconds,
             .round_trip = round_trip,
             .loss = link.loss,
             .uplink_seconds_per_byte = 1 / (nic_rate_ * std::min(kPaceFactor, 1 - link.loss)),
             .pair_seconds_per_byte = 1 / std::min(kPaceFactor * rate, goodput),
             .last_seconds_per_byte = 1 / goodput});
      }
    }
  }

  // As the planner cuts messages into segments when it compares algorithms, but in fewer pieces
  // where that would be too many.
  void ChoosePieces() {
    size_t sends = 0;
    size_t most_sends = 0;
    size_t pieces = 1;
    for (int hop = 0; hop < pattern_.hops(); ++hop) {
      pattern_.Sends(hop, 0, &sends_);
      sends += sends_.size();
      most_sends = std::max(most_sends, sends_.size());
      for (const Traffic& traffic : sends_) {
        const size_t bytes = MessageBytes(hop, traffic);
        pieces = std::max(pieces, Segments(bytes));
      }
    }
    pieces_ = std::clamp<size_t>(kMostEvents / std::max<size_t>(sends * ranks(), 1), 1,
                                 std::min(pieces, kMostPieces));
    if (ranks() * most_sends <= kMostPairsKept) pairs_.resize(ranks());
  }

  size_t MessageBytes(int hop, const Traffic& traffic) const {
    const size_t elements = traffic.elements / std::max<uint32_t>(traffic.messages, 1);
    if (pattern_.uncoded(hop)) return elements * SizeOf(dtype_);
    return codec_.EncodedBytes(elements, dtype_);
  }
  size_t Segments(size_t message_bytes) const {
    const size_t target =
        std::clamp(CeilDivide(message_bytes, kMinSegments), kMinSegmentBytes, fleet_.segment_bytes);
    return std::max<size_t>(CeilDivide(message_bytes, target), 1);
  }

  const Piece& PieceOf(int hop, const Traffic& traffic) {
    if (traffic.elements == known_elements_ && traffic.messages == known_messages_ &&
        hop == known_hop_) {
      return piece_;
    }
    known_elements_ = traffic.elements;
    known_messages_ = traffic.messages;
    known_hop_ = hop;
    const auto pieces = static_cast<double>(pieces_);
    const size_t bytes = MessageBytes(hop, traffic);
    const auto frames = static_cast<double>(std::max(Segments(bytes), pieces_)) / pieces;
    const auto messages = static_cast<double>(traffic.messages);
    piece_.frames = frames * messages;
    piece_.bytes = static_cast<double>(bytes) / pieces * messages +
                   piece_.frames * static_cast<double>(kFrameHeaderBytes);
    piece_.elements = static_cast<double>(traffic.elements) / pieces;
    return piece_;
  }

  double ComputeSeconds(double items, double elements) const {
    return items * fleet_.costs.item_seconds +
           elements * static_cast<double>(SizeOf(dtype_)) / fleet_.costs.codec_bytes_per_second;
  }

  void SendAll(int hop, size_t rank) {
    pattern_.Sends(hop, static_cast<int>(rank), &sends_);
    if (sends_.empty()) return;
    result_.peers = std::max(result_.peers, static_cast<int>(sends_.size()));
    std::vector<Pair>& pairs = pairs_.empty() ? scratch_ : pairs_[rank];
    if (pairs.size() < sends_.size()) pairs.resize(sends_.size());
    for (size_t i = 0; i < sends_.size(); ++i) {
      if (pairs_.empty() || pairs[i].to != sends_[i].to) pairs[i] = {sends_[i].to, 0};
    }
    for (size_t piece = 0; piece < pieces_; ++piece) {
      for (size_t i = 0; i < sends_.size(); ++i) {
        const size_t lane = piece * parts() + sends_[i].part;
        Send(hop, lane, rank, sends_[i], &pairs[i]);
      }
    }
  }

  // The uplink serves another peer while a pair is busy, so that only the pair waits.
  void Send(int hop, size_t lane, size_t rank, const Traffic& traffic, Pair* pair) {
    Host& host = hosts_[rank];
    const auto to = static_cast<size_t>(traffic.to);
    const Piece& piece = PieceOf(hop, traffic);
    Path& path = PathBetween(rank, to);
    double available = ready_[lane * ranks() + rank];
    if (traffic.encoded) {
      const double seconds = ComputeSeconds(piece.frames, piece.elements) * host.slowness;
      host.overhead += piece.frames * fleet_.costs.item_seconds * host.slowness;
      available = host.processor_free = std::max(host.processor_free, available) + seconds;
    }
    const double free = std::max(host.uplink_free, available);
    const double leaves = std::max(free, pair->free);
    host.uplink_free = free + piece.bytes * path.uplink_seconds_per_byte * host.slowness;
    pair->free = leaves + piece.bytes * path.pair_seconds_per_byte;
    host.wire_bytes += static_cast<uint64_t>(piece.bytes);

    Inbox& inbox = inboxes_[lane * ranks() + to];
    const double first = leaves + path.delay;
    const double slowest = std::max(path.last_seconds_per_byte, host.slowness / nic_rate_);
    inbox.first = std::min(inbox.first, first);
    inbox.last = std::max(inbox.last, first + piece.bytes * slowest + LateSeconds(piece, &path));
    inbox.work += piece.bytes / nic_rate_;
    inbox.elements += piece.elements;
    inbox.items += piece.frames;
    ++inbox.senders;
  }

  // For packets lost; most messages lose none.
  double LateSeconds(const Piece& piece, Path* path) {
    if (path->loss <= 0) return 0;
    if (piece.bytes != path->bytes) {
      path->bytes = piece.bytes;
      path->all_arrive = std::exp(piece.bytes / kPacketPayload * std::log1p(-path->loss));
    }
    const double quantile = Uniform(fleet_.seed + 1, ++messages_);
    if (quantile <= path->all_arrive) return 0;
    return fleet_.costs.round_trips_per_loss * path->round_trip *
           ExtraRoundTrips(piece.bytes, path->loss, quantile);
  }

  // The downlink is through with what a hop brings when the last of it has come, and not before the
  // first of it plus all of it.
  void Receive(int hop, size_t lane, size_t rank) {
    Inbox& inbox = inboxes_[lane * ranks() + rank];
    if (inbox.senders == 0) return;
    Host& host = hosts_[rank];
    host.downlink_free = std::max(host.downlink_free, inbox.first) + inbox.work * host.slowness;
    const double arrived = std::max(host.downlink_free, inbox.last);
    double& ready = ready_[lane * ranks() + rank];
    const auto senders = static_cast<double>(inbox.senders);
    if (pattern_.sums(hop)) {
      const double items = inbox.items / senders;
      const double operands = inbox.elements * (1 + 1 / senders);
      host.processor_free =
          std::max(host.processor_free, arrived) + ComputeSeconds(items, operands) * host.slowness;
      host.overhead += items * fleet_.costs.item_seconds * host.slowness;
      ready = std::max(ready, host.processor_free);
    } else {
      // Decodes keep pace with what comes in; the last one can't.
      const double all = ComputeSeconds(inbox.items, inbox.elements) * host.slowness;
      host.processor_free = std::max(host.processor_free + all, arrived + all / inbox.items);
      host.overhead += inbox.items * fleet_.costs.item_seconds * host.slowness;
      ready = std::max(ready, arrived);
    }
    host.done = std::max(host.done, host.processor_free);
    inbox = {};
  }

  const TrafficPattern& pattern_;
  const Codec& codec_;
  const DataType dtype_;
  const Fleet& fleet_;
  double nic_rate_ = 0;  // payload bytes a second
  size_t pieces_ = 1;
  std::vector<Host> hosts_;
  std::vector<int> sites_;                // by rank
  std::vector<Path> paths_;               // by sites
  std::vector<double> ready_;             // by lane and rank: when all it waits for is there
  std::vector<Inbox> inboxes_;            // by lane and rank
  std::vector<std::vector<Pair>> pairs_;  // by rank, in order of its sends; empty: not kept
  std::vector<Pair> scratch_;
  std::vector<Traffic> sends_;
  size_t known_elements_ = ~size_t{0};
  uint32_t known_messages_ = 0;
  int known_hop_ = -1;
  Piece piece_;  // of known_*
  uint64_t messages_ = 0;
  FleetTime result_;
};

}  // namespace

FleetTime RunFleet(const TrafficPattern& pattern, const Codec& codec, DataType dtype,
                   const Fleet& fleet) {
  return FleetRun(pattern, codec, dtype, fleet).Run();
}

std::vector<int> FirstRanks(const SiteMatrix& sites, int ranks) {
  std::vector<int> first;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank == 0 || sites.SiteOf(rank, ranks) != sites.SiteOf(rank - 1, ranks)) {
      first.push_back(rank);
    }
  }
  return first;
}

double SecondsWithChurn(double seconds, int ranks, double mean_seconds_between_failures,
                        double restart_seconds) {
  if (mean_seconds_between_failures <= 0) return seconds;
  const double failures_per_second = ranks / mean_seconds_between_failures;
  return std::expm1(failures_per_second * seconds) * (1 / failures_per_second + restart_seconds);
}

}  // namespace thinwire
