// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/doorway.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace thinwire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kStrangerPatience = seconds(5);  // from connection to a complete greeting
constexpr std::ptrdiff_t kMaxStrangers = 256;
constexpr auto kAddressInterval = milliseconds(250);  // RFC 8305 recommends it
constexpr auto kSearchInterval = seconds(1);          // from the last address to the first again
constexpr auto kAcceptPause = milliseconds(100);      // when out of descriptors
// Each side of a pair opens at most kMaxFlows.
constexpr int kMaxAdmitted = 2 * kMaxFlows;

// The whole of it or an error: what is sent first always fits the socket's buffer.
Status SendFirst(int fd, std::span<const std::byte> bytes) {
  const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return {};
  return SystemErrno("send");
}

}  // namespace

Status Doorway::Open(const TransportOptions& options) {
  TW_ASSIGN(tuning_, FlowTuning::Choose(options));
  TW_ASSIGN(listener_, Listen(nullptr, options.ports));
  TW_ASSIGN(address_.port, LocalPort(listener_.get()));
  address_.token = MakeToken();
  if (!options.host.empty()) {
    TW_ASSIGN(address_.addresses, ResolveHost(options.host, kMaxTcpAddresses / 2));
  }
  TW_ASSIGN(const std::vector<IpAddress> own,
            LocalAddresses(options.interface, kMaxTcpAddresses - address_.addresses.size(),
                           options.family));
  address_.addresses.insert(address_.addresses.end(), own.begin(), own.end());
  if (!options.interface.empty()) sources_ = own;
  return {};
}

Status Doorway::Receive(int rank, std::vector<TcpAddress> peers) {
  rank_ = rank;
  searches_.resize(peers.size());
  for (size_t r = 0; r < peers.size(); ++r) searches_[r].peer = std::move(peers[r]);
  accepting_ = true;
  return readiness_->Add(listener_.get(), EPOLLIN, &listening_);
}

// ---- Who comes in -------------------------------------------------------------------------------

void Doorway::Accept() {
  while (accepting_) {
    Fd fd = thinwire::Accept(listener_.get());
    if (!fd.open()) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EAGAIN) return;
      TW_LOG(kWarn, "{}; raise the limit on open files (ulimit -n)",
             SystemErrno("accept").message());
      readiness_->Change(listener_.get(), 0, &listening_);
      accept_again_ = Now() + kAcceptPause;
      next_ = std::min(next_, accept_again_);
      return;
    }
    const auto strange = [](const Visitor& v) { return v.stage == Visitor::Stage::kStranger; };
    if (std::count_if(visitors_.begin(), visitors_.end(), strange) >= kMaxStrangers) {
      TurnAway(&*std::find_if(visitors_.begin(), visitors_.end(), strange), "too many strangers");
    }
    Visitor& visitor = visitors_.emplace_back(Visitor::Stage::kStranger, std::move(fd));
    visitor.give_up = Now() + kStrangerPatience;
    next_ = std::min(next_, visitor.give_up);
    if (!readiness_->Add(visitor.fd.get(), EPOLLIN, &visitor).ok()) Remove(&visitor);
  }
}

// Reads no byte beyond: what follows belongs to the flow.
bool Doorway::ReadIntroduction(Visitor* visitor) {
  const std::span<std::byte> rest = std::span(visitor->bytes).subspan(visitor->filled);
  const ssize_t got = recv(visitor->fd.get(), rest.data(), rest.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    const Status why = got == 0 ? RemoteError("who listens there hung up") : SystemErrno("recv");
    visitor->stage == Visitor::Stage::kStranger ? TurnAway(visitor, "it hung up")
                                                : OnDialFailed(visitor, why);
    return false;
  }
  visitor->filled += static_cast<size_t>(got);
  return visitor->filled == visitor->bytes.size();
}

void Doorway::Admit(Visitor* stranger) {
  const std::optional<FlowGreeting> greeting = ParseFlowGreeting(stranger->bytes);
  if (!greeting) return TurnAway(stranger, "it speaks another protocol");
  if (!SameToken(greeting->token, address_.token)) return TurnAway(stranger, "its token is wrong");
  const bool peer = greeting->rank >= 0 && Index(greeting->rank) < searches_.size();
  if (!peer || greeting->rank == rank_) return TurnAway(stranger, "it is no peer");
  Search& search = searches_[Index(greeting->rank)];
  if (search.admitted == kMaxAdmitted) return TurnAway(stranger, "it has too many connections");
  tuning_.Apply(stranger->fd.get());
  if (!SendFirst(stranger->fd.get(), PackFlowAnswer({.token = search.peer.token})).ok()) {
    return TurnAway(stranger, "it hung up");
  }
  ++search.admitted;
  opened_.push_back({greeting->rank, std::move(stranger->fd)});
  Remove(stranger);
  StopSeeking(greeting->rank);
}

void Doorway::TurnAway(Visitor* stranger, const char* why) {
  TW_LOG(kInfo, "rank {}: turned away {}: {}", rank_, PeerText(stranger->fd.get()), why);
  Remove(stranger);
}

// Only marked: what is ready may still point here. Tick takes it out.
void Doorway::Remove(Visitor* visitor) {
  visitor->fd.Close();
  visitor->stage = Visitor::Stage::kGone;
  next_ = TimePoint::min();
}

// ---- Dialling -----------------------------------------------------------------------------------

void Doorway::Seek(int rank, TimePoint from) {
  Search& search = searches_[Index(rank)];
  search.seeking = true;
  search.at = from;
  next_ = std::min(next_, from);
}

void Doorway::DialMore(int rank, int count) {
  const IpAddress address = *searches_[Index(rank)].reached;
  for (int i = 0; i < count && CanDial(rank); ++i) Dial(rank, address, true);
}

void Doorway::Dial(int rank, const IpAddress& address, bool more) {
  Search& search = searches_[Index(rank)];
  Visitor& visitor = visitors_.emplace_back(Visitor::Stage::kConnecting, Fd());
  visitor.rank = rank;
  visitor.address = address;
  visitor.more = more;
  search.dialling += more;
  const auto source = std::find_if(sources_.begin(), sources_.end(),
                                   [&](const IpAddress& s) { return s.ipv6 == address.ipv6; });
  Result<Fd> fd =
      StartConnect(address, search.peer.port, source == sources_.end() ? nullptr : &*source);
  if (!fd.ok()) return OnDialFailed(&visitor, fd.status());
  visitor.fd = std::move(fd).value();
  tuning_.Apply(visitor.fd.get());
  const Status added = readiness_->Add(visitor.fd.get(), EPOLLOUT, &visitor);
  if (!added.ok()) OnDialFailed(&visitor, added);
}

void Doorway::OnConnected(Visitor* visitor) {
  Status status = ConnectOutcome(visitor->fd.get());
  const FlowGreeting greeting = {.rank = rank_,
                                 .token = searches_[Index(visitor->rank)].peer.token};
  if (status.ok()) status = SendFirst(visitor->fd.get(), PackFlowGreeting(greeting));
  if (!status.ok()) return OnDialFailed(visitor, status);
  visitor->stage = Visitor::Stage::kGreeted;
  readiness_->Change(visitor->fd.get(), EPOLLIN, visitor);
}

void Doorway::OnAnswer(Visitor* visitor) {
  const std::optional<FlowAnswer> answer = ParseFlowAnswer(visitor->bytes);
  if (!answer || !SameToken(answer->token, address_.token)) {
    return OnDialFailed(visitor, RemoteError("who listens there is no transport of this group"));
  }
  OnReached(visitor);
}

void Doorway::OnReached(Visitor* visitor) {
  Search& search = searches_[Index(visitor->rank)];
  search.reached = visitor->address;
  search.dialling -= visitor->more;
  opened_.push_back({visitor->rank, std::move(visitor->fd)});
  Remove(visitor);
  StopSeeking(visitor->rank);
}

void Doorway::OnDialFailed(Visitor* visitor, const Status& why) {
  Search& search = searches_[Index(visitor->rank)];
  search.trouble = why.WithContext(AddressText(visitor->address, search.peer.port)).message();
  TW_LOG(kInfo, "rank {}: dialling rank {}: {}", rank_, visitor->rank, search.trouble);
  search.dialling -= visitor->more;
  if (visitor->more) search.reached.reset();
  if (search.seeking && search.next > 0) search.at = TimePoint::min();  // no need to wait for it
  Remove(visitor);
}

void Doorway::SeekNext(int rank, TimePoint now) {
  Search& search = searches_[Index(rank)];
  const size_t count = search.peer.addresses.size();
  if (count == 0) return StopSeeking(rank);
  const IpAddress address = search.peer.addresses[search.next];
  search.next = (search.next + 1) % count;
  search.at = now + (search.next == 0 ? Duration(kSearchInterval) : Duration(kAddressInterval));
  Dial(rank, address, false);
}

// Attempts that the peer may already have admitted go on.
void Doorway::StopSeeking(int rank) {
  searches_[Index(rank)].seeking = false;
  for (Visitor& visitor : visitors_) {
    if (visitor.rank == rank && !visitor.more && visitor.stage == Visitor::Stage::kConnecting) {
      Remove(&visitor);
    }
  }
}

// ---- Events -------------------------------------------------------------------------------------

void Doorway::OnReady(Watched* watched) {
  if (watched->kind == Watched::Kind::kListener) return Accept();
  auto* const visitor = static_cast<Visitor*>(watched);
  switch (visitor->stage) {
    case Visitor::Stage::kStranger:
      if (ReadIntroduction(visitor)) Admit(visitor);
      break;
    case Visitor::Stage::kConnecting:
      OnConnected(visitor);
      break;
    case Visitor::Stage::kGreeted:
      if (ReadIntroduction(visitor)) OnAnswer(visitor);
      break;
    case Visitor::Stage::kGone:
      break;
  }
}

void Doorway::Tick(TimePoint now) {
  if (now < next_) return;
  for (Visitor& visitor : visitors_) {
    if (visitor.stage == Visitor::Stage::kStranger && now >= visitor.give_up) {
      TurnAway(&visitor, "it did not introduce itself");
    }
  }
  for (size_t rank = 0; rank < searches_.size(); ++rank) {
    if (searches_[rank].seeking && now >= searches_[rank].at) SeekNext(static_cast<int>(rank), now);
  }
  if (now >= accept_again_) {
    accept_again_ = TimePoint::max();
    if (accepting_) readiness_->Change(listener_.get(), EPOLLIN, &listening_);
  }
  visitors_.remove_if([](const Visitor& v) { return v.stage == Visitor::Stage::kGone; });
  next_ = accept_again_;
  for (const Visitor& visitor : visitors_) next_ = std::min(next_, visitor.give_up);
  for (const Search& search : searches_) {
    if (search.seeking) next_ = std::min(next_, search.at);
  }
}

void Doorway::Shut() {
  accepting_ = false;
  listener_.Close();
  for (Search& search : searches_) search.seeking = false;
  for (Visitor& visitor : visitors_) {
    if (visitor.stage != Visitor::Stage::kGreeted) Remove(&visitor);
  }
}

}  // namespace thinwire
