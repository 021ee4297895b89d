// SPDX-License-Identifier: Apache-2.0
#include "transport/cipher.h"

#include <sodium.h>

#include "base/checked.h"

namespace thinwire {
namespace {

unsigned char* Raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* Raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// Four bytes of zero, then the number; both ciphers take twelve.
class Nonce {
 public:
  explicit Nonce(uint64_t number) { StoreLittle(number, bytes_.data() + 4); }
  const unsigned char* raw() const { return Raw(bytes_.data()); }

 private:
  std::array<std::byte, 12> bytes_{};
};

class ChaCha20Poly1305 final : public Cipher {
 public:
  explicit ChaCha20Poly1305(const Digest& key) : key_(key) {}
  ~ChaCha20Poly1305() override { sodium_memzero(key_.data(), key_.size()); }

  void Seal(uint64_t number, std::span<const std::byte> message, std::byte* sealed) const override {
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        Raw(sealed), Raw(sealed + message.size()), nullptr, Raw(message.data()), message.size(),
        nullptr, 0, nullptr, Nonce(number).raw(), Raw(key_.data()));
  }
  bool Open(uint64_t number, std::span<std::byte> sealed) const override {
    const std::span<std::byte> text = sealed.first(sealed.size() - kTagBytes);
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               Raw(text.data()), nullptr, Raw(text.data()), text.size(),
               Raw(text.data() + text.size()), nullptr, 0, Nonce(number).raw(),
               Raw(key_.data())) == 0;
  }

 private:
  Digest key_;
};

class Aes256Gcm final : public Cipher {
 public:
  explicit Aes256Gcm(const Digest& key) {
    crypto_aead_aes256gcm_beforenm(&schedule_, Raw(key.data()));
  }
  ~Aes256Gcm() override { sodium_memzero(&schedule_, sizeof(schedule_)); }

  void Seal(uint64_t number, std::span<const std::byte> message, std::byte* sealed) const override {
    crypto_aead_aes256gcm_encrypt_detached_afternm(
        Raw(sealed), Raw(sealed + message.size()), nullptr, Raw(message.data()), message.size(),
        nullptr, 0, nullptr, Nonce(number).raw(), &schedule_);
  }
  bool Open(uint64_t number, std::span<std::byte> sealed) const override {
    const std::span<std::byte> text = sealed.first(sealed.size() - kTagBytes);
    return crypto_aead_aes256gcm_decrypt_detached_afternm(
               Raw(text.data()), nullptr, Raw(text.data()), text.size(),
               Raw(text.data() + text.size()), nullptr, 0, Nonce(number).raw(), &schedule_) == 0;
  }

 private:
  crypto_aead_aes256gcm_state schedule_;
};

}  // namespace

Status CheckSealing() {
  if (sodium_init() >= 0) return {};
  return SystemError("libsodium does not start: is there a source of random numbers?");
}

CipherSet CiphersHere() {
  return crypto_aead_aes256gcm_is_available() != 0 ? kAllCiphers
                                                   : Only(CipherId::kChaCha20Poly1305);
}

CipherId BestOf(CipherSet ciphers) {
  return (ciphers & Only(CipherId::kAes256Gcm)) != 0 ? CipherId::kAes256Gcm
                                                     : CipherId::kChaCha20Poly1305;
}

std::unique_ptr<Cipher> MakeCipher(CipherId id, const Digest& key) {
  if (id == CipherId::kAes256Gcm) return std::make_unique<Aes256Gcm>(key);
  return std::make_unique<ChaCha20Poly1305>(key);
}

Result<std::unique_ptr<KeyExchange>> KeyExchange::Make() {
  std::unique_ptr<KeyExchange> exchange(new KeyExchange);
  TW_TRY(FillRandom(exchange->private_key_));
  crypto_scalarmult_base(Raw(exchange->public_key_.data()), Raw(exchange->private_key_.data()));
  return exchange;
}

KeyExchange::~KeyExchange() { sodium_memzero(private_key_.data(), private_key_.size()); }

Result<Digest> KeyExchange::SharedWith(const PublicKey& theirs) const {
  Digest shared;
  if (crypto_scalarmult(Raw(shared.data()), Raw(private_key_.data()), Raw(theirs.data())) == 0) {
    return shared;
  }
  return InvalidArgument("its public key is none");
}

}  // namespace thinwire
