// SPDX-License-Identifier: Apache-2.0
//
// Root: the listening side of one rendezvous. A single poll loop over all connections: it greets
// whoever comes, turns strangers away, gathers the ranks, relays their exchanges, and tells every
// rank what went wrong if something did. Layer `bootstrap`. Owned by the one thread that calls Run.
//
// Joining and each exchange are the same thing, a round: every rank contributes once, the reply
// goes to all when the last has, and the earliest deadline of the contributors ends the wait: with
// an error, or, where ranks may be missing, without those that are.

#ifndef THINWIRE_BOOTSTRAP_ROOT_H_
#define THINWIRE_BOOTSTRAP_ROOT_H_

#include <poll.h>

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "bootstrap/protocol.h"
#include "base/socket.h"

namespace thinwire {

class Root {
 public:
  // `awaited`: as in RendezvousServer::StartOn.
  Root(Fd listener, const Secret& secret, std::optional<std::set<int>> awaited = {});

  // Until all ranks have left, or `stop_fd` becomes readable.
  void Run(int stop_fd);
  // Has nothing to do but tell late ranks why. From any thread.
  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  enum class PeerState {
    kStranger,  // greeted; its hello is awaited
    kMember,    // has proven the secret and holds a rank
    kClosing,   // is told an error and then closed
    kGone,      // to be forgotten
  };
  struct Peer {
    Fd fd;
    std::string name;  // address and port
    PeerState state = PeerState::kStranger;
    Nonce nonce{};
    TimePoint give_up = TimePoint::max();  // for strangers and closing peers
    int rank = -1;
    bool left = false;                        // said kLeave
    std::optional<std::string> contribution;  // to the current round
    std::string received;
    std::deque<std::shared_ptr<const std::string>> unsent;
    size_t unsent_offset = 0;  // into the first
  };

  // Sockets.
  void PollOnce(int stop_fd, bool* stop);
  void AcceptAll();
  void Receive(Peer& peer);
  void Flush(Peer& peer);
  void Send(Peer& peer, std::shared_ptr<const std::string> message);
  void Close(Peer& peer, const Status& error);
  TimePoint NextDeadline() const;
  void ExpireDeadlines();

  // What peers say.
  void Consume(Peer& peer);
  void Forget(Peer& peer);
  void TurnAway(Peer& peer, std::string_view why);
  void OnHello(Peer& peer, std::span<const std::byte, Hello::kBytes> bytes);
  Status CheckHello(const Hello& hello) const;
  void OnMessage(Peer& peer, MessageType type, std::string_view body);
  void OnGone(Peer& peer);

  // Rounds.
  void Contribute(Peer& peer, std::string contribution, uint32_t budget_ms);
  bool RoundIsWhole() const;
  void FinishRound();
  void FinishWithoutMissing();
  void FailIfSomeLeft();
  std::string MissingRanks() const;
  std::string RoundName() const;
  void Fail(const Status& error);

  Fd listener_;
  TimePoint accept_again_ = TimePoint::min();
  Secret secret_;
  std::optional<std::set<int>> awaited_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<pollfd> polled_;  // the stop event, the listener, then as peers_
  int nranks_ = 0;              // 0 until the first joiner has said
  std::vector<Peer*> members_;  // by rank; null where nobody has joined
  int round_ = 0;               // 0 gathers the ranks, others are exchanges
  int contributions_ = 0;       // to this round
  TimePoint round_deadline_ = TimePoint::max();
  double round_budget_seconds_ = 0;  // of the rank with the earliest deadline
  Status failure_;
  std::atomic<bool> failed_ = false;
  std::set<int> told_;  // ranks that have heard of failure_
  TimePoint failure_forgotten_ = TimePoint::max();
  TimePoint next_warning_ = TimePoint::min();
  int unlogged_strangers_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_ROOT_H_
