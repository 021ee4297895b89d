// SPDX-License-Identifier: Apache-2.0
//
// What the tcp transport writes on its connections (flows), little endian:
//   who dials   -> who listens   FlowGreeting
//   who listens -> who dials     FlowAnswer
//   then both ways               MessageHead, its body; MessageHead, its body ...
// and the body of its address blob. Layer: transport; pure functions.

#ifndef THINWIRE_TRANSPORT_TCP_TCP_PROTOCOL_H_
#define THINWIRE_TRANSPORT_TCP_TCP_PROTOCOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket.h"
#include "base/status.h"

namespace thinwire {

inline constexpr size_t kMaxTcpAddresses = 8;
inline constexpr size_t kMaxMessageBytes = size_t{64} << 20;
inline constexpr int kMaxFlows = 128;  // to one peer

// Random name of a transport that listens, known only to those who have its address blob, which
// travels over the authenticated rendezvous.
using Token = std::array<std::byte, 16>;
Token MakeToken();
// Takes the same time wherever the tokens differ.
bool SameToken(const Token& a, const Token& b);

// Where a transport listens: the body of its blob.
struct TcpAddress {
  Token token{};
  uint16_t port = 0;
  std::vector<IpAddress> addresses;  // to be tried in order; at most kMaxTcpAddresses
};
std::string PackTcpAddress(const TcpAddress& address);
std::optional<TcpAddress> ParseTcpAddress(std::string_view body);

// The first bytes of who dials: its rank, and the token of who listens.
struct FlowGreeting {
  static constexpr size_t kBytes = 32;
  int rank = -1;
  Token token{};
};
std::array<std::byte, FlowGreeting::kBytes> PackFlowGreeting(const FlowGreeting& greeting);
// Empty where magic or version are not ours.
std::optional<FlowGreeting> ParseFlowGreeting(
    std::span<const std::byte, FlowGreeting::kBytes> bytes);

// The first bytes of who listens: the token of who dials, which nobody else on the way knows.
struct FlowAnswer {
  static constexpr size_t kBytes = 32;
  Token token{};
};
std::array<std::byte, FlowAnswer::kBytes> PackFlowAnswer(const FlowAnswer& answer);
std::optional<FlowAnswer> ParseFlowAnswer(std::span<const std::byte, FlowAnswer::kBytes> bytes);

// Before each piece of a message, and for what has no body alone. Pieces of one message may go by
// several flows.
struct MessageHead {
  static constexpr size_t kBytes = 24;
  enum class Kind : uint32_t {
    kData = 1,          // number: which message of this sender to this peer
    kFarewell = 2,      // number: messages that its sender has sent to this peer
    kFarewellSeen = 3,  // all those have come
    kDialMore = 4,      // number: flows that shall be there, dialled by who receives this
    kTailProbe = 5,     // nothing: it is sent to be acknowledged by TCP
  };
  Kind kind = Kind::kData;
  uint32_t length = 0;  // bytes that follow
  uint32_t total = 0;   // bytes of the message
  uint32_t offset = 0;  // where in it they belong
  uint64_t number = 0;
};
std::array<std::byte, MessageHead::kBytes> PackMessageHead(const MessageHead& head);
// Empty for unknown kinds, messages over kMaxMessageBytes and pieces that reach beyond theirs.
std::optional<MessageHead> ParseMessageHead(std::span<const std::byte, MessageHead::kBytes> bytes);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_TCP_PROTOCOL_H_
