// SPDX-License-Identifier: Apache-2.0
//
// XXH3 with 64 bits (xxHash, Y. Collet), default secret: finds accidents at memory speed; no
// protection against an attacker.

#ifndef THINWIRE_BASE_HASH_H_
#define THINWIRE_BASE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace thinwire {

uint64_t Xxh3(std::span<const std::byte> bytes, uint64_t seed = 0);

// Xxh3 with seed 0 of bytes that come in pieces.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();

  void Add(std::span<const std::byte> bytes);
  // Of all bytes added so far.
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace thinwire

#endif  // THINWIRE_BASE_HASH_H_
