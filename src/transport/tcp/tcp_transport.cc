// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/tcp_transport.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "transport/address.h"
#include "transport/tcp/doorway.h"
#include "transport/tcp/flow_growth.h"
#include "transport/tcp/message_stream.h"
#include "transport/tcp/readiness.h"
#include "transport/tcp/tail_probe.h"
#include "transport/tcp/tcp_protocol.h"

namespace thinwire {
namespace {

using Kind = MessageHead::Kind;

constexpr std::string_view kName = "tcp";
constexpr size_t kReadBudget = size_t{1} << 20;  // of one flow, before the others have a turn
// What flows take at once, together and each: pieces of messages are that large, and no more lies
// unsent in a flow. Little, so that one held up by a loss holds up little and what waits goes by
// another; enough that a flow doesn't run dry between two turns of the engine.
constexpr size_t kTakenByAll = size_t{512} << 10;
constexpr size_t kTakenByEach = size_t{16} << 10;
constexpr auto kSampleInterval = std::chrono::milliseconds(100);
// One flow of a far path now and then carries nothing for a while (BBR drains the path to learn its
// round trip, and what comes behind a lost packet waits): another then goes on. More than four help
// only a congestion control that slows down for every loss.
constexpr double kFarSeconds = 5e-3;
constexpr int kFlowsOfFarPath = 2;
constexpr int kMostFlowsUnslowed = 4;
// BBR drains the path where it has seen no round trip below its shortest for 10 s, even where all
// are as short but for microseconds. Before that it is told so.
constexpr double kRenewSeconds = 6;
constexpr double kDrainedSeconds = 8e-3;
constexpr double kDrainedPart = 0.1;
// The higher rank of a pair dials only when the lower one seems not to get through.
constexpr auto kHigherRankWaits = std::chrono::milliseconds(300);

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(const TransportOptions& options) : flows_wanted_(options.flows) {}
  ~TcpTransport() override {
    if (!closed_) Close(Now());
  }

  Status Open(const TransportOptions& options) {
    TW_TRY(readiness_.Open());
    return doorway_.Open(options);
  }

  std::string name() const override { return std::string(kName); }
  Result<std::string> Address() override {
    return PackAddress(kName, PackTcpAddress(doorway_.address()));
  }
  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  PathFigures PathTo(int peer) const override;
  void Wait(TimePoint deadline) override;
  void Wake() override { readiness_.Wake(); }
  void Close(TimePoint deadline) override;

 private:
  struct Peer;

  // One open connection.
  struct Flow : Watched {
    Flow(Peer* p, Fd f) : Watched(Kind::kFlow), peer(p), fd(std::move(f)) {}
    Peer* const peer;
    Fd fd;  // closed: at its end
    MessageStream stream;
    bool blocked = false;  // the socket takes no more for now
    int write_error = 0;   // errno; what the peer has sent is still read
    TimePoint renewed = Now();
    TailProbe tail;
  };

  struct Peer {
    int rank = -1;
    std::vector<std::unique_ptr<Flow>> flows;     // those at their end are taken out by Poll
    size_t turn = 0;                              // whose turn it is to send
    size_t blocked = 0;                           // flows that take no more for now
    std::deque<std::shared_ptr<Outgoing>> queue;  // of which something is left to begin
    size_t piece_bytes = 0;                       // goes by one flow
    Duration tail_probe_interval{};
    Assembly assembly;
    uint64_t sent = 0;                 // kData, whole or not
    uint64_t received = 0;             // kData
    std::optional<uint64_t> farewell;  // how many it says it has sent
    bool farewell_seen = false;        // and all have come
    bool farewell_answered = false;    // all of ours has come there
    Request answer;                    // the sending of our answer to its farewell
    bool lost = false;                 // nothing can be sent to it any more
    Status status;
    FlowGrowth growth;
  };

  bool Drive();
  bool OnFlow(Flow* flow, uint32_t events);
  void OnWritten(Flow* flow, MessageStream::Outcome outcome);
  void Pump(Peer* peer);
  bool StartNext(Peer* peer, Flow* flow);
  void SetBlocked(Flow* flow, bool blocked);
  bool Read(Flow* flow);
  void Take(Peer* peer, Incoming incoming);
  void CheckFarewell(Peer* peer);
  void Control(Peer* peer, Kind kind, uint64_t number, Request* request = nullptr);
  void OpenFlows();
  int FirstFlows(double round_trip_seconds) const;
  void GrowTo(Peer* peer, int flows);
  void ShareOut(Peer* peer);
  bool Waiting(const Peer& peer) const;
  PathSample SampleOf(const Peer& peer, TimePoint now) const;
  void SamplePaths(TimePoint now);
  void RenewDrained(const Peer& peer, TimePoint now);
  void NewTail(Flow* flow);
  void ProbeTails(TimePoint now);
  void ProbeTail(Flow* flow, TimePoint now);
  TimePoint next() const { return std::min({doorway_.next(), next_sample_, next_tail_probe_}); }
  void EndFlow(Flow* flow, const std::string& why);
  static void Fail(Peer* peer, Status status);
  template <typename Done>
  bool DriveUntil(TimePoint deadline, Done done);
  Status AwaitFlows(TimePoint deadline);

  const int flows_wanted_;  // 0: as the path asks for
  Readiness readiness_;
  Doorway doorway_{&readiness_};
  int rank_ = -1;
  std::vector<Peer> peers_;  // sized once: flows point into it
  std::vector<Incoming> incoming_;
  std::vector<Message> arrived_;                  // received and not yet handed out by Poll
  TimePoint next_sample_ = TimePoint::max();      // max: nothing goes out
  TimePoint next_tail_probe_ = TimePoint::max();  // max: all is acknowledged
  bool swept_ = true;                             // no flow is at its end
  bool closed_ = false;
};

// ---- Connect ------------------------------------------------------------------------------------

Status TcpTransport::Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) {
  TW_TRY(CheckRank(rank, addresses.size()));
  if (!peers_.empty()) return InvalidUsage("Connect was called before");
  std::vector<TcpAddress> parsed(addresses.size());
  for (size_t r = 0; r < addresses.size(); ++r) {
    if (static_cast<int>(r) == rank) continue;
    TW_ASSIGN(const std::string_view body, UnpackAddress(kName, addresses[r], static_cast<int>(r)));
    const std::optional<TcpAddress> address = ParseTcpAddress(body);
    if (!address) return InvalidArgument("rank {}: its tcp address makes no sense", r);
    parsed[r] = *address;
  }
  rank_ = rank;
  peers_ = std::vector<Peer>(addresses.size());
  TW_TRY(doorway_.Receive(rank, std::move(parsed)));
  const TimePoint now = Now();
  for (size_t r = 0; r < peers_.size(); ++r) {
    peers_[r].rank = static_cast<int>(r);
    if (peers_[r].rank == rank) continue;
    doorway_.Seek(peers_[r].rank, rank < peers_[r].rank ? now : now + kHigherRankWaits);
  }
  return AwaitFlows(deadline);
}

Status TcpTransport::AwaitFlows(TimePoint deadline) {
  // A peer that was here and has left in good order doesn't keep the others from meeting.
  const auto open = [this](const Peer& peer) {
    return peer.rank == rank_ || !peer.flows.empty() || peer.farewell_seen;
  };
  const auto failed = [&](const Peer& peer) { return !peer.status.ok() && !peer.farewell_seen; };
  DriveUntil(deadline, [&] {
    return std::all_of(peers_.begin(), peers_.end(), open) ||
           std::any_of(peers_.begin(), peers_.end(), failed);
  });
  std::vector<std::string> missing;
  for (const Peer& peer : peers_) {
    if (failed(peer)) return peer.status.WithContext("connect");
    if (open(peer)) continue;
    const std::string& trouble = doorway_.trouble(peer.rank);
    missing.push_back(fmt::format("{}{}", peer.rank, trouble.empty() ? "" : " (" + trouble + ")"));
  }
  if (missing.empty()) return {};
  return TimeoutError(
      "no connection in time with rank {}: is it running, and can one of the two "
      "reach the other (docs/networks.md)?",
      fmt::join(missing, ", "));
}

// The lower rank of a pair opens what is wanted from the start.
void TcpTransport::OpenFlows() {
  for (Doorway::Opened& opened : doorway_.TakeOpened()) {
    Peer& peer = peers_[static_cast<size_t>(opened.rank)];
    Flow& flow = *peer.flows.emplace_back(std::make_unique<Flow>(&peer, std::move(opened.fd)));
    readiness_.Change(flow.fd.get(), EPOLLIN, &flow);  // was watched as a visitor
    TW_LOG(kInfo, "rank {}: flow {} to rank {}, {}", rank_, peer.flows.size(), peer.rank,
           doorway_.tuning().congestion());
    const double round_trip = ReadFigures(flow.fd.get()).round_trip_seconds;
    peer.tail_probe_interval = TailProbe::Interval(round_trip);
    if (peer.flows.size() == 1 && rank_ < peer.rank) GrowTo(&peer, FirstFlows(round_trip));
    ShareOut(&peer);
    Pump(&peer);
  }
}

int TcpTransport::FirstFlows(double round_trip_seconds) const {
  if (flows_wanted_ > 0) return flows_wanted_;
  return round_trip_seconds > kFarSeconds ? kFlowsOfFarPath : 1;
}

// Opens what is missing, or asks the peer to where only it can.
void TcpTransport::GrowTo(Peer* peer, int flows) {
  const int there = static_cast<int>(peer->flows.size()) + doorway_.dialling(peer->rank);
  const int missing = std::min(flows, kMaxFlows) - there;
  if (missing <= 0 || closed_ || !peer->status.ok()) return;
  if (doorway_.CanDial(peer->rank)) {
    doorway_.DialMore(peer->rank, missing);
  } else {
    Control(peer, Kind::kDialMore, static_cast<uint64_t>(there + missing));
  }
}

// ---- Sending ------------------------------------------------------------------------------------

Status TcpTransport::Send(int to, std::span<const std::byte> bytes, Request* request) {
  request->state = Request::State::kFailed;
  TW_TRY(CheckPeer(to, rank_, peers_.size()));
  Peer& peer = peers_[static_cast<size_t>(to)];
  TW_TRY(peer.status);
  if (bytes.size() > kMaxMessageBytes) {
    return InvalidArgument("a message of {} bytes; at most {} go at once", bytes.size(),
                           kMaxMessageBytes);
  }
  request->state = Request::State::kPending;
  peer.queue.push_back(std::make_shared<Outgoing>(
      Outgoing{.kind = Kind::kData, .number = peer.sent++, .bytes = bytes, .request = request}));
  Pump(&peer);
  if (next_sample_ == TimePoint::max()) next_sample_ = Now() + kSampleInterval;
  return {};
}

void TcpTransport::Control(Peer* peer, Kind kind, uint64_t number, Request* request) {
  if (peer->lost || peer->rank == rank_) return;
  if (request != nullptr) request->state = Request::State::kPending;
  peer->queue.push_front(std::make_shared<Outgoing>(
      Outgoing{.kind = kind, .number = number, .bytes = {}, .request = request}));
  Pump(peer);
}

// Gives what waits to flows that can take it, in turn.
void TcpTransport::Pump(Peer* peer) {
  size_t idle = 0;  // flows in a row that took nothing
  while (!peer->queue.empty() && peer->blocked < peer->flows.size() && idle < peer->flows.size()) {
    Flow* const flow = peer->flows[peer->turn++ % peer->flows.size()].get();
    idle = StartNext(peer, flow) ? 0 : idle + 1;
  }
}

// A flow that takes nothing of the message leaves it to the others.
bool TcpTransport::StartNext(Peer* peer, Flow* flow) {
  if (!flow->fd.open() || flow->blocked || flow->write_error != 0) return false;
  const std::shared_ptr<Outgoing> next = peer->queue.front();
  const MessageStream::Outcome outcome =
      flow->stream.WriteNext(flow->fd.get(), next, peer->piece_bytes);
  const bool taken = outcome == MessageStream::Outcome::kDone || flow->stream.sending() != nullptr;
  if (taken) NewTail(flow);
  if (taken && next->begun == next->bytes.size()) peer->queue.pop_front();
  OnWritten(flow, outcome);
  return taken;
}

void TcpTransport::OnWritten(Flow* flow, MessageStream::Outcome outcome) {
  if (outcome == MessageStream::Outcome::kBroken) flow->write_error = errno;
  SetBlocked(flow, outcome == MessageStream::Outcome::kBlocked);
}

void TcpTransport::SetBlocked(Flow* flow, bool blocked) {
  if (flow->blocked == blocked) return;
  flow->blocked = blocked;
  blocked ? ++flow->peer->blocked : --flow->peer->blocked;
  readiness_.Change(flow->fd.get(), blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, flow);
}

// ---- Receiving ----------------------------------------------------------------------------------

bool TcpTransport::Poll(std::vector<Message>* arrived) {
  const bool moved = Drive() || !arrived_.empty();
  std::move(arrived_.begin(), arrived_.end(), std::back_inserter(*arrived));
  arrived_.clear();
  return moved;
}

bool TcpTransport::Drive() {
  bool moved = false;
  for (const epoll_event& event : readiness_.Ready()) {
    auto* const watched = static_cast<Watched*>(event.data.ptr);
    if (watched->kind == Watched::Kind::kFlow) {
      moved |= OnFlow(static_cast<Flow*>(watched), event.events);
    } else {
      doorway_.OnReady(watched);
    }
  }
  const TimePoint now = Now();
  doorway_.Tick(now);
  OpenFlows();
  if (now >= next_sample_) SamplePaths(now);
  if (now >= next_tail_probe_) ProbeTails(now);
  if (!std::exchange(swept_, true)) {
    for (Peer& peer : peers_) std::erase_if(peer.flows, [](auto& f) { return !f->fd.open(); });
  }
  return moved;
}

bool TcpTransport::OnFlow(Flow* flow, uint32_t events) {
  if (!flow->fd.open()) return false;
  bool moved = false;
  if ((events & EPOLLOUT) != 0 && flow->blocked) {
    moved = true;
    NewTail(flow);
    OnWritten(flow, flow->stream.Write(flow->fd.get()));
    // While anything waits, the others are blocked.
    while (!flow->peer->queue.empty() && StartNext(flow->peer, flow)) continue;
  }
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) moved |= Read(flow);
  return moved;
}

bool TcpTransport::Read(Flow* flow) {
  Peer* const peer = flow->peer;
  const MessageStream::Outcome outcome =
      flow->stream.Read(flow->fd.get(), kReadBudget, &peer->assembly, &incoming_);
  const int error = errno;
  for (Incoming& incoming : incoming_) Take(peer, std::move(incoming));
  incoming_.clear();
  if (outcome == MessageStream::Outcome::kInvalid) {
    EndFlow(flow, "it sent what is no message");
  } else if (outcome != MessageStream::Outcome::kBlocked) {
    const int why = outcome == MessageStream::Outcome::kBroken ? error : flow->write_error;
    EndFlow(flow, why == 0 ? "it closed the connection" : std::strerror(why));
  }
  return true;
}

void TcpTransport::Take(Peer* peer, Incoming incoming) {
  switch (incoming.kind) {
    case Kind::kData:
      ++peer->received;
      if (!closed_) arrived_.emplace_back(peer->rank, std::move(incoming.buffer));
      break;
    case Kind::kFarewell:
      peer->farewell = incoming.number;
      break;
    case Kind::kFarewellSeen:
      peer->farewell_answered = true;
      break;
    case Kind::kDialMore:
      if (doorway_.CanDial(peer->rank)) {
        GrowTo(peer, static_cast<int>(std::min<uint64_t>(incoming.number, kMaxFlows)));
      }
      break;
    case Kind::kTailProbe:
      break;
  }
  CheckFarewell(peer);
}

// Flows overtake each other: a farewell counts once all that was sent before it is here.
void TcpTransport::CheckFarewell(Peer* peer) {
  if (peer->farewell_seen || peer->farewell != peer->received) return;
  peer->farewell_seen = true;
  Fail(peer, RemoteError("rank {} has closed its transport", peer->rank));
  Control(peer, Kind::kFarewellSeen, 0, &peer->answer);
}

// ---- Paths --------------------------------------------------------------------------------------

bool TcpTransport::Waiting(const Peer& peer) const {
  return !peer.queue.empty() ||
         std::any_of(peer.flows.begin(), peer.flows.end(),
                     [](const auto& f) { return f->stream.sending() != nullptr; });
}

PathSample TcpTransport::SampleOf(const Peer& peer, TimePoint now) const {
  PathSample sample;
  sample.time = now;
  sample.waiting = Waiting(peer);
  sample.flows = static_cast<int>(peer.flows.size());
  sample.shortest_round_trip_seconds = std::numeric_limits<double>::infinity();
  for (const auto& flow : peer.flows) {
    const FlowFigures figures = ReadFigures(flow->fd.get());
    sample.round_trip_seconds += figures.round_trip_seconds / sample.flows;
    sample.shortest_round_trip_seconds =
        std::min(sample.shortest_round_trip_seconds, figures.shortest_round_trip_seconds);
    sample.acknowledged_bytes += figures.acknowledged_bytes;
    sample.sent_packets += figures.sent_packets;
    sample.sent_again_packets += figures.sent_again_packets;
  }
  return sample;
}

void TcpTransport::SamplePaths(TimePoint now) {
  bool waiting = false;
  const int most = doorway_.tuning().slowed_by_loss() ? kMaxFlows : kMostFlowsUnslowed;
  for (Peer& peer : peers_) {
    if (peer.flows.empty() || peer.lost) continue;
    const PathSample sample = SampleOf(peer, now);
    peer.tail_probe_interval = TailProbe::Interval(sample.shortest_round_trip_seconds);
    const int advised = peer.growth.Advise(sample);
    if (flows_wanted_ == 0) GrowTo(&peer, std::min(advised, most));
    waiting |= sample.waiting;
    RenewDrained(peer, now);
  }
  next_sample_ = waiting ? now + kSampleInterval : TimePoint::max();
}

void TcpTransport::RenewDrained(const Peer& peer, TimePoint now) {
  for (const auto& flow : peer.flows) {
    if (now - flow->renewed < FromSeconds(kRenewSeconds)) continue;
    const FlowFigures figures = ReadFigures(flow->fd.get());
    const double shortest = figures.shortest_round_trip_seconds;
    const double queue = figures.round_trip_seconds - shortest;
    if (queue > kDrainedPart * shortest + kDrainedSeconds) continue;
    doorway_.tuning().Renew(flow->fd.get());
    flow->renewed = now;
  }
}

void TcpTransport::NewTail(Flow* flow) {
  flow->tail.NewTail(Now());
  next_tail_probe_ = std::min(next_tail_probe_, flow->tail.Due(flow->peer->tail_probe_interval));
}

void TcpTransport::ProbeTails(TimePoint now) {
  next_tail_probe_ = TimePoint::max();
  for (Peer& peer : peers_) {
    for (const auto& flow : peer.flows) {
      if (peer.lost || !flow->fd.open()) continue;
      if (now >= flow->tail.Due(peer.tail_probe_interval)) ProbeTail(flow.get(), now);
      next_tail_probe_ = std::min(next_tail_probe_, flow->tail.Due(peer.tail_probe_interval));
    }
  }
}

void TcpTransport::ProbeTail(Flow* flow, TimePoint now) {
  if (!flow->tail.Wanted(Unacknowledged(flow->fd.get()))) return;
  MessageStream::Outcome outcome = MessageStream::Outcome::kBlocked;
  if (!flow->blocked && flow->write_error == 0) {
    auto probe = std::make_shared<Outgoing>(
        Outgoing{.kind = Kind::kTailProbe, .number = 0, .bytes = {}, .request = nullptr});
    outcome = flow->stream.WriteNext(flow->fd.get(), std::move(probe), 0);
    OnWritten(flow, outcome);
  }
  const bool sent = outcome == MessageStream::Outcome::kDone;
  flow->tail.Probed(sent ? MessageHead::kBytes : 0, now);
}

PathFigures TcpTransport::PathTo(int peer_rank) const {
  if (!CheckRank(peer_rank, peers_.size()).ok()) return {};
  const Peer& peer = peers_[static_cast<size_t>(peer_rank)];
  if (peer.flows.empty()) return {};
  const PathSample sample = SampleOf(peer, Now());
  PathFigures figures;
  figures.round_trip_seconds = sample.shortest_round_trip_seconds;
  figures.queue_seconds = sample.round_trip_seconds - sample.shortest_round_trip_seconds;
  figures.rate = peer.growth.best_rate();
  for (const auto& flow : peer.flows) {
    figures.rate = std::max(figures.rate, ReadFigures(flow->fd.get()).delivery_rate);
  }
  figures.packets = sample.sent_packets;
  figures.packets_again = sample.sent_again_packets;
  return figures;
}

void TcpTransport::ShareOut(Peer* peer) {
  if (peer->flows.empty()) return;
  peer->piece_bytes = std::max(kTakenByEach, kTakenByAll / peer->flows.size());
  for (const auto& flow : peer->flows) LimitUnsent(flow->fd.get(), peer->piece_bytes);
}

// ---- Failure ------------------------------------------------------------------------------------

// What was under way on it is lost, and with it the peer, unless that has said farewell.
void TcpTransport::EndFlow(Flow* flow, const std::string& why) {
  Peer* const peer = flow->peer;
  flow->fd.Close();
  swept_ = false;
  Fail(peer, RemoteError("the connection to rank {} is lost: {}", peer->rank, why));
  if (std::exchange(peer->lost, true)) return;
  for (const auto& outgoing : peer->queue) outgoing->Fail();
  peer->queue.clear();
  for (const auto& other : peer->flows) {
    if (other->stream.sending() != nullptr) other->stream.sending()->Fail();
    if (other->fd.open()) SetBlocked(other.get(), false);
  }
}

// The first reason stays: what follows is its consequence.
void TcpTransport::Fail(Peer* peer, Status status) {
  if (!peer->status.ok()) return;
  TW_LOG(kInfo, "{}", status.message());
  peer->status = std::move(status);
}

Status TcpTransport::PeerStatus(int peer) const {
  TW_TRY(CheckRank(peer, peers_.size()));
  return peers_[static_cast<size_t>(peer)].status;
}

// ---- Waiting and closing ------------------------------------------------------------------------

void TcpTransport::Wait(TimePoint deadline) {
  if (arrived_.empty()) readiness_.Wait(std::min(deadline, next()));
}

template <typename Done>
bool TcpTransport::DriveUntil(TimePoint deadline, Done done) {
  for (;;) {
    const bool moved = Drive();
    if (done()) return true;
    if (Now() >= deadline) return false;
    if (!moved) readiness_.Wait(std::min(deadline, next()));
  }
}

// A peer is done with when it has answered our farewell (so all before it was received), or closes
// itself (so it wants no more), or is lost.
void TcpTransport::Close(TimePoint deadline) {
  closed_ = true;
  arrived_.clear();
  doorway_.Shut();
  for (Peer& peer : peers_) {
    if (!peer.farewell_seen) Control(&peer, Kind::kFarewell, peer.sent);
  }
  DriveUntil(deadline, [this] {
    return std::all_of(peers_.begin(), peers_.end(), [this](const Peer& peer) {
      return peer.rank == rank_ || peer.lost || peer.flows.empty() || peer.farewell_answered ||
             (peer.farewell_seen && !peer.answer.pending());
    });
  });
  for (Peer& peer : peers_) {
    for (const auto& flow : peer.flows) {
      if (flow->fd.open()) EndFlow(flow.get(), "this rank has closed");
    }
    peer.flows.clear();
  }
}

}  // namespace

Result<std::unique_ptr<Transport>> MakeTcpTransport(const TransportOptions& options) {
  auto transport = std::make_unique<TcpTransport>(options);
  TW_TRY(transport->Open(options));
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace thinwire
