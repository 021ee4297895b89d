// SPDX-License-Identifier: Apache-2.0
#include "collective/link_probe.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <vector>

#include "base/log.h"
#include "base/units.h"
#include "collective/arrival_rate.h"
#include "collective/link_survey.h"
#include "collective/loss_model.h"
#include "wire/probe_note.h"

namespace thinwire {
namespace {

constexpr double kPingSeconds = 2e-3;  // between pings to a peer, of up to 16 ranks
constexpr int kPongs = 4;              // the first may have waited for the peer to come
constexpr size_t kFirstGrantBytes = size_t{64} << 10;
constexpr double kSilentSeconds = 50e-3;
// Of bytes granted beyond a round trip's: as many again, within these bounds. Near queues are
// short.
constexpr double kLeastQueueSeconds = 4e-3;
constexpr double kQueueSeconds = 20e-3;
constexpr double kHintSeconds = 4e-3;  // of bytes coming in: then a rate is known roughly
constexpr double kPauseShare = 0.25;   // of a round trip: senders wait longer between flights
constexpr double kLevel = 1.15;        // a flow that grows less in a round trip fills its link
constexpr double kMostAboveMean = 1.1;
constexpr double kYoungRoundTrips = 8;
constexpr double kMostRoundTrips = 16;  // of one train, where others wait for theirs
constexpr double kLevelPeriods = 4.5;   // and has brought in so many times what comes in one
constexpr double kGets = 0.6;           // but one that grows less than this is being held up
constexpr double kStillGrowing = 1.3;
constexpr double kFilling = 1.4;    // ... and once it doesn't: grants take time too
constexpr double kDoubling = 1.75;  // round trips of bytes granted while a flow grows
constexpr double kEnoughSeconds =
    24e-3;  // of bytes coming in: then a rate is known to some percent
constexpr size_t kEnoughNearBytes = size_t{1} << 20;  // where a round trip is shorter than ...
constexpr double kNearSeconds = 2e-3;
constexpr double kFarSeconds = 5e-3;     // flows with a longer round trip are warmed up
constexpr double kTrainRoundTrips = 8;   // of a train, after that, about
constexpr double kWarmUpRoundTrips = 6;  // of slow start
constexpr double kWarmUpShare = 0.4;     // of the budget at most
constexpr double kLostGraceSeconds = 0.1;
constexpr const char* kContext = "measuring links";

class LinkProbe {
 public:
  LinkProbe(const ProbeOptions& options, Transport* transport, std::vector<Message>* early)
      : options_(options),
        self_(options.self),
        transport_(*transport),
        channel_(self_, kContext, transport, early),
        peers_(static_cast<size_t>(self_.ranks)),
        order_(SurveyOrder(self_.rank, self_.ranks)),
        wanted_(order_.begin(), order_.end()),
        start_(Now()),
        findings_(static_cast<size_t>(self_.ranks)) {}

  Result<LinkModel> Run();

 private:
  enum class Phase { kPing, kWarmUp, kTrains, kTell };
  struct Peer {
    // Delay.
    int pongs = 0;
    double round_trip = std::numeric_limits<double>::infinity();
    double pause() const { return kPauseShare * round_trip; }
    // In which enough comes in to compare it with what came before; a round trip at least.
    double period() const {
      const double all = arrivals.empty() ? 0 : static_cast<double>(BytesOf(arrivals));
      const double mean = all > 0 ? all / (arrivals.back().seconds - arrivals.front().seconds) : 0;
      const double enough = mean > 0 ? kWorthJudgingBytes / mean : 0;
      return std::max({round_trip, kEnoughSeconds / 2, enough});
    }
    ArrivalRate Rate(double now) const {
      const ArrivalRate late = RateOf(ArrivalsAfter(arrivals, now - 2 * period()), pause());
      return late.bytes_per_second > 0 ? late : RateOf(arrivals, pause());
    }
    // Of a flow without pauses: what came over the time it took, in the better of two halves.
    double Mean(double now) const {
      const double span = 2 * period();
      const size_t four = BytesOf(ArrivalsAfter(arrivals, now - 2 * span));
      const size_t two = BytesOf(ArrivalsAfter(arrivals, now - span));
      return static_cast<double>(std::max(two, four - two)) / span;
    }
    // What comes from it.
    std::vector<Arrival> arrivals;  // of the train that is measured, or the warm-up
    uint64_t received = 0;          // bytes of trains
    double first_seconds = 0;       // when the first came
    uint64_t granted = 0;
    // What goes to it.
    double lost_at = 0;  // its connection broke
    uint64_t sent = 0;
    uint64_t allowed = 0;
    bool warming = false;
    Findings findings;  // its own; empty: not here yet
  };
  Peer& peer(int rank) { return peers_[static_cast<size_t>(rank)]; }
  double Elapsed() const { return ToSeconds(Now() - start_); }
  bool OutOfTime() const { return Elapsed() > options_.budget_seconds; }

  Status CheckPeers();
  bool Step();
  void StepPings();
  void StartWarmUp();
  bool WarmedUp();
  void NextTrain();
  void StepTrain();
  void Conclude(int source, bool certain);
  void Refuse(int source);
  void LogTrain(int source, bool certain) const;
  void Tell();
  double LongestRoundTrip() const;
  void Grant(int source, ProbeNote::What what, bool force);
  bool SendTrains();
  Status ReceiveAll(bool* moved);
  Status TakeNote(const ProbeChannel::Arrived& arrived);
  void TakeTrain(size_t bytes, int source, double now);
  void TakeGrant(const ProbeNote& note, int source);
  bool AllTold() const;

  const ProbeOptions options_;
  const ProbeIdentity self_;
  Transport& transport_;
  ProbeChannel channel_;
  std::vector<Peer> peers_;
  const std::vector<int> order_;
  std::deque<int> wanted_;  // whose trains are still to come, the first of them now
  const TimePoint start_;
  Phase phase_ = Phase::kPing;
  double next_ping_ = 0;
  double phase_began_ = 0;
  std::deque<int> served_;  // who gets trains from here, the first of them now
  Findings findings_;
};

Result<LinkModel> LinkProbe::Run() {
  bool moved = true;
  while (!(phase_ == Phase::kTell && AllTold() && channel_.idle())) {
    if (!moved) transport_.Wait(Now() + FromSeconds(kPingSeconds));
    moved = false;
    TW_TRY(ReceiveAll(&moved));
    TW_TRY(CheckPeers());  // what a peer sent before it left has come by now
    moved |= Step();
    moved |= SendTrains();
    moved |= channel_.Reap();
  }
  findings_[static_cast<size_t>(self_.rank)] = {};
  std::vector<Findings> all;
  for (int rank = 0; rank < self_.ranks; ++rank) {
    all.push_back(rank == self_.rank ? findings_ : peer(rank).findings);
  }
  return ModelOf(all);
}

Status LinkProbe::CheckPeers() {
  std::vector<int> missing;
  for (const int rank : order_) {
    Peer& other = peer(rank);
    if (!other.findings.empty()) continue;
    missing.push_back(rank);
    const Status status = transport_.PeerStatus(rank);
    if (status.ok()) continue;
    if (other.lost_at == 0) other.lost_at = Elapsed();
    // What it said last may come behind the news that it left.
    if (Elapsed() - other.lost_at > kLostGraceSeconds) return status.WithContext(kContext);
  }
  if (missing.empty() || Now() < options_.deadline) return {};
  return TimeoutError(
      "{}: rank {} did not tell what it found (THINWIRE_LINK=unknown measures nothing)", kContext,
      fmt::join(missing, ", "));
}

// --- What this rank does next ---

// True if there is more to do at once.
bool LinkProbe::Step() {
  const Phase before = phase_;
  if (phase_ != Phase::kTell && OutOfTime()) {
    if (phase_ == Phase::kTrains && !wanted_.empty()) Conclude(wanted_.front(), false);
    Tell();
  }
  switch (phase_) {
    case Phase::kPing:
      StepPings();
      break;
    case Phase::kWarmUp:
      if (WarmedUp()) NextTrain();
      break;
    case Phase::kTrains:
      StepTrain();
      break;
    case Phase::kTell:
      break;
  }
  return phase_ != before;
}

void LinkProbe::StepPings() {
  bool enough = true;
  const bool due = Elapsed() >= next_ping_;
  for (const int rank : order_) {
    if (peer(rank).pongs >= kPongs) continue;
    enough = false;
    if (!due) continue;
    ProbeNote ping;
    ping.what = ProbeNote::What::kPing;
    ping.number = static_cast<uint64_t>(Now().time_since_epoch().count());
    channel_.Send(rank, ping);
  }
  if (due) next_ping_ = Elapsed() + kPingSeconds * std::max(1.0, self_.ranks / 16.0);
  if (enough) StartWarmUp();
}

double LinkProbe::LongestRoundTrip() const {
  double longest = 0;
  for (const int rank : order_) {
    longest = std::max(longest, peers_[static_cast<size_t>(rank)].round_trip);
  }
  return longest;
}

void LinkProbe::StartWarmUp() {
  phase_ = Phase::kWarmUp;
  phase_began_ = Elapsed();
  const double each = kTrainRoundTrips * LongestRoundTrip() + kEnoughSeconds;
  const double left =
      options_.budget_seconds - phase_began_ - kWarmUpRoundTrips * LongestRoundTrip();
  // Only peers whose train there will be time for; one train alone begins at once.
  const auto warmed = static_cast<size_t>(std::max(0.0, left / each));
  if (std::min(warmed, order_.size()) < 2 || LongestRoundTrip() < kFarSeconds) return NextTrain();
  for (size_t i = 0; i < std::min(warmed, order_.size()); ++i) {
    Grant(order_[i], ProbeNote::What::kWarmUp, /*force=*/true);
  }
}

// Whether the flows together bring in no more in a round trip than in the one before: they share a
// full link. Before that they have no reason to stop growing, whatever their congestion control.
bool LinkProbe::WarmedUp() {
  const double now = Elapsed();
  const double longest = std::min(kWarmUpRoundTrips * LongestRoundTrip() + kQueueSeconds,
                                  kWarmUpShare * options_.budget_seconds);
  if (now - phase_began_ > longest) return true;
  std::vector<Arrival> all;
  for (const Peer& source : peers_) {
    all.insert(all.end(), source.arrivals.begin(), source.arrivals.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Arrival& a, const Arrival& b) { return a.seconds < b.seconds; });
  const double growth = GrowthOf(all, LongestRoundTrip(), now);
  return growth > 0 && growth < kStillGrowing;
}

void LinkProbe::NextTrain() {
  phase_ = Phase::kTrains;
  phase_began_ = Elapsed();
  if (wanted_.empty()) return Tell();
  const int rank = wanted_.front();
  Peer& source = peer(rank);
  // A train cut off by the end of the budget would tell little.
  const double left = options_.budget_seconds - phase_began_;
  const bool first = wanted_.size() == order_.size();
  if (!first && left < 2 * source.round_trip + kEnoughSeconds) return Tell();
  Grant(rank, ProbeNote::What::kGrant, /*force=*/true);
  source.arrivals.clear();
}

void LinkProbe::StepTrain() {
  const int rank = wanted_.front();
  const Peer& source = peer(rank);
  const double now = Elapsed();
  const bool many =
      source.round_trip < kNearSeconds && BytesOf(source.arrivals) >= kEnoughNearBytes;
  const double growth = GrowthOf(source.arrivals, source.period(), now);
  const double lately =
      static_cast<double>(BytesOf(ArrivalsAfter(source.arrivals, now - source.period())));
  // A flow that gets going halts now and then: young ones aren't judged.
  const bool past_start = now - source.first_seconds > kYoungRoundTrips * source.round_trip &&
                          static_cast<double>(source.received) > kLevelPeriods * lately;
  const bool level = past_start && growth > kGets && growth < kLevel;
  // Should it be silent, or its sender be busy with another rank for long, the others have a turn.
  const double heard = source.arrivals.empty() ? phase_began_ : source.arrivals.back().seconds;
  const bool silent = now - heard > 3 * source.round_trip + kSilentSeconds;
  const double patience =
      std::max((options_.budget_seconds - phase_began_) / 2, kMostRoundTrips * source.round_trip);
  const bool endless = now - phase_began_ > patience;
  if (!many && !level && !silent && !endless) return;
  wanted_.pop_front();
  // Its sender is busy with another rank: later, then.
  const bool later = source.arrivals.empty() && !endless;
  later ? Refuse(rank) : Conclude(rank, many || level);
  if (later) wanted_.push_back(rank);
  NextTrain();
}

// Where a train was cut off while it still grew, the link carries at least what came.
void LinkProbe::Conclude(int rank, bool certain) {
  Refuse(rank);
  LogTrain(rank, certain);
  double rate = peer(rank).Rate(Elapsed()).bytes_per_second;
  // What was read late, in one go, looks fast.
  const bool level = certain && peer(rank).round_trip >= kNearSeconds;
  if (level) rate = std::min(rate, kMostAboveMean * peer(rank).Mean(Elapsed()));
  const auto on_wire = static_cast<float>(rate / kWireEfficiency);
  findings_[static_cast<size_t>(rank)].rate = certain ? on_wire : -on_wire;
}

// No more from this rank, for now.
void LinkProbe::Refuse(int rank) {
  ProbeNote end;
  end.what = ProbeNote::What::kEnd;
  channel_.Send(rank, end);
}

void LinkProbe::LogTrain(int rank, bool certain) const {
  const Peer& source = peers_[static_cast<size_t>(rank)];
  std::vector<size_t> kilobytes;
  for (const Arrival& arrival : source.arrivals) {
    const double periods = (arrival.seconds - source.arrivals.front().seconds) / source.period();
    kilobytes.resize(static_cast<size_t>(periods) + 1);
    kilobytes.back() += arrival.bytes / 1000;
  }
  TW_LOG(kTrace, "rank {}: train from rank {}, {}, of {}; asked for at {:.3f}; kB each {}: {}",
         self_.rank, rank, certain ? "level" : "cut off", FormatBytes(source.granted), phase_began_,
         FormatSeconds(source.period()), fmt::join(kilobytes, " "));
}

void LinkProbe::Tell() {
  phase_ = Phase::kTell;
  for (const int rank : order_) {
    Finding& finding = findings_[static_cast<size_t>(rank)];
    if (peer(rank).pongs > 0) finding.delay = static_cast<float>(peer(rank).round_trip / 2);
    const PathFigures path = transport_.PathTo(rank);
    finding.loss = static_cast<float>(std::min(LossOf(path.packets, path.packets_again), 0.99));
  }
  ProbeNote told;
  told.what = ProbeNote::What::kFindings;
  for (const int rank : order_) {
    channel_.Send(rank, told, PackFindings(findings_));
  }
}

bool LinkProbe::AllTold() const {
  return std::all_of(order_.begin(), order_.end(), [this](int rank) {
    return !peers_[static_cast<size_t>(rank)].findings.empty();
  });
}

// --- Trains ---

// Lets a source send: twice what it has sent so far, as TCP's slow start does, or, once its rate
// shows, a round trip of bytes and a little more, which then is the longest queue there can be.
void LinkProbe::Grant(int rank, ProbeNote::What what, bool force) {
  Peer& source = peer(rank);
  auto ahead = static_cast<double>(kFirstGrantBytes + source.received);
  const ArrivalRate rate = source.Rate(Elapsed());
  if (rate.busy_seconds > kHintSeconds) {
    const double growth = GrowthOf(source.arrivals, source.period(), Elapsed());
    const double trips = growth > 0 && growth < kStillGrowing ? kFilling : kDoubling;
    const double queue = std::clamp(source.round_trip, kLeastQueueSeconds, kQueueSeconds);
    const double full = rate.bytes_per_second * (trips * source.round_trip + queue);
    ahead = std::max(std::min(ahead, full), static_cast<double>(kFirstGrantBytes));
  }
  const uint64_t granted = source.received + static_cast<uint64_t>(ahead);
  const bool worth_it = granted > source.granted + static_cast<uint64_t>(ahead / 16);
  if (!force && !worth_it) return;
  source.granted = std::max(source.granted, granted);
  ProbeNote note;
  note.what = what;
  note.bytes = source.granted;
  channel_.Send(rank, note);
}

bool LinkProbe::SendTrains() {
  bool moved = false;
  for (const int rank : order_) {
    Peer& to = peer(rank);
    const bool turn = to.warming || (!served_.empty() && served_.front() == rank);
    if (!turn || to.sent >= to.allowed) continue;
    const size_t sent = channel_.SendTrain(rank, to.allowed - to.sent);
    to.sent += sent;
    moved |= sent > 0;
  }
  return moved;
}

// --- Notes ---

Status LinkProbe::ReceiveAll(bool* moved) {
  TW_TRY(channel_.Receive(
      [this](const ProbeChannel::Arrived& arrived) { return TakeNote(arrived); }, moved));
  for (const int rank : order_) {
    const bool turn = phase_ == Phase::kTrains && !wanted_.empty() && wanted_.front() == rank;
    if (peer(rank).received == 0 || !(turn || phase_ == Phase::kWarmUp)) continue;
    Grant(rank, turn ? ProbeNote::What::kGrant : ProbeNote::What::kWarmUp, /*force=*/false);
  }
  return {};
}

Status LinkProbe::TakeNote(const ProbeChannel::Arrived& arrived) {
  const auto& [source, note, more, frame_bytes, now] = arrived;
  Peer& from = peer(source);
  switch (note.what) {
    case ProbeNote::What::kPing:
      channel_.Answer(arrived);
      return {};
    case ProbeNote::What::kPong: {
      const TimePoint pinged{Duration(static_cast<int64_t>(note.number))};
      if (pinged < start_ || pinged > now) return {};
      ++from.pongs;
      from.round_trip = std::min(from.round_trip, ToSeconds(now - pinged));
      return {};
    }
    case ProbeNote::What::kWarmUp:
    case ProbeNote::What::kGrant:
    case ProbeNote::What::kEnd:
      TakeGrant(note, source);
      return {};
    case ProbeNote::What::kTrain:
      TakeTrain(frame_bytes, source, ToSeconds(now - start_));
      return {};
    case ProbeNote::What::kFindings: {
      TW_ASSIGN(from.findings, UnpackFindings(more, self_.ranks));
      return {};
    }
  }
  return {};
}

void LinkProbe::TakeTrain(size_t bytes, int source, double now) {
  Peer& from = peer(source);
  if (from.received == 0) from.first_seconds = now;
  from.received += bytes;
  if (phase_ == Phase::kTrains && !wanted_.empty()) {
    // What came while another's last bytes came too says little.
    if (wanted_.front() != source) return peer(wanted_.front()).arrivals.clear();
    // Likewise what is left of the warm-up.
    if (now - phase_began_ < 0.9 * from.round_trip) return;
  }
  if (!from.arrivals.empty() && from.arrivals.back().seconds == now) {
    from.arrivals.back().bytes += bytes;
  } else {
    from.arrivals.push_back({now, bytes});
  }
}

void LinkProbe::TakeGrant(const ProbeNote& note, int source) {
  Peer& to = peer(source);
  const auto place = std::find(served_.begin(), served_.end(), source);
  to.allowed = std::max(to.allowed, note.bytes);
  to.warming = note.what == ProbeNote::What::kWarmUp;
  // Where trains are asked for, the warm-up is over.
  if (note.what == ProbeNote::What::kGrant) {
    for (Peer& other : peers_) other.warming = false;
  }
  if (note.what == ProbeNote::What::kEnd) {
    to.allowed = to.sent;
    if (place != served_.end()) served_.erase(place);
  } else if (note.what == ProbeNote::What::kGrant && place == served_.end()) {
    served_.push_back(source);
  }
}

}  // namespace

Result<LinkModel> ProbeLinks(const ProbeOptions& options, Transport* transport,
                             std::vector<Message>* early) {
  if (options.self.ranks == 1) return LinkModel(1);
  return LinkProbe(options, transport, early).Run();
}

}  // namespace thinwire
