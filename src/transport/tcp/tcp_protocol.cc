// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/tcp_protocol.h"

#include <algorithm>
#include <random>

#include "base/checked.h"
#include "base/wire_version.h"

namespace thinwire {
namespace {

constexpr uint32_t kGreetingMagic = 0x31475754;  // "TWG1" in memory order
constexpr uint32_t kAnswerMagic = 0x31415754;    // "TWA1"
constexpr uint32_t kHeadMagic = 0x4d575400;      // above the kind
constexpr size_t kAddressBytes = 17;             // 1: IPv6 or not, 16: address
constexpr size_t kAddressHeadBytes = sizeof(Token) + sizeof(uint16_t);

// Both first messages: magic, version, rank, 4 bytes of zeros, token.
struct Introduction {
  uint32_t magic = 0;
  uint32_t version = kWireVersion;
  int32_t rank = 0;
  uint32_t reserved = 0;
  Token token{};
};
static_assert(sizeof(Introduction) == FlowGreeting::kBytes &&
              sizeof(Introduction) == FlowAnswer::kBytes);

std::array<std::byte, sizeof(Introduction)> Pack(const Introduction& introduction) {
  std::array<std::byte, sizeof(Introduction)> bytes;
  StoreLittle(introduction, bytes.data());
  return bytes;
}

std::optional<Introduction> Parse(std::span<const std::byte, sizeof(Introduction)> bytes,
                                  uint32_t magic) {
  const auto introduction = LoadLittle<Introduction>(bytes.data());
  if (introduction.magic != magic || introduction.version != kWireVersion) return std::nullopt;
  return introduction;
}

}  // namespace

Token MakeToken() {
  std::random_device random;
  Token token;
  for (size_t i = 0; i < token.size(); i += sizeof(uint32_t)) {
    StoreLittle<uint32_t>(random(), token.data() + i);
  }
  return token;
}

bool SameToken(const Token& a, const Token& b) {
  std::byte difference{};
  for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{};
}

std::string PackTcpAddress(const TcpAddress& address) {
  const size_t count = std::min(address.addresses.size(), kMaxTcpAddresses);
  std::vector<std::byte> bytes(kAddressHeadBytes + count * kAddressBytes);
  std::copy(address.token.begin(), address.token.end(), bytes.begin());
  StoreLittle(address.port, bytes.data() + sizeof(Token));
  for (size_t i = 0; i < count; ++i) {
    std::byte* const target = bytes.data() + kAddressHeadBytes + i * kAddressBytes;
    *target = std::byte{address.addresses[i].ipv6};
    StoreLittle(address.addresses[i].bytes, target + 1);
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<TcpAddress> ParseTcpAddress(std::string_view body) {
  if (body.size() < kAddressHeadBytes) return std::nullopt;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(body));
  const size_t rest = body.size() - kAddressHeadBytes;
  if (rest % kAddressBytes != 0 || rest / kAddressBytes > kMaxTcpAddresses) return std::nullopt;
  TcpAddress address;
  address.token = LoadLittle<Token>(bytes.data());
  address.port = LoadLittle<uint16_t>(bytes.data() + sizeof(Token));
  for (size_t i = kAddressHeadBytes; i < bytes.size(); i += kAddressBytes) {
    address.addresses.push_back({.ipv6 = bytes[i] != std::byte{},
                                 .bytes = LoadLittle<std::array<std::byte, 16>>(&bytes[i + 1])});
  }
  return address;
}

std::array<std::byte, FlowGreeting::kBytes> PackFlowGreeting(const FlowGreeting& greeting) {
  return Pack({.magic = kGreetingMagic, .rank = greeting.rank, .token = greeting.token});
}

std::optional<FlowGreeting> ParseFlowGreeting(
    std::span<const std::byte, FlowGreeting::kBytes> bytes) {
  const auto introduction = Parse(bytes, kGreetingMagic);
  if (!introduction) return std::nullopt;
  return FlowGreeting{.rank = introduction->rank, .token = introduction->token};
}

std::array<std::byte, FlowAnswer::kBytes> PackFlowAnswer(const FlowAnswer& answer) {
  return Pack({.magic = kAnswerMagic, .token = answer.token});
}

std::optional<FlowAnswer> ParseFlowAnswer(std::span<const std::byte, FlowAnswer::kBytes> bytes) {
  const auto introduction = Parse(bytes, kAnswerMagic);
  if (!introduction) return std::nullopt;
  return FlowAnswer{.token = introduction->token};
}

std::array<std::byte, MessageHead::kBytes> PackMessageHead(const MessageHead& head) {
  std::array<std::byte, MessageHead::kBytes> bytes;
  StoreLittle(kHeadMagic | static_cast<uint32_t>(head.kind), bytes.data());
  StoreLittle(head.length, bytes.data() + 4);
  StoreLittle(head.total, bytes.data() + 8);
  StoreLittle(head.offset, bytes.data() + 12);
  StoreLittle(head.number, bytes.data() + 16);
  return bytes;
}

std::optional<MessageHead> ParseMessageHead(std::span<const std::byte, MessageHead::kBytes> bytes) {
  const uint32_t kind = LoadLittle<uint32_t>(bytes.data()) ^ kHeadMagic;
  const MessageHead head = {.kind = static_cast<MessageHead::Kind>(kind),
                            .length = LoadLittle<uint32_t>(bytes.data() + 4),
                            .total = LoadLittle<uint32_t>(bytes.data() + 8),
                            .offset = LoadLittle<uint32_t>(bytes.data() + 12),
                            .number = LoadLittle<uint64_t>(bytes.data() + 16)};
  if (kind < 1 || kind > 5 || head.total > kMaxMessageBytes) return std::nullopt;
  if (head.offset > head.total || head.length > head.total - head.offset) return std::nullopt;
  // Whatever has a body is data, and a piece of data is empty only where all of it is.
  if (head.length == 0 ? head.total > 0 : head.kind != MessageHead::Kind::kData) {
    return std::nullopt;
  }
  return head;
}

}  // namespace thinwire
