// SPDX-License-Identifier: Apache-2.0
#include "transport/sealed_transport.h"

#include <algorithm>
#include <iterator>
#include <list>
#include <optional>

#include "base/log.h"
#include "transport/buffers.h"
#include "transport/introduction.h"
#include "transport/seal.h"
#include "transport/spare_buffers.h"
#include "transport/transport_decorator.h"

namespace thinwire {
namespace {

// What a rank may send ahead of its proof. Nothing, where the proof isn't overtaken.
constexpr size_t kEarlyBytes = size_t{16} << 20;

// A message that holds a proof: the mark, then the proof.
constexpr std::string_view kProofMark = "TWPROOF1";
using ProofMessage = std::array<std::byte, 8 + kDigestBytes>;

ProofMessage MessageOf(const Digest& proof) {
  ProofMessage message;
  const auto mark = BytesOf(kProofMark);
  std::copy(proof.begin(), proof.end(), std::copy(mark.begin(), mark.end(), message.begin()));
  return message;
}

// The proof that a message holds; nullopt where it holds something else.
std::optional<Digest> ProofIn(std::span<const std::byte> message) {
  const auto mark = BytesOf(kProofMark);
  if (message.size() != sizeof(ProofMessage)) return std::nullopt;
  if (!std::equal(mark.begin(), mark.end(), message.begin())) return std::nullopt;
  Digest proof;
  std::copy(message.begin() + kProofMark.size(), message.end(), proof.begin());
  return proof;
}

std::string_view NameOf(bool encrypt) { return encrypt ? "sealed" : "proven"; }

class SealedTransport final : public TransportDecorator {
 public:
  SealedTransport(std::unique_ptr<Transport> inner, const SealOptions& options)
      : TransportDecorator(NameOf(options.encrypt), std::move(inner)), options_(options) {}
  ~SealedTransport() override;
  Status Open();

  Result<std::string> Address() override;
  Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) override;
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  void Wait(TimePoint deadline) override;
  void Close(TimePoint deadline) override;

 private:
  struct Peer {
    int rank = -1;
    Digest awaited{};  // its proof to us
    bool proven = false;
    std::vector<Message> early;  // what overtook the proof
    size_t early_bytes = 0;
    ProofMessage shown;  // our proof to it
    Request showing;
    std::optional<Sealer> sealer;  // empty: in clear
    std::optional<Opener> opener;
    Status status;
  };
  struct Outgoing {
    SpareBuffer buffer;
    Request inner;
    Request* request;  // the caller's
  };

  Result<std::string> Meet(const std::string& address, Peer* peer);
  Status CheckSealsAlike(std::string_view address, int peer) const;
  Status MakeKeys(const Introduction& theirs, const Digest& transcript, Peer* peer);
  Status AwaitProofs(TimePoint deadline);
  void Receive(Message message, std::vector<Message>* arrived);
  static void TakeEarly(Message message, Peer* peer);
  void Deliver(Message message, Peer* peer, std::vector<Message>* arrived);
  static void Fail(Peer* peer, Status status);
  bool Progress(std::vector<Message>* arrived);
  bool FinishSends();

  const SealOptions options_;
  Introduction introduction_;
  std::unique_ptr<KeyExchange> exchange_;  // null: in clear, or Connect has used it
  std::string address_;                    // as the others have it
  int rank_ = -1;
  std::vector<Peer> peers_;        // sized once: proofs are sent from there
  std::vector<Message> received_;  // of one Poll; kept for its memory
  std::vector<Message> arrived_;   // during Connect
  std::list<Outgoing> outgoing_;
  SpareBuffers spare_;
  bool closed_ = false;
};

// The inner transport reads what is being sent until it is closed.
SealedTransport::~SealedTransport() {
  if (!closed_) inner().Close(Now());
}

Status SealedTransport::Open() {
  TW_TRY(FillRandom(introduction_.nonce));
  if (!options_.encrypt) return {};
  TW_TRY(CheckSealing());
  introduction_.ciphers = CiphersHere() & options_.ciphers;
  TW_ASSIGN(exchange_, KeyExchange::Make());
  introduction_.public_key = exchange_->public_key();
  return {};
}

// --- Connect ---

Result<std::string> SealedTransport::Address() {
  if (address_.empty()) {
    TW_ASSIGN(const std::string inner_address, inner().Address());
    address_ = PackAddress(name(), introduction_.Pack() + inner_address);
  }
  return address_;
}

Status SealedTransport::Connect(int rank, std::span<const std::string> addresses,
                                TimePoint deadline) {
  TW_TRY(CheckRank(rank, addresses.size()));
  if (!peers_.empty()) return InvalidUsage("Connect was called before");
  TW_TRY(Address().status());
  rank_ = rank;
  peers_.resize(addresses.size());
  std::vector<std::string> inner_addresses(addresses.size());
  for (size_t r = 0; r < peers_.size(); ++r) {
    peers_[r].rank = static_cast<int>(r);
    peers_[r].proven = peers_[r].rank == rank;
    if (peers_[r].proven) continue;
    TW_ASSIGN(inner_addresses[r], Meet(addresses[r], &peers_[r]));
  }
  exchange_.reset();
  TW_TRY(inner().Connect(rank, inner_addresses, deadline));
  for (Peer& peer : peers_) {
    if (peer.rank != rank) TW_TRY(inner().Send(peer.rank, peer.shown, &peer.showing));
  }
  return AwaitProofs(deadline);
}

// What two ranks have to know of each other before they talk. Returns the inner address.
Result<std::string> SealedTransport::Meet(const std::string& address, Peer* peer) {
  TW_TRY(CheckSealsAlike(address, peer->rank));
  TW_ASSIGN(const std::string_view body, UnpackAddress(name(), address, peer->rank));
  TW_ASSIGN(const Introduction theirs, Introduction::Unpack(body, peer->rank));
  const Digest transcript = TranscriptOf({rank_, address_}, {peer->rank, address});
  peer->awaited = ProofOf(options_.secret, transcript, peer->rank, rank_);
  peer->shown = MessageOf(ProofOf(options_.secret, transcript, rank_, peer->rank));
  if (options_.encrypt) TW_TRY(MakeKeys(theirs, transcript, peer));
  return std::string(body.substr(Introduction::kBytes));
}

Status SealedTransport::CheckSealsAlike(std::string_view address, int peer) const {
  const std::string other = fmt::format("{}({}) ", NameOf(!options_.encrypt), inner().name());
  if (!address.starts_with(other)) return {};
  return InvalidArgument(
      "rank {} {} its messages and this rank {}: set THINWIRE_ENCRYPT alike on all ranks", peer,
      options_.encrypt ? "doesn't seal" : "seals", options_.encrypt ? "does" : "doesn't");
}

Status SealedTransport::MakeKeys(const Introduction& theirs, const Digest& transcript, Peer* peer) {
  const CipherSet common = introduction_.ciphers & theirs.ciphers & kAllCiphers;
  if (common == 0) {
    return InvalidArgument(
        "rank {} has no cipher in common with this rank: ciphers {:#x} and {:#x}", peer->rank,
        theirs.ciphers, introduction_.ciphers);
  }
  const Result<Digest> shared = exchange_->SharedWith(theirs.public_key);
  if (!shared.ok()) return shared.status().WithContext(fmt::format("rank {}", peer->rank));
  const CipherId cipher = BestOf(common);
  const auto key = [&](int from, int to) {
    return MakeCipher(cipher, KeyOf(options_.secret, transcript, shared.value(), cipher, from, to));
  };
  peer->sealer.emplace(key(rank_, peer->rank));
  peer->opener.emplace(key(peer->rank, rank_));
  return {};
}

Status SealedTransport::AwaitProofs(TimePoint deadline) {
  for (;;) {
    const bool moved = Progress(&arrived_);
    std::vector<int> missing;
    for (const Peer& peer : peers_) {
      TW_TRY(peer.status);
      const Status reachable = inner().PeerStatus(peer.rank);
      if (!peer.proven) TW_TRY(reachable.WithContext("connect"));
      const bool showing = peer.showing.pending() && reachable.ok();
      if (!peer.proven || showing) missing.push_back(peer.rank);
    }
    if (missing.empty()) return {};
    if (Now() >= deadline) {
      return TimeoutError(
          "rank {} did not prove in time that it has this communicator's unique id: is it running, "
          "and reachable from here?",
          fmt::join(missing, ", "));
    }
    if (!moved) inner().Wait(deadline);
  }
}

// --- Sending ---

// To a peer whose messages are refused, too: it should learn why.
Status SealedTransport::Send(int peer, std::span<const std::byte> bytes, Request* request) {
  request->state = Request::State::kFailed;
  TW_TRY(CheckPeer(peer, rank_, peers_.size()));
  Peer& to = peers_[static_cast<size_t>(peer)];
  if (!to.sealer.has_value()) return inner().Send(peer, bytes, request);

  Outgoing& sending = outgoing_.emplace_back();
  const size_t size = bytes.size() + kSealBytes;
  sending.buffer = spare_.Take(size);
  sending.request = request;
  Status sent = to.sealer->Seal(bytes, sending.buffer.bytes.get());
  if (sent.ok()) sent = inner().Send(peer, {sending.buffer.bytes.get(), size}, &sending.inner);
  if (sent.ok()) request->state = sending.inner.state;
  if (request->pending()) return {};
  spare_.Give(std::move(sending.buffer));
  outgoing_.pop_back();
  return sent;
}

// Whether any came to its end.
bool SealedTransport::FinishSends() {
  bool finished = false;
  for (auto sending = outgoing_.begin(); sending != outgoing_.end();) {
    if (sending->inner.pending()) {
      ++sending;
      continue;
    }
    sending->request->state = sending->inner.state;
    spare_.Give(std::move(sending->buffer));
    sending = outgoing_.erase(sending);
    finished = true;
  }
  return finished;
}

// --- Receiving ---

bool SealedTransport::Poll(std::vector<Message>* arrived) {
  bool moved = !arrived_.empty();
  std::move(arrived_.begin(), arrived_.end(), std::back_inserter(*arrived));
  arrived_.clear();
  moved |= Progress(arrived);
  return moved;
}

bool SealedTransport::Progress(std::vector<Message>* arrived) {
  bool moved = inner().Poll(&received_);
  for (Message& message : received_) Receive(std::move(message), arrived);
  received_.clear();
  moved |= FinishSends();
  return moved;
}

void SealedTransport::Receive(Message message, std::vector<Message>* arrived) {
  if (!CheckPeer(message.source(), rank_, peers_.size()).ok()) return;
  Peer* const peer = &peers_[static_cast<size_t>(message.source())];
  if (!peer->status.ok()) return;  // nothing of it is believed any more
  if (peer->proven) return Deliver(std::move(message), peer, arrived);
  const std::optional<Digest> proof = ProofIn(message.bytes());
  if (!proof.has_value()) return TakeEarly(std::move(message), peer);
  if (!SameDigest(*proof, peer->awaited)) {
    return Fail(peer, RemoteError("rank {} does not prove that it has this communicator's unique "
                                  "id: is it of another one, or does somebody interfere?",
                                  peer->rank));
  }
  peer->proven = true;
  for (Message& early : std::exchange(peer->early, {})) Deliver(std::move(early), peer, arrived);
}

void SealedTransport::TakeEarly(Message message, Peer* peer) {
  peer->early_bytes += message.bytes().size();
  if (peer->early_bytes > kEarlyBytes) {
    return Fail(peer,
                RemoteError("rank {} sends and does not prove that it has this communicator's "
                            "unique id",
                            peer->rank));
  }
  peer->early.push_back(std::move(message));
}

void SealedTransport::Deliver(Message message, Peer* peer, std::vector<Message>* arrived) {
  if (!peer->opener.has_value()) return arrived->push_back(std::move(message));
  if (!peer->status.ok()) return;
  const Result<size_t> size = peer->opener->Open(message.bytes());
  if (size.ok()) return arrived->push_back(Trimmed(std::move(message), size.value()));
  Fail(peer, size.status().WithContext(
                 fmt::format("a sealed message from rank {} is refused", peer->rank)));
}

void SealedTransport::Fail(Peer* peer, Status status) {
  TW_LOG(kInfo, "{}", status.message());
  peer->status = std::move(status);
  peer->early.clear();
}

// A refusal comes before what followed from it.
Status SealedTransport::PeerStatus(int peer) const {
  const auto index = static_cast<size_t>(peer);
  if (index < peers_.size()) TW_TRY(peers_[index].status);
  return inner().PeerStatus(peer);
}

void SealedTransport::Wait(TimePoint deadline) {
  if (arrived_.empty()) inner().Wait(deadline);
}

void SealedTransport::Close(TimePoint deadline) {
  closed_ = true;
  inner().Close(deadline);
}

}  // namespace

Result<std::unique_ptr<Transport>> MakeSealedTransport(std::unique_ptr<Transport> inner,
                                                       const SealOptions& options) {
  auto transport = std::make_unique<SealedTransport>(std::move(inner), options);
  TW_TRY(transport->Open());
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace thinwire
