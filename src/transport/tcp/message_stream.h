// SPDX-License-Identifier: Apache-2.0
//
// MessageStream: pieces of messages over one non-blocking socket, both ways, each as far as the
// socket goes. Sends straight from the caller's bytes and receives straight into the message's.
// Layer: transport.

#ifndef THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_
#define THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "transport/buffers.h"
#include "transport/tcp/assembly.h"
#include "transport/tcp/tcp_protocol.h"
#include "transport/transport.h"

namespace thinwire {

// A message on its way out, shared by the flows that carry its pieces.
struct Outgoing {
  MessageHead::Kind kind = MessageHead::Kind::kData;
  uint64_t number = 0;
  std::span<const std::byte> bytes;
  Request* request = nullptr;  // may be null
  size_t begun = 0;            // bytes of pieces handed to a flow
  size_t left = 0;             // bytes of those that have left

  void Fail() {
    if (request != nullptr) request->state = Request::State::kFailed;
  }
};

// A message that came; `buffer` holds the bytes of kData.
struct Incoming {
  MessageHead::Kind kind;
  uint64_t number;
  std::unique_ptr<OwnedBuffer> buffer;
};

class MessageStream {
 public:
  enum class Outcome : uint8_t {
    kDone,     // Write: nothing is left to send
    kBlocked,  // the socket takes or has no more for now
    kEnd,      // Read: the other end has closed the connection
    kBroken,   // errno says why
    kInvalid,  // Read: what came is no message
  };

  const std::shared_ptr<Outgoing>& sending() const { return sending_; }  // null: nothing

  // Sends the next piece, of up to `most_bytes`, as far as the socket takes it. kBlocked with
  // sending() null: it took nothing, and the message is as before. REQUIRES: sending() is null.
  Outcome WriteNext(int fd, std::shared_ptr<Outgoing> message, size_t most_bytes);
  // Sends on.
  Outcome Write(int fd);

  // Appends the messages that are complete, reading `budget` bytes and little more.
  Outcome Read(int fd, size_t budget, Assembly* assembly, std::vector<Incoming>* incoming);

 private:
  bool TakeHead(Assembly* assembly, std::vector<Incoming>* incoming);
  void TakeBody(Assembly* assembly, std::vector<Incoming>* incoming);

  std::shared_ptr<Outgoing> sending_;
  std::array<std::byte, MessageHead::kBytes> sending_head_;
  std::span<const std::byte> sending_bytes_;
  size_t sent_ = 0;  // of both

  std::array<std::byte, MessageHead::kBytes> head_;
  size_t head_filled_ = 0;
  MessageHead reading_;        // whose body is being read
  std::span<std::byte> body_;  // what is missing of it
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_
