// SPDX-License-Identifier: Apache-2.0
//
// Handshake: what two ranks say to each other to open and to close a connection, for transports
// whose messages come in the order in which they were sent. Both are a question and an answer: the
// answer to a farewell proves that all before it was received, so that no data is lost to a
// connection reset when its sender closes. Layer: transport.

#ifndef THINWIRE_TRANSPORT_HANDSHAKE_H_
#define THINWIRE_TRANSPORT_HANDSHAKE_H_

#include <cstdint>
#include <optional>

namespace thinwire {

// What a message is for. All but data are without content. Stands on the wire.
enum class MessageKind : uint32_t { kData, kHello, kWelcome, kFarewell, kFarewellSeen };
inline constexpr uint32_t kMessageKinds = 5;

class Handshake {
 public:
  // Notes what a peer says; what is to be answered, if anything.
  std::optional<MessageKind> Take(MessageKind said) {
    switch (said) {
      case MessageKind::kHello:
        hello_seen_ = true;
        return MessageKind::kWelcome;
      case MessageKind::kWelcome:
        welcome_seen_ = true;
        return std::nullopt;
      case MessageKind::kFarewell:
        farewell_seen_ = true;
        return MessageKind::kFarewellSeen;
      case MessageKind::kFarewellSeen:
        farewell_answered_ = true;
        return std::nullopt;
      case MessageKind::kData:
        return std::nullopt;
    }
    return std::nullopt;
  }

  // Both directions are known to carry messages.
  bool open() const { return hello_seen_ && welcome_seen_; }
  // The peer sends no more, and all that it sent is here.
  bool farewell_seen() const { return farewell_seen_; }
  // The peer has all that was sent to it.
  bool farewell_answered() const { return farewell_answered_; }

 private:
  bool hello_seen_ = false;
  bool welcome_seen_ = false;
  bool farewell_seen_ = false;
  bool farewell_answered_ = false;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_HANDSHAKE_H_
