// SPDX-License-Identifier: Apache-2.0
//
// Doorway: from no connection to one whose ends know each other. Listens, asks who comes in for the
// token, and dials: the addresses of a peer in order, the next one after a short wait and beside
// those before (RFC 8305). Every connection that comes about is used, whoever dialled it, so a pair
// is joined when only one of the two can reach the other. Layer: transport.
//
// Of strangers, a fixed number of bytes is read and nothing else; how many there are and how long
// they may take is bounded. Threads: one at a time.

#ifndef THINWIRE_TRANSPORT_TCP_DOORWAY_H_
#define THINWIRE_TRANSPORT_TCP_DOORWAY_H_

#include <array>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/socket.h"
#include "base/status.h"
#include "transport/tcp/flow_tuning.h"
#include "transport/tcp/readiness.h"
#include "transport/tcp/tcp_protocol.h"
#include "transport/transport.h"

namespace thinwire {

class Doorway {
 public:
  // A connection to a peer that has proven to be it; still watched by the Readiness.
  struct Opened {
    int rank;
    Fd fd;
  };

  explicit Doorway(Readiness* readiness) : readiness_(readiness) {}

  // Listens, though nobody is let in yet.
  Status Open(const TransportOptions& options);
  const TcpAddress& address() const { return address_; }
  const FlowTuning& tuning() const { return tuning_; }

  // Lets peers in from now on. `peers` by rank; that of `rank` itself is ignored.
  Status Receive(int rank, std::vector<TcpAddress> peers);
  // Dials a peer from the given time on until there is a connection, by whichever side.
  void Seek(int rank, TimePoint from);
  // Dials `count` more connections. REQUIRES: CanDial(rank).
  void DialMore(int rank, int count);
  // Whether the last connection dialled to a peer came about.
  bool CanDial(int rank) const { return searches_[Index(rank)].reached.has_value(); }
  // Connections being dialled by DialMore.
  int dialling(int rank) const { return searches_[Index(rank)].dialling; }
  // What stood in the way of the last attempt to dial a peer; empty: nothing yet.
  const std::string& trouble(int rank) const { return searches_[Index(rank)].trouble; }

  void OnReady(Watched* watched);
  // Does what is due; next() says when to call again.
  void Tick(TimePoint now);
  TimePoint next() const { return next_; }
  std::vector<Opened> TakeOpened() { return std::exchange(opened_, {}); }

  // Dials and lets in no more. Peers that have our greeting may count on the connection: those are
  // still waited for.
  void Shut();

 private:
  // A connection that isn't open yet.
  struct Visitor : Watched {
    enum class Stage : uint8_t { kStranger, kConnecting, kGreeted, kGone };
    Visitor(Stage s, Fd f) : Watched(Kind::kVisitor), stage(s), fd(std::move(f)) {}
    Stage stage;
    Fd fd;
    int rank = -1;
    IpAddress address;  // dialled
    bool more = false;  // dialled by DialMore
    TimePoint give_up = TimePoint::max();
    std::array<std::byte, FlowGreeting::kBytes>
        bytes{};  // greeting or answer, as far as it has come
    size_t filled = 0;
  };
  // How a peer is looked for.
  struct Search {
    TcpAddress peer;
    bool seeking = false;
    size_t next = 0;  // address to try
    TimePoint at;     // when
    std::optional<IpAddress> reached;
    int dialling = 0;
    int admitted = 0;  // connections it dialled
    std::string trouble;
  };
  static size_t Index(int rank) { return static_cast<size_t>(rank); }

  void Accept();
  void Admit(Visitor* stranger);
  bool ReadIntroduction(Visitor* visitor);
  void Dial(int rank, const IpAddress& address, bool more);
  void OnConnected(Visitor* visitor);
  void OnAnswer(Visitor* visitor);
  void OnReached(Visitor* visitor);
  void OnDialFailed(Visitor* visitor, const Status& why);
  void TurnAway(Visitor* stranger, const char* why);
  void Remove(Visitor* visitor);
  void StopSeeking(int rank);
  void SeekNext(int rank, TimePoint now);

  Readiness* const readiness_;
  FlowTuning tuning_;
  TcpAddress address_;
  std::vector<IpAddress> sources_;  // to dial from; empty: any
  Watched listening_{Watched::Kind::kListener};
  Fd listener_;
  bool accepting_ = false;
  TimePoint accept_again_ = TimePoint::max();
  int rank_ = -1;
  std::vector<Search> searches_;
  std::list<Visitor> visitors_;
  std::vector<Opened> opened_;
  TimePoint next_ = TimePoint::max();
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_DOORWAY_H_
