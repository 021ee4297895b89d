// SPDX-License-Identifier: Apache-2.0
//
// The ciphers that seal messages and the exchange that gives them keys: libsodium's, where the
// build found it (cipher.cc, else cipher_absent.cc). Layer: transport.

#ifndef THINWIRE_TRANSPORT_CIPHER_H_
#define THINWIRE_TRANSPORT_CIPHER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/hmac.h"
#include "base/status.h"

namespace thinwire {

// Numbers on the wire.
enum class CipherId : uint8_t { kChaCha20Poly1305 = 0, kAes256Gcm = 1 };
using CipherSet = uint8_t;  // bit 1 << number
inline constexpr CipherSet kAllCiphers = 0b11;
constexpr CipherSet Only(CipherId cipher) {
  return static_cast<CipherSet>(1u << static_cast<unsigned>(cipher));
}

inline constexpr size_t kTagBytes = 16;

// OK where this build can seal; else what to do about it. To be called before anything below.
Status CheckSealing();

// Those of this machine: ChaCha20-Poly1305 always, AES-256-GCM where the processor has it built in.
CipherSet CiphersHere();
// The quickest of a set that is not empty.
CipherId BestOf(CipherSet ciphers);

// Authenticated encryption (RFC 8439, NIST SP 800-38D) under one key, with the number of the
// message as nonce. Any thread; a number must not be used twice for Seal.
class Cipher {
 public:
  virtual ~Cipher() = default;
  // Writes message.size() + kTagBytes bytes: the message enciphered, then the tag.
  virtual void Seal(uint64_t number, std::span<const std::byte> message,
                    std::byte* sealed) const = 0;
  // In place: all but the last kTagBytes become the message. False, and nothing is deciphered,
  // where the bytes are not what Seal made under this key and number. REQUIRES: at least kTagBytes.
  virtual bool Open(uint64_t number, std::span<std::byte> sealed) const = 0;
};

// REQUIRES: `id` is one of CiphersHere().
std::unique_ptr<Cipher> MakeCipher(CipherId id, const Digest& key);

// X25519 (RFC 7748) with a key that lives as long as this object, which wipes it.
using PublicKey = std::array<std::byte, 32>;
class KeyExchange {
 public:
  static Result<std::unique_ptr<KeyExchange>> Make();
  ~KeyExchange();
  KeyExchange(const KeyExchange&) = delete;
  KeyExchange& operator=(const KeyExchange&) = delete;

  const PublicKey& public_key() const { return public_key_; }
  // What both ends of a pair compute and nobody else can. InvalidArgument for a public key that
  // gives the same with every other.
  Result<Digest> SharedWith(const PublicKey& theirs) const;

 private:
  KeyExchange() = default;
  std::array<std::byte, 32> private_key_{};
  PublicKey public_key_{};
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_CIPHER_H_
