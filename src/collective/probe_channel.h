// SPDX-License-Identifier: Apache-2.0
//
// ProbeChannel: how a rank exchanges probe notes (wire/probe_note.h) with its peers before its
// engine runs. Frames of ranks whose engine runs already are put aside. Layer: collective.

#ifndef THINWIRE_COLLECTIVE_PROBE_CHANNEL_H_
#define THINWIRE_COLLECTIVE_PROBE_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "transport/transport.h"
#include "wire/probe_note.h"

namespace thinwire {

// Of a rank that talks to the others before its engine runs.
struct ProbeIdentity {
  int rank = 0;
  int ranks = 1;
  uint64_t communicator = 0;  // as in EngineOptions
  uint32_t epoch = 0;
};

class ProbeChannel {
 public:
  struct Arrived {
    int source;
    const ProbeNote& note;
    std::span<const std::byte> more;  // what follows it
    size_t frame_bytes;
    TimePoint at;
  };
  using Take = std::function<Status(const Arrived&)>;

  // `transport` is connected; `early` takes frames that are for the engine. `context` says in
  // errors what they interrupt.
  ProbeChannel(const ProbeIdentity& self, const char* context, Transport* transport,
               std::vector<Message>* early);
  // Closes the transport if it still holds what was sent: that is how giving up ends.
  ~ProbeChannel();
  ProbeChannel(const ProbeChannel&) = delete;
  ProbeChannel& operator=(const ProbeChannel&) = delete;

  // To a peer that can't be reached nothing is sent, which PeerStatus will tell.
  void Send(int peer, const ProbeNote& note, std::span<const std::byte> more = {});
  // Sends frames of bytes without meaning, so many bytes at most and no more than the transport
  // should hold; what they came to.
  size_t SendTrain(int peer, size_t bytes);
  // As all do who hear a ping.
  void Answer(const Arrived& ping);

  // Lets go of what was sent; true if something was.
  bool Reap();
  bool idle() const { return sends_.empty(); }
  // Whether the transport holds train frames for a peer.
  bool train_in_flight(int peer) const { return trains_[static_cast<size_t>(peer)] > 0; }

  // Hands what has come to `take`; `moved` becomes true if anything went on. kRemote: a frame is
  // damaged; else what `take` says.
  Status Receive(const Take& take, bool* moved);

 private:
  struct Sending {
    int peer;
    bool train;
    std::vector<std::byte> frame;
    Request request;
  };

  Status Open(const Message& message, TimePoint at, const Take& take, bool* for_engine) const;

  const ProbeIdentity self_;
  const char* const context_;
  Transport& transport_;
  std::vector<Message>& early_;
  std::list<Sending> sends_;
  std::vector<size_t> trains_;  // frames the transport holds, by peer
  std::vector<Message> arrived_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_PROBE_CHANNEL_H_
