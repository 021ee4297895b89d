// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/protocol.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"

namespace thinwire {
namespace {

constexpr size_t kBudgetBytes = sizeof(uint32_t);
constexpr size_t kHelloProofOffset = Hello::kBytes - kDigestBytes;

template <typename T>
void AppendLittle(T value, std::string* target) {
  std::byte bytes[sizeof(T)];
  StoreLittle(value, bytes);
  target->append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

template <typename T>
T LoadText(std::string_view text) {
  return LoadLittle<T>(BytesOf(text).data());
}

Digest JoinerProof(std::span<const std::byte, Hello::kBytes> hello, const Secret& secret,
                   const Nonce& root_nonce) {
  return HmacSha256(secret,
                    {BytesOf("thinwire joiner"), root_nonce, hello.first(kHelloProofOffset)});
}

}  // namespace

std::array<std::byte, Greeting::kBytes> PackGreeting(const Greeting& greeting) {
  std::array<std::byte, Greeting::kBytes> bytes{};
  StoreLittle(greeting.magic, &bytes[0]);
  StoreLittle(greeting.version, &bytes[4]);
  StoreLittle(greeting.nonce, &bytes[8]);
  return bytes;
}

Greeting ParseGreeting(std::span<const std::byte, Greeting::kBytes> bytes) {
  return {.magic = LoadLittle<uint32_t>(&bytes[0]),
          .version = LoadLittle<uint8_t>(&bytes[4]),
          .nonce = LoadLittle<Nonce>(&bytes[8])};
}

std::array<std::byte, Hello::kBytes> PackHello(const Hello& hello, const Secret& secret,
                                               const Nonce& root_nonce) {
  std::array<std::byte, Hello::kBytes> bytes{};
  StoreLittle(hello.magic, &bytes[0]);
  StoreLittle(hello.version, &bytes[4]);
  StoreLittle(hello.rank, &bytes[8]);
  StoreLittle(hello.nranks, &bytes[12]);
  StoreLittle(hello.budget_ms, &bytes[16]);
  StoreLittle(hello.nonce, &bytes[24]);
  StoreLittle(JoinerProof(bytes, secret, root_nonce), &bytes[kHelloProofOffset]);
  return bytes;
}

Hello ParseHello(std::span<const std::byte, Hello::kBytes> bytes) {
  return {.magic = LoadLittle<uint32_t>(&bytes[0]),
          .version = LoadLittle<uint8_t>(&bytes[4]),
          .rank = LoadLittle<int32_t>(&bytes[8]),
          .nranks = LoadLittle<uint32_t>(&bytes[12]),
          .budget_ms = LoadLittle<uint32_t>(&bytes[16]),
          .nonce = LoadLittle<Nonce>(&bytes[24]),
          .proof = LoadLittle<Digest>(&bytes[kHelloProofOffset])};
}

bool HelloProven(std::span<const std::byte, Hello::kBytes> bytes, const Secret& secret,
                 const Nonce& root_nonce) {
  return SameDigest(bytes.last<kDigestBytes>(), JoinerProof(bytes, secret, root_nonce));
}

Digest RootProof(const Secret& secret, const Nonce& root_nonce, const Nonce& joiner_nonce) {
  return HmacSha256(secret, {BytesOf("thinwire root"), joiner_nonce, root_nonce});
}

MessageHeader ParseMessageHeader(std::span<const std::byte, MessageHeader::kBytes> bytes) {
  return {.type = LoadLittle<MessageType>(&bytes[0]), .length = LoadLittle<uint32_t>(&bytes[4])};
}

std::optional<size_t> MaxBody(MessageType type) {
  switch (type) {
    case MessageType::kAccepted:
      return kDigestBytes;
    case MessageType::kFailed:
      return 1 + kMaxErrorBytes;
    case MessageType::kBlob:
      return kBudgetBytes + kMaxBlobBytes;
    case MessageType::kBlobs:
      return kMaxExchangeBytes;
    case MessageType::kReady:
    case MessageType::kLeave:
      return 0;
  }
  return std::nullopt;
}

std::string PackMessage(MessageType type, std::string_view body) {
  std::string message;
  message.reserve(MessageHeader::kBytes + body.size());
  AppendLittle(type, &message);
  AppendLittle(static_cast<uint32_t>(body.size()), &message);
  message += body;
  return message;
}

std::string PackFailed(const Status& error) {
  std::string body(1, static_cast<char>(error.code()));
  body += std::string_view(error.message()).substr(0, kMaxErrorBytes);
  return PackMessage(MessageType::kFailed, body);
}

Status ParseFailed(std::string_view body) {
  const auto code = body.empty() ? uint8_t{0} : static_cast<uint8_t>(body[0]);
  if (code == 0 || code > static_cast<uint8_t>(Code::kTimeout)) {
    return RemoteError("the root of the rendezvous failed without a reason");
  }
  return Status(static_cast<Code>(code), std::string(body.substr(1)));
}

std::string PackBlob(std::string_view blob, uint32_t budget_ms) {
  std::string body;
  AppendLittle(budget_ms, &body);
  body += blob;
  return PackMessage(MessageType::kBlob, body);
}

std::string PackBlobs(std::span<const std::string> blobs) {
  std::string body;
  for (const std::string& blob : blobs) {
    AppendLittle(static_cast<uint32_t>(blob.size()), &body);
    body += blob;
  }
  return PackMessage(MessageType::kBlobs, body);
}

Result<std::vector<std::string>> ParseBlobs(std::string_view body, size_t nranks) {
  std::vector<std::string> blobs;
  for (size_t rank = 0; rank < nranks; ++rank) {
    if (body.size() < sizeof(uint32_t)) {
      return RemoteError("the root's blobs end before that of rank {}", rank);
    }
    const size_t length = LoadText<uint32_t>(body);
    body.remove_prefix(sizeof(uint32_t));
    if (length > body.size()) {
      return RemoteError("the root's blob of rank {} says {} bytes, {} are there", rank, length,
                         body.size());
    }
    blobs.emplace_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (!body.empty()) return RemoteError("{} bytes stand after the root's blobs", body.size());
  return blobs;
}

uint32_t BudgetMs(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Now()).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 0, std::numeric_limits<uint32_t>::max()));
}

}  // namespace thinwire
