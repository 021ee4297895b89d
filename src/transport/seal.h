// SPDX-License-Identifier: Apache-2.0
//
// Sealed messages of one direction of a pair: enciphered, numbered, and each opened once. Bytes:
// docs/wire-format.md, "Sealed messages". Layer: transport. Threads: one at a time.

#ifndef THINWIRE_TRANSPORT_SEAL_H_
#define THINWIRE_TRANSPORT_SEAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/status.h"
#include "transport/cipher.h"
#include "transport/replay_window.h"

namespace thinwire {

// What sealing adds to a message: the tag and the number, behind it.
inline constexpr size_t kSealBytes = kTagBytes + sizeof(uint64_t);

// Messages under one key. Why not more: docs/design/011-sealing.md
inline constexpr uint64_t kMessagesPerKey = uint64_t{1} << 40;

class Sealer {
 public:
  // `next`: the number of the first message.
  explicit Sealer(std::unique_ptr<Cipher> cipher, uint64_t next = 0)
      : cipher_(std::move(cipher)), next_(next) {}

  // Writes message.size() + kSealBytes bytes to `sealed`, which must not overlap the message.
  // InvalidUsage when the key is used up.
  Status Seal(std::span<const std::byte> message, std::byte* sealed);

 private:
  std::unique_ptr<Cipher> cipher_;
  uint64_t next_;
};

class Opener {
 public:
  explicit Opener(std::unique_ptr<Cipher> cipher) : cipher_(std::move(cipher)) {}

  // Opens in place; returns how many of the bytes, from the first on, are the message. RemoteError
  // says what is wrong with one that is cut short, altered, of another pair or direction, or a
  // repetition.
  Result<size_t> Open(std::span<std::byte> sealed);

 private:
  std::unique_ptr<Cipher> cipher_;
  ReplayWindow window_;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_SEAL_H_
