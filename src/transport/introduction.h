// SPDX-License-Identifier: Apache-2.0
//
// Introduction: what a rank says of itself in front of its address, so that a pair can prove to
// each other that both know the secret and derive keys that nobody else has. Layer: transport; pure
// functions. Bytes and formulas: docs/wire-format.md, "Proof and sealing".

#ifndef THINWIRE_TRANSPORT_INTRODUCTION_H_
#define THINWIRE_TRANSPORT_INTRODUCTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/hmac.h"
#include "base/status.h"
#include "transport/cipher.h"

namespace thinwire {

struct Introduction {
  static constexpr size_t kBytes = 72;

  CipherSet ciphers = 0;              // those it has; 0: it doesn't seal
  std::array<std::byte, 32> nonce{};  // random, fresh for every communicator
  PublicKey public_key{};             // likewise; zero where it doesn't seal

  std::string Pack() const;
  // Of the first kBytes of `body`, which rank `rank` gave. Errors name the rank.
  static Result<Introduction> Unpack(std::string_view body, int rank);
};

// What a rank gave for the others: its number and its whole address.
struct Party {
  int rank = -1;
  std::string_view address;
};

// Of all that two ranks told each other; the same at both.
Digest TranscriptOf(const Party& one, const Party& other);

// What rank `from` shows rank `to`: proves that it knows the secret and saw the same transcript.
Digest ProofOf(const Digest& secret, const Digest& transcript, int from, int to);

// The key of what rank `from` seals for rank `to`. `shared`: what their key exchange gave.
Digest KeyOf(const Digest& secret, const Digest& transcript, const Digest& shared, CipherId cipher,
             int from, int to);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_INTRODUCTION_H_
