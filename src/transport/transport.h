// SPDX-License-Identifier: Apache-2.0
//
// Transport: moves opaque messages between the ranks of one communicator. Knows nothing of frames,
// codecs or bootstrap; it yields an address blob and takes those of the others.
//
// Delivery: a message handed to Send arrives once and whole, in no promised order, or its peer is
// reported failed. Messages are eager: Send never waits for the receiver, and nothing is posted on
// the receiving side; the engine's own credits bound what is under way.
//
// Threads: one thread at a time, except Wake, which any thread may call. Ownership: the bytes of a
// Send belong to the caller again when the request is no longer pending; a Message owns its bytes.

#ifndef THINWIRE_TRANSPORT_TRANSPORT_H_
#define THINWIRE_TRANSPORT_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/socket.h"
#include "base/status.h"

namespace thinwire {

// A received message. Movable; the bytes live until it is destroyed, which must happen on the
// transport's thread and before the transport itself is destroyed.
class Message {
 public:
  // Storage of one implementation (a UCX descriptor, a vector ...), released by its destructor.
  class Buffer {
   public:
    virtual ~Buffer() = default;
    virtual std::span<std::byte> bytes() = 0;
  };

  Message() = default;
  Message(int source, std::unique_ptr<Buffer> buffer)
      : source_(source), buffer_(std::move(buffer)) {}

  int source() const { return source_; }  // rank that sent it
  std::span<std::byte> bytes() const { return buffer_ ? buffer_->bytes() : std::span<std::byte>(); }

 private:
  int source_ = -1;
  std::unique_ptr<Buffer> buffer_;
};

// One send in flight; owned by the caller, must stay in place until it is no longer pending.
struct Request {
  enum class State : uint8_t { kIdle, kPending, kDone, kFailed };
  State state = State::kIdle;
  bool pending() const { return state == State::kPending; }
};

// What a transport knows of the path to a peer from what it sent there; 0 where not said: not
// known.
struct PathFigures {
  double round_trip_seconds = 0;  // the shortest seen
  double queue_seconds = -1;      // by which it is longer of late; negative: not known
  double rate = 0;                // bytes a second delivered at best
  uint64_t packets = 0;           // sent since it was opened ...
  uint64_t packets_again = 0;     // ... of which for the second time, or a later one
};

class Transport {
 public:
  virtual ~Transport() = default;

  // "ucx", "loopback" ...; decorators add to it: "delay(loopback)".
  virtual std::string name() const = 0;

  // What the other ranks need to reach this one. Begins with the transport's name, so that ranks
  // with different transports refuse each other by name.
  virtual Result<std::string> Address() = 0;

  // Connects to every rank (addresses[r] is rank r's blob; one's own is ignored) and returns when
  // all connections are open and warm. Errors name the rank; kTimeout past the deadline.
  virtual Status Connect(int rank, std::span<const std::string> addresses, TimePoint deadline) = 0;

  // Starts sending. `request` becomes pending, or done at once. An error here is the peer's
  // failure. REQUIRES: peer is another rank; bytes stay unchanged while the request is pending.
  virtual Status Send(int peer, std::span<const std::byte> bytes, Request* request) = 0;

  // Makes progress without blocking and appends what has arrived. Returns whether anything moved.
  virtual bool Poll(std::vector<Message>* arrived) = 0;

  // Why a peer can no longer be reached; OK while it can. As of the last Poll: what a peer sent
  // before it closed is delivered first. A peer that closed in good order is reported too: whether
  // that matters only the caller knows.
  virtual Status PeerStatus(int peer) const = 0;

  // What is known of the path to a peer, as of the last Poll. Zeros where the transport can't tell.
  virtual PathFigures PathTo(int peer) const {
    (void)peer;
    return {};
  }

  // Sleeps until something may have happened, Wake was called, or the deadline passed.
  virtual void Wait(TimePoint deadline) = 0;
  virtual void Wake() = 0;

  // Delivers what was sent as far as possible within the deadline, then closes. No calls but the
  // destructor after it.
  virtual void Close(TimePoint deadline) = 0;
};

struct TransportOptions {
  std::string interface {};                   // name of the network interface to use; empty: any
  std::string modules{};                      // Env::modules
  size_t mpi_piece_bytes = size_t{12} << 10;  // Env::mpi_piece_bytes

  // What follows is for transports that have their sockets in hand.
  std::string host{};          // an address of this host to name before its interfaces' own
  PortRange ports{};           // to listen on
  IpFamily family{};           // of the addresses to name
  std::string congestion{};    // TCP congestion control; empty: bbr where there is one
  int flows = 0;               // connections to each peer; 0: as many as the path asks for
  double silence_seconds = 0;  // how long a peer may acknowledge nothing; 0: as the system has it
};

// Transports built in: "tcp", "ucx" where the build found UCX, "loopback".
std::vector<std::string_view> TransportNames();
// What "auto" stands for: "ucx" where the user has chosen networks for it (UCX_TLS), else "tcp"
// (docs/design/014-tcp-transport.md).
std::string_view DefaultTransport();
// Makes the named transport: one of these, or "mpi" where its module loads. kInvalidArgument lists
// the known names.
Result<std::unique_ptr<Transport>> MakeTransport(std::string_view name,
                                                 const TransportOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TRANSPORT_H_
