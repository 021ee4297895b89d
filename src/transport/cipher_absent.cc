// SPDX-License-Identifier: Apache-2.0
//
// cipher.h in builds without libsodium: CheckSealing refuses, the rest is never reached.
#include "transport/cipher.h"

namespace thinwire {

Status CheckSealing() {
  return InvalidUsage(
      "THINWIRE_ENCRYPT is 1, but this build can't seal messages: build it with libsodium "
      "(-DTHINWIRE_SODIUM=ON), or set THINWIRE_ENCRYPT=0 on all ranks");
}

CipherSet CiphersHere() { return 0; }
CipherId BestOf(CipherSet) { return CipherId::kChaCha20Poly1305; }
std::unique_ptr<Cipher> MakeCipher(CipherId, const Digest&) { return nullptr; }

Result<std::unique_ptr<KeyExchange>> KeyExchange::Make() { return CheckSealing(); }
KeyExchange::~KeyExchange() = default;
Result<Digest> KeyExchange::SharedWith(const PublicKey&) const { return CheckSealing(); }

}  // namespace thinwire
