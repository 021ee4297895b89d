// SPDX-License-Identifier: Apache-2.0
//
// MessageStream: messages over one non-blocking socket, both ways, each as far as the socket goes.
// Sends straight from the caller's bytes and receives straight into the message's. Layer:
// transport.

#ifndef THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_
#define THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "transport/buffers.h"
#include "transport/tcp/tcp_protocol.h"
#include "transport/transport.h"

namespace thinwire {

// A message to be sent; `request` may be null.
struct Outgoing {
  MessageHead head;
  std::span<const std::byte> bytes;
  Request* request = nullptr;
};

// A message that came; `buffer` holds the body of kData.
struct Incoming {
  MessageHead head;
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

  bool sending() const { return sending_.has_value(); }
  // Whether a byte of the message being sent has left.
  bool begun() const { return sent_ > 0; }

  // REQUIRES: !sending(). The request is not touched until the message has left.
  void Start(const Outgoing& message);
  // Takes the message being sent back. REQUIRES: sending().
  Outgoing Abandon();
  Outcome Write(int fd);

  // Appends the messages that are complete, reading `budget` bytes and little more.
  Outcome Read(int fd, size_t budget, std::vector<Incoming>* incoming);

 private:
  bool TakeHead(std::vector<Incoming>* incoming);
  void TakeBody(std::vector<Incoming>* incoming);

  std::optional<Outgoing> sending_;
  std::array<std::byte, MessageHead::kBytes> sending_head_;
  size_t sent_ = 0;  // of head and body

  std::array<std::byte, MessageHead::kBytes> head_;
  size_t head_filled_ = 0;
  std::optional<Incoming> body_;  // whose body is being read
  size_t body_filled_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_MESSAGE_STREAM_H_
