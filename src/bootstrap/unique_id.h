// SPDX-License-Identifier: Apache-2.0
//
// The unique id of a communicator: 128 opaque bytes for the caller to carry to every rank by any
// means (MPI, a store, a file). Holds the root's addresses and port and a random secret. Same size
// as ncclUniqueId; trivially copyable, no alignment needed, may contain zeros.

#ifndef THINWIRE_BOOTSTRAP_UNIQUE_ID_H_
#define THINWIRE_BOOTSTRAP_UNIQUE_ID_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/socket.h"
#include "base/status.h"

namespace thinwire {

inline constexpr size_t kUniqueIdBytes = 128;

struct UniqueId {
  std::array<std::byte, kUniqueIdBytes> bytes{};
  bool operator==(const UniqueId&) const = default;
};

using Secret = std::array<std::byte, 32>;

// What the bytes say (layout in docs/wire-format.md, "Unique id").
struct UniqueIdFields {
  Secret secret{};
  uint16_t port = 0;
  std::vector<IpAddress> addresses;  // to be tried in order; at most four
};

inline constexpr size_t kUniqueIdAddresses = 4;

UniqueId PackUniqueId(const UniqueIdFields& fields);
// kInvalidArgument when the bytes are not a Thinwire id, or of another version.
Result<UniqueIdFields> ParseUniqueId(const UniqueId& id);

// 64-bit name of the communicator on the wire. Does not reveal the secret.
uint64_t CommunicatorHash(const UniqueId& id);

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_UNIQUE_ID_H_
