// SPDX-License-Identifier: Apache-2.0
#include "transport/mpi/mpi_transport.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>

#include "base/log.h"
#include "base/units.h"
#include "transport/address.h"
#include "transport/handshake.h"
#include "transport/mpi/mpi_group.h"
#include "transport/mpi/mpi_pieces.h"

namespace thinwire {
namespace {

constexpr std::string_view kName = "mpi";

class MpiTransport final : public Transport {
 public:
  MpiTransport() = default;
  ~MpiTransport() override {
    if (!closed_) Close(Now());
  }
  Status Open(const TransportOptions& options);

  std::string name() const override { return std::string(kName); }
  Result<std::string> Address() override;
  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  void Wait(TimePoint deadline) override;
  void Wake() override;
  void Close(TimePoint deadline) override;

 private:
  // The state of the connection to one rank.
  struct Peer {
    int rank = -1;
    bool self = false;
    Handshake handshake;
    bool broken = false;  // MPI can't send to it
    Outbox outbox;
    Assembly assembly;
    Status status;

    bool open() const { return self || handshake.open(); }
    // As in the UCX transport: it has answered our farewell, closes itself, or is lost.
    bool parted() const {
      return self || broken || handshake.farewell_answered() ||
             (handshake.farewell_seen() && outbox.empty());
    }
  };

  Status OpenPeers(std::span<const std::string> addresses);
  Status AwaitWelcome(TimePoint deadline);
  bool Progress();
  bool SendTo(Peer* peer);
  bool ReceiveOne();
  void TakePiece(std::span<const std::byte> packed);
  void TakeData(const Piece& piece, Peer* peer);
  void TakeControl(MessageKind kind, Peer* peer);
  void Rest(TimePoint deadline);
  template <typename Done>
  bool ProgressUntil(TimePoint deadline, Done done);
  static void Fail(Peer* peer, Status status);
  static void Break(Peer* peer, const Status& status);

  Mpi mpi_;
  MpiAddress address_{};
  size_t piece_bytes_ = 0;
  int rank_ = -1;
  std::vector<Peer> peers_;
  Inbox inbox_;
  std::vector<Message> arrived_;  // received and not yet handed out by Poll
  TimePoint moved_at_ = Now();
  bool closed_ = false;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
};

Status MpiTransport::Open(const TransportOptions& options) {
  TW_ASSIGN(mpi_, Mpi::Load(options.modules));
  if (mpi_.world.threads_allowed == 0) {
    return InvalidUsage(
        "transport mpi needs MPI_THREAD_MULTIPLE: start MPI by MPI_Init_thread(&argc, &argv, "
        "MPI_THREAD_MULTIPLE, &provided), or leave starting it to Thinwire");
  }
  piece_bytes_ = std::clamp(options.mpi_piece_bytes, size_t{1}, kMaxPieceBytes);
  int tag = 0;
  TW_TRY(mpi_.Check(mpi_.calls->new_tag(&tag)));
  address_ = MpiAddress::Here(mpi_, tag);
  return {};
}

Result<std::string> MpiTransport::Address() { return PackAddress(kName, address_.Pack()); }

// --- Connect ---

Status MpiTransport::Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) {
  TW_TRY(CheckRank(rank, addresses.size()));
  if (!peers_.empty()) return InvalidUsage("Connect was called before");
  rank_ = rank;
  TW_TRY(OpenPeers(addresses));
  for (Peer& peer : peers_) {
    if (!peer.self) peer.outbox.Add(MessageKind::kHello, {}, nullptr);
  }
  return AwaitWelcome(deadline);
}

Status MpiTransport::OpenPeers(std::span<const std::string> addresses) {
  std::vector<MpiAddress> bodies;
  for (size_t r = 0; r < addresses.size(); ++r) {
    const int peer = static_cast<int>(r);
    if (peer == rank_) {
      bodies.push_back(address_);
      continue;
    }
    TW_ASSIGN(const std::string_view body, UnpackAddress(kName, addresses[r], peer));
    TW_ASSIGN(bodies.emplace_back(), MpiAddress::Unpack(body, peer, mpi_.world));
  }
  TW_ASSIGN(const std::vector<MpiPlace> places, PlacesOf(mpi_, bodies));
  std::vector<Peer> peers(places.size());
  for (size_t r = 0; r < peers.size(); ++r) {
    peers[r].rank = static_cast<int>(r);
    peers[r].self = peers[r].rank == rank_;
    peers[r].outbox = Outbox(mpi_, places[r], rank_, piece_bytes_);
  }
  TW_TRY(inbox_.Open(mpi_, places[static_cast<size_t>(rank_)]));
  peers_ = std::move(peers);
  return {};
}

Status MpiTransport::AwaitWelcome(TimePoint deadline) {
  const auto open = [](const Peer& peer) { return peer.open(); };
  ProgressUntil(deadline, [&] {
    return std::all_of(peers_.begin(), peers_.end(), open) ||
           std::any_of(peers_.begin(), peers_.end(),
                       [](const Peer& peer) { return !peer.open() && !peer.status.ok(); });
  });
  std::vector<int> missing;
  for (const Peer& peer : peers_) {
    if (peer.open()) continue;
    if (!peer.status.ok()) return peer.status.WithContext("connect");
    missing.push_back(peer.rank);
  }
  if (missing.empty()) return {};
  return TimeoutError("no answer in time from rank {}: is it running?", fmt::join(missing, ", "));
}

// --- Sending ---

Status MpiTransport::Send(int peer, std::span<const std::byte> bytes, Request* request) {
  request->state = Request::State::kFailed;
  TW_TRY(CheckPeer(peer, rank_, peers_.size()));
  if (bytes.size() > kMaxMessageBytes) {
    return InvalidArgument("a message of {} is over transport mpi's limit of {}",
                           FormatBytes(bytes.size()), FormatBytes(kMaxMessageBytes));
  }
  Peer& to = peers_[static_cast<size_t>(peer)];
  TW_TRY(to.status);
  to.outbox.Add(MessageKind::kData, bytes, request);
  SendTo(&to);
  return to.status;
}

bool MpiTransport::SendTo(Peer* peer) {
  if (peer->outbox.empty()) return false;
  const Result<bool> moved = peer->outbox.Progress();
  if (moved.ok()) return moved.value();
  Break(peer, moved.status());
  return true;
}

// --- Receiving ---

// MPI looks at its sockets only every few calls (Open MPI every eighth): nothing has come when so
// many in a row say so.
bool MpiTransport::Progress() {
  constexpr int kQuietLooks = 8;
  constexpr int kRounds = 64;  // bounds the time in here when the wire is fast
  bool moved = false;
  int quiet = 0;
  for (int i = 0; i < kRounds && quiet < kQuietLooks; ++i) {
    quiet = ReceiveOne() ? 0 : quiet + 1;
    moved |= quiet == 0;
  }
  for (Peer& peer : peers_) moved |= SendTo(&peer);
  if (moved) moved_at_ = Now();
  return moved;
}

bool MpiTransport::ReceiveOne() {
  const auto piece = inbox_.Next();
  if (!piece.ok()) {
    inbox_.Close();  // what was lost can't be told: no peer's messages are whole any more
    for (Peer& peer : peers_) Break(&peer, piece.status());
    return true;
  }
  if (!piece.value()) return false;
  TakePiece(*piece.value());
  return true;
}

void MpiTransport::TakePiece(std::span<const std::byte> packed) {
  const std::optional<Piece> piece = ParsePiece(packed);
  if (!piece || piece->source >= peers_.size() || peers_[piece->source].self) {
    TW_LOG(kWarn, "a piece of {} with an invalid header is dropped", FormatBytes(packed.size()));
    return;
  }
  Peer& peer = peers_[piece->source];
  if (piece->kind == MessageKind::kData) {
    TakeData(*piece, &peer);
  } else {
    TakeControl(piece->kind, &peer);
  }
}

void MpiTransport::TakeData(const Piece& piece, Peer* peer) {
  if (peer->broken) return;
  Result<std::unique_ptr<Message::Buffer>> message = peer->assembly.Add(piece);
  if (!message.ok()) {
    Break(peer, message.status());
  } else if (message.value() != nullptr) {
    arrived_.emplace_back(peer->rank, std::move(message).value());
  }
}

void MpiTransport::TakeControl(MessageKind kind, Peer* peer) {
  const auto answer = peer->handshake.Take(kind);
  if (kind == MessageKind::kFarewell) {
    Fail(peer, RemoteError("rank {} has closed its transport", peer->rank));
  }
  if (answer) peer->outbox.Add(*answer, {}, nullptr);
}

bool MpiTransport::Poll(std::vector<Message>* arrived) {
  const bool moved = Progress() || !arrived_.empty();
  std::move(arrived_.begin(), arrived_.end(), std::back_inserter(*arrived));
  arrived_.clear();
  return moved;
}

// --- Failure ---

// The first reason stays: what follows is its consequence.
void MpiTransport::Fail(Peer* peer, Status status) {
  peer->outbox.Drop();
  if (!peer->status.ok()) return;
  TW_LOG(kInfo, "{}", status.message());
  peer->status = std::move(status);
}

void MpiTransport::Break(Peer* peer, const Status& status) {
  if (peer->self) return;
  peer->broken = true;
  Fail(peer, RemoteError("rank {}: {}", peer->rank, status.message()));
}

Status MpiTransport::PeerStatus(int peer) const {
  TW_TRY(CheckRank(peer, peers_.size()));
  return peers_[static_cast<size_t>(peer)].status;
}

// --- Waiting ---

void MpiTransport::Wait(TimePoint deadline) {
  if (arrived_.empty()) Rest(deadline);
}

void MpiTransport::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  wake_.notify_one();
}

void MpiTransport::Rest(TimePoint deadline) {
  constexpr Duration kShortest = std::chrono::microseconds(50);
  constexpr Duration kLongest = std::chrono::milliseconds(1);
  constexpr int kShare = 64;  // of what a message took to come, at most so much is added
  for (;;) {
    const TimePoint now = Now();
    const Duration pause = std::clamp<Duration>((now - moved_at_) / kShare, kShortest, kLongest);
    {
      std::unique_lock lock(mutex_);
      const TimePoint until = now >= deadline ? now : std::min(now + pause, deadline);
      if (wake_.wait_until(lock, until, [this] { return std::exchange(woken_, false); })) return;
    }
    if (Progress() || Now() >= deadline) return;
  }
}

template <typename Done>
bool MpiTransport::ProgressUntil(TimePoint deadline, Done done) {
  for (;;) {
    if (done()) return true;
    if (Now() >= deadline) return false;
    if (!Progress()) Rest(deadline);
  }
}

// --- Close ---

// Our farewell goes behind all that waits. What a peer sends until it has answered is still taken
// off MPI's hands, so that nothing is left there; it is for nobody.
void MpiTransport::Close(TimePoint deadline) {
  closed_ = true;
  for (Peer& peer : peers_) {
    if (!peer.self && !peer.broken && !peer.handshake.farewell_seen()) {
      peer.outbox.Add(MessageKind::kFarewell, {}, nullptr);
    }
  }
  Progress();  // at least once, whatever the deadline
  ProgressUntil(deadline, [&] {
    return std::all_of(peers_.begin(), peers_.end(), [](const Peer& p) { return p.parted(); });
  });
  inbox_.Close();
  for (Peer& peer : peers_) peer.outbox.Drop();
}

}  // namespace

Result<std::unique_ptr<Transport>> MakeMpiTransport(const TransportOptions& options) {
  auto transport = std::make_unique<MpiTransport>();
  TW_TRY(transport->Open(options));
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace thinwire
