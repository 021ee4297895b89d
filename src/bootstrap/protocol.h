// SPDX-License-Identifier: Apache-2.0
//
// What root and joiners of a rendezvous say to each other, as bytes (docs/wire-format.md,
// "Rendezvous"):
//   root -> joiner   Greeting
//   joiner -> root   Hello
//   root -> joiner   kAccepted, or kFailed and the end
//   root -> joiner   kReady once all ranks are there
//   joiner -> root   kBlob     \ as often as the ranks like
//   root -> joiner   kBlobs    /
//   joiner -> root   kLeave
// At any time root -> joiner kFailed, the end. Layer `bootstrap`; pure functions.

#ifndef THINWIRE_BOOTSTRAP_PROTOCOL_H_
#define THINWIRE_BOOTSTRAP_PROTOCOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hmac.h"
#include "base/status.h"
#include "base/wire_version.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

inline constexpr uint32_t kRendezvousMagic = 0x31565254;  // "TRV1" in memory order
inline constexpr int kMaxRanks = 65535;                   // ranks are 16 bits in frames
inline constexpr size_t kMaxBlobBytes = size_t{1} << 20;
inline constexpr size_t kMaxExchangeBytes = size_t{1} << 30;  // all blobs of a round
inline constexpr size_t kMaxErrorBytes = 4096;

using Nonce = std::array<std::byte, 32>;

// The first word of the root, to anybody.
struct Greeting {
  static constexpr size_t kBytes = 40;
  uint32_t magic = kRendezvousMagic;
  uint8_t version = kWireVersion;
  Nonce nonce{};
};
std::array<std::byte, Greeting::kBytes> PackGreeting(const Greeting& greeting);
Greeting ParseGreeting(std::span<const std::byte, Greeting::kBytes> bytes);

// The answer of a joiner. Its layout is the same in every version, so that ranks of different
// versions can tell each other so.
struct Hello {
  static constexpr size_t kBytes = 88;
  uint32_t magic = kRendezvousMagic;
  uint8_t version = kWireVersion;
  int32_t rank = 0;
  uint32_t nranks = 0;
  uint32_t budget_ms = 0;  // how long the joiner will wait for the others
  Nonce nonce{};
  Digest proof{};
};
// With the proof that the joiner knows the secret, good for this nonce of the root only.
std::array<std::byte, Hello::kBytes> PackHello(const Hello& hello, const Secret& secret,
                                               const Nonce& root_nonce);
Hello ParseHello(std::span<const std::byte, Hello::kBytes> bytes);
bool HelloProven(std::span<const std::byte, Hello::kBytes> bytes, const Secret& secret,
                 const Nonce& root_nonce);
// The root's own proof, the body of kAccepted.
Digest RootProof(const Secret& secret, const Nonce& root_nonce, const Nonce& joiner_nonce);

enum class MessageType : uint32_t {
  kAccepted = 1,  // body: RootProof
  kReady = 2,     // no body
  kFailed = 3,    // body: u8 Code, then what went wrong in UTF-8
  kBlob = 4,      // body: u32 budget_ms, then the blob
  kBlobs = 5,     // body: for each rank u32 length and its blob
  kLeave = 6,     // no body
};

// Everything after the hello: u32 type, u32 length of the body, body.
struct MessageHeader {
  static constexpr size_t kBytes = 8;
  MessageType type{};
  uint32_t length = 0;
};
MessageHeader ParseMessageHeader(std::span<const std::byte, MessageHeader::kBytes> bytes);
// The largest body a message of this type may have; empty for unknown types.
std::optional<size_t> MaxBody(MessageType type);

std::string PackMessage(MessageType type, std::string_view body);
std::string PackFailed(const Status& error);
Status ParseFailed(std::string_view body);
std::string PackBlob(std::string_view blob, uint32_t budget_ms);
std::string PackBlobs(std::span<const std::string> blobs);
Result<std::vector<std::string>> ParseBlobs(std::string_view body, size_t nranks);

// Milliseconds left until `deadline`, as a budget to send along.
uint32_t BudgetMs(TimePoint deadline);

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_PROTOCOL_H_
