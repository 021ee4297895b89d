// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/root.h"

#include <fmt/ranges.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "base/log.h"
#include "base/units.h"

namespace thinwire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kStrangerPatience = seconds(5);  // from connection to a complete hello
constexpr auto kClosingPatience = seconds(5);   // to take in what it is told
// A failed rendezvous keeps listening for so long to tell late ranks why.
constexpr auto kFailureNotice = seconds(60);
constexpr auto kWarningInterval = seconds(1);
constexpr auto kAcceptPause = milliseconds(100);  // when out of descriptors
constexpr std::ptrdiff_t kMaxStrangers = 1024;
constexpr size_t kMaxListedRanks = 16;

// How long before the ranks' own deadline the root speaks up, so that its text, which names the
// missing ranks, arrives in time over a long link.
Duration Margin(Duration budget) { return std::min<Duration>(budget / 8, seconds(2)); }

}  // namespace

Root::Root(Fd listener, const Secret& secret, std::optional<std::set<int>> awaited)
    : listener_(std::move(listener)), secret_(secret), awaited_(std::move(awaited)) {}

void Root::Run(int stop_fd) {
  bool stop = false;
  while (!stop && (listener_.open() || !peers_.empty())) {
    PollOnce(stop_fd, &stop);
    ExpireDeadlines();
    std::erase_if(peers_, [](const auto& peer) { return peer->state == PeerState::kGone; });
  }
}

// ---- Sockets ------------------------------------------------------------------------------------

void Root::PollOnce(int stop_fd, bool* stop) {
  const bool accepting = listener_.open() && Now() >= accept_again_;
  polled_ = {{stop_fd, POLLIN, 0}, {accepting ? listener_.get() : -1, POLLIN, 0}};
  for (const auto& peer : peers_) {
    const int events = POLLIN | (peer->unsent.empty() ? 0 : POLLOUT);
    polled_.push_back({peer->fd.get(), static_cast<short>(events), 0});
  }
  if (poll(polled_.data(), polled_.size(), PollTimeout(NextDeadline())) <= 0) return;
  *stop = polled_[0].revents != 0;
  // Handlers close peers and never remove any, so the order of peers_ is that of polled_.
  for (size_t i = 2; i < polled_.size(); ++i) {
    Peer& peer = *peers_[i - 2];
    if ((polled_[i].revents & POLLOUT) != 0 && peer.fd.open()) Flush(peer);
    if ((polled_[i].revents & ~POLLOUT) != 0 && peer.fd.open()) Receive(peer);
  }
  if (polled_[1].revents != 0 && listener_.open()) AcceptAll();
}

void Root::AcceptAll() {
  for (;;) {
    Fd fd = Accept(listener_.get());
    if (!fd.open()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno != EAGAIN) accept_again_ = Now() + kAcceptPause;
      return;
    }
    const auto is_stranger = [](const auto& p) { return p->state == PeerState::kStranger; };
    if (std::count_if(peers_.begin(), peers_.end(), is_stranger) >= kMaxStrangers) {
      TurnAway(**std::find_if(peers_.begin(), peers_.end(), is_stranger), "too many strangers");
    }
    auto peer = std::make_unique<Peer>();
    peer->name = PeerText(fd.get());
    peer->fd = std::move(fd);
    peer->give_up = Now() + kStrangerPatience;
    if (!FillRandom(peer->nonce).ok()) return;
    const auto greeting = PackGreeting({.nonce = peer->nonce});
    Send(*peer, std::make_shared<const std::string>(reinterpret_cast<const char*>(greeting.data()),
                                                    greeting.size()));
    peers_.push_back(std::move(peer));
  }
}

void Root::Receive(Peer& peer) {
  char buffer[16384];
  const ssize_t got = recv(peer.fd.get(), buffer, sizeof(buffer), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    OnGone(peer);
  } else if (peer.state != PeerState::kClosing) {  // what a closing peer still says is dropped
    peer.received.append(buffer, static_cast<size_t>(got));
    Consume(peer);
  }
}

void Root::Flush(Peer& peer) {
  while (!peer.unsent.empty()) {
    const std::string_view rest = std::string_view(*peer.unsent[0]).substr(peer.unsent_offset);
    const ssize_t sent = send(peer.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0) return;  // EAGAIN, or broken: then the next read says so
    peer.unsent_offset += static_cast<size_t>(sent);
    if (peer.unsent_offset == peer.unsent[0]->size()) {
      peer.unsent.pop_front();
      peer.unsent_offset = 0;
    }
  }
  // The end of the stream tells the peer to hang up; reading on until it does keeps the kernel from
  // dropping the error text together with the connection.
  if (peer.state == PeerState::kClosing) shutdown(peer.fd.get(), SHUT_WR);
}

void Root::Send(Peer& peer, std::shared_ptr<const std::string> message) {
  peer.unsent.push_back(std::move(message));
  Flush(peer);
}

void Root::Close(Peer& peer, const Status& error) {
  peer.state = PeerState::kClosing;
  peer.give_up = Now() + kClosingPatience;
  Send(peer, std::make_shared<const std::string>(PackFailed(error)));
}

TimePoint Root::NextDeadline() const {
  TimePoint next = std::min(round_deadline_, failure_forgotten_);
  for (const auto& peer : peers_) next = std::min(next, peer->give_up);
  if (Now() < accept_again_) next = std::min(next, accept_again_);
  return next;
}

void Root::ExpireDeadlines() {
  const TimePoint now = Now();
  for (const auto& peer : peers_) {
    if (now < peer->give_up) continue;
    if (peer->state == PeerState::kStranger) TurnAway(*peer, "it did not introduce itself");
    if (peer->state == PeerState::kClosing) Forget(*peer);
  }
  if (now >= round_deadline_ && awaited_) {
    FinishWithoutMissing();
  } else if (now >= round_deadline_) {
    Fail(
        TimeoutError("{} of {} did not {} within {}; look at their logs, or raise "
                     "THINWIRE_CONNECT_TIMEOUT if they are only slow",
                     MissingRanks(), nranks_, RoundName(),
                     FormatSeconds(std::ceil(10 * round_budget_seconds_) / 10)));
  }
  if (now >= failure_forgotten_) {
    listener_.Close();
    failure_forgotten_ = TimePoint::max();
  }
}

// ---- What peers say -----------------------------------------------------------------------------

void Root::Consume(Peer& peer) {
  while (peer.state == PeerState::kStranger || peer.state == PeerState::kMember) {
    const auto bytes = BytesOf(peer.received);
    if (peer.state == PeerState::kStranger) {
      if (bytes.size() >= sizeof(kRendezvousMagic) &&
          LoadLittle<uint32_t>(bytes.data()) != kRendezvousMagic) {
        return TurnAway(peer, "it speaks another protocol");
      }
      if (bytes.size() < Hello::kBytes) return;
      OnHello(peer, bytes.first<Hello::kBytes>());
      peer.received.erase(0, Hello::kBytes);
      continue;
    }
    if (bytes.size() < MessageHeader::kBytes) return;
    const MessageHeader header = ParseMessageHeader(bytes.first<MessageHeader::kBytes>());
    if (header.length > MaxBody(header.type).value_or(0)) {
      return Fail(
          RemoteError("rank {} ({}) sent the root a message of type {} and {} bytes, which "
                      "is over the limit",
                      peer.rank, peer.name, static_cast<uint32_t>(header.type), header.length));
    }
    if (bytes.size() - MessageHeader::kBytes < header.length) return;
    const std::string body = peer.received.substr(MessageHeader::kBytes, header.length);
    peer.received.erase(0, MessageHeader::kBytes + header.length);
    OnMessage(peer, header.type, body);
  }
}

void Root::Forget(Peer& peer) {
  peer.state = PeerState::kGone;
  peer.fd.Close();
  if (peer.rank >= 0) members_[static_cast<size_t>(peer.rank)] = nullptr;
}

void Root::TurnAway(Peer& peer, std::string_view why) {
  Forget(peer);
  ++unlogged_strangers_;
  if (Now() < next_warning_) return;
  TW_LOG(kWarn, "rendezvous: turned away {}: {} ({} turned away since the last such line)",
         peer.name, why, unlogged_strangers_);
  next_warning_ = Now() + kWarningInterval;
  unlogged_strangers_ = 0;
}

void Root::OnHello(Peer& peer, std::span<const std::byte, Hello::kBytes> bytes) {
  if (!HelloProven(bytes, secret_, peer.nonce)) {
    Send(peer, std::make_shared<const std::string>(PackFailed(InvalidArgument(
                   "the secret of this rank's unique id is not that of the root"))));
    return TurnAway(peer, "its secret is wrong");
  }
  const Hello hello = ParseHello(bytes);
  // A rank that has heard of the failure tries anew: let it, with the next root on this port.
  if (!failure_.ok() && !told_.insert(hello.rank).second) return Forget(peer);
  const Digest proof = RootProof(secret_, peer.nonce, hello.nonce);
  Send(peer,
       std::make_shared<const std::string>(PackMessage(
           MessageType::kAccepted, {reinterpret_cast<const char*>(proof.data()), proof.size()})));
  if (!failure_.ok()) return Close(peer, failure_);
  if (Status error = CheckHello(hello); !error.ok()) {
    Fail(error.WithContext(fmt::format("rank {} ({})", hello.rank, peer.name)));
    return Close(peer, failure_);
  }
  nranks_ = static_cast<int>(hello.nranks);
  members_.resize(hello.nranks);
  members_[static_cast<size_t>(hello.rank)] = &peer;
  peer.rank = hello.rank;
  peer.state = PeerState::kMember;
  peer.give_up = TimePoint::max();
  Contribute(peer, "", hello.budget_ms);
}

Status Root::CheckHello(const Hello& hello) const {
  if (hello.version != kWireVersion) {
    return InvalidUsage(
        "it speaks wire version {}, the root speaks {}; install the same release "
        "on every rank",
        hello.version, kWireVersion);
  }
  if (hello.nranks < 1 || hello.nranks > kMaxRanks) {
    return InvalidArgument("it says there are {} ranks; 1 to {} are possible", hello.nranks,
                           kMaxRanks);
  }
  if (nranks_ != 0 && hello.nranks != static_cast<uint32_t>(nranks_)) {
    return InvalidArgument("it says there are {} ranks, others said {}", hello.nranks, nranks_);
  }
  if (hello.rank < 0 || static_cast<uint32_t>(hello.rank) >= hello.nranks) {
    return InvalidArgument("its rank is out of range for {} ranks", hello.nranks);
  }
  if (nranks_ != 0) {
    if (const Peer* other = members_[static_cast<size_t>(hello.rank)]; other != nullptr) {
      return InvalidArgument("this rank is taken: {} joined with it before", other->name);
    }
  }
  return {};
}

void Root::OnMessage(Peer& peer, MessageType type, std::string_view body) {
  const bool in_turn = round_ > 0 && !peer.left;
  if (type == MessageType::kLeave && in_turn) {
    peer.left = true;
    return FailIfSomeLeft();
  }
  if (type != MessageType::kBlob || body.size() < sizeof(uint32_t) || !in_turn ||
      peer.contribution.has_value()) {
    return Fail(RemoteError("rank {} ({}) sent the root a message of type {} out of turn",
                            peer.rank, peer.name, static_cast<uint32_t>(type)));
  }
  Contribute(peer, std::string(body.substr(sizeof(uint32_t))),
             LoadLittle<uint32_t>(BytesOf(body).data()));
}

void Root::OnGone(Peer& peer) {
  if (peer.state == PeerState::kStranger) return TurnAway(peer, "it hung up");
  const bool lost = peer.state == PeerState::kMember && !peer.left;
  if (lost && peer.contribution.has_value()) --contributions_;
  Forget(peer);
  if (lost && awaited_) {
    awaited_->erase(peer.rank);
    if (contributions_ > 0 && RoundIsWhole()) FinishRound();
  } else if (lost) {
    Fail(RemoteError("rank {} ({}) went away before all ranks could {}", peer.rank, peer.name,
                     RoundName()));
  }
}

// ---- Rounds -------------------------------------------------------------------------------------

void Root::Contribute(Peer& peer, std::string contribution, uint32_t budget_ms) {
  peer.contribution = std::move(contribution);
  const Duration budget = milliseconds(budget_ms);
  if (const TimePoint deadline = Now() + budget - Margin(budget); deadline < round_deadline_) {
    round_deadline_ = deadline;
    round_budget_seconds_ = ToSeconds(budget);
  }
  ++contributions_;
  FailIfSomeLeft();
  if (failure_.ok() && RoundIsWhole()) FinishRound();
}

bool Root::RoundIsWhole() const {
  if (!awaited_) return contributions_ == nranks_;
  if (round_ > 0) {
    return std::all_of(members_.begin(), members_.end(), [](const Peer* member) {
      return member == nullptr || member->contribution.has_value();
    });
  }
  return std::all_of(awaited_->begin(), awaited_->end(), [this](int rank) {
    return rank < nranks_ && members_[static_cast<size_t>(rank)] != nullptr;
  });
}

void Root::FinishWithoutMissing() {
  for (const auto& peer : peers_) {
    if (peer->state == PeerState::kMember && !peer->contribution.has_value()) Forget(*peer);
  }
  FinishRound();
}

void Root::FinishRound() {
  std::string reply;
  if (round_ == 0) {
    listener_.Close();  // before anybody is told, so that the port is free for a next rendezvous
    for (const auto& peer : peers_) {
      if (peer->state == PeerState::kStranger) TurnAway(*peer, "all ranks have joined");
    }
    reply = PackMessage(MessageType::kReady, "");
  } else {
    std::vector<std::string> blobs;
    size_t total = 0;
    for (Peer* member : members_) {
      blobs.push_back(member == nullptr ? std::string() : *std::move(member->contribution));
      total += sizeof(uint32_t) + blobs.back().size();
    }
    if (total > kMaxExchangeBytes) {
      return Fail(
          InvalidArgument("exchange {}: the ranks' blobs have {} bytes together, the limit "
                          "is {}",
                          round_, total, kMaxExchangeBytes));
    }
    reply = PackBlobs(blobs);
  }
  ++round_;
  contributions_ = 0;
  round_deadline_ = TimePoint::max();
  const auto shared = std::make_shared<const std::string>(std::move(reply));
  for (Peer* member : members_) {
    if (member == nullptr) continue;
    member->contribution.reset();
    Send(*member, shared);
  }
}

// A round that somebody waits in can't finish without those who have left.
void Root::FailIfSomeLeft() {
  if (awaited_ || round_ == 0 || contributions_ == 0 || !failure_.ok()) return;
  std::vector<int> left;
  for (int rank = 0; rank < nranks_; ++rank) {
    const Peer* member = members_[static_cast<size_t>(rank)];
    if (member == nullptr || member->left) left.push_back(rank);
  }
  if (left.empty()) return;
  Fail(RemoteError("rank {} has left the rendezvous and can't {}", fmt::join(left, ","),
                   RoundName()));
}

std::string Root::MissingRanks() const {
  std::vector<size_t> missing;
  size_t count = 0;
  for (size_t rank = 0; rank < members_.size(); ++rank) {
    if (members_[rank] != nullptr && members_[rank]->contribution.has_value()) continue;
    if (++count <= kMaxListedRanks) missing.push_back(rank);
  }
  return fmt::format(
      "rank{} {}{}", count == 1 ? "" : "s", fmt::join(missing, ","),
      count > kMaxListedRanks ? fmt::format(" and {} more", count - missing.size()) : "");
}

std::string Root::RoundName() const {
  return round_ == 0 ? "join" : fmt::format("take part in exchange {}", round_);
}

void Root::Fail(const Status& error) {
  if (!failure_.ok()) return;
  failure_ = error.WithContext("rendezvous");
  failed_.store(true, std::memory_order_release);
  TW_LOG(kWarn, "{}", failure_.message());
  round_deadline_ = TimePoint::max();
  if (listener_.open()) failure_forgotten_ = Now() + kFailureNotice;
  for (const auto& peer : peers_) {
    if (peer->state != PeerState::kMember) continue;
    told_.insert(peer->rank);
    Close(*peer, failure_);
  }
}

}  // namespace thinwire
