// SPDX-License-Identifier: Apache-2.0
//
// SealedTransport: lets only those deliver who know a secret, and seals what they say. Layer:
// transport. Threads: as the inner transport's.
//
// Connect ends when every peer has proven to know the secret and every peer was given our proof; a
// message that overtakes its sender's proof waits for it. With `encrypt`, each message is sealed
// under a key of its pair and direction that can't be computed from the secret later on (forward
// secrecy); without, messages pass as they are. Either way what the inner transport promises holds.
//
// A message that was altered, cut short, repeated, or made by others, and a wrong proof, fail the
// peer they claim to come from: PeerStatus says why, and nothing more of it is delivered.
//
// Bytes: docs/wire-format.md, "Proof and sealing". What this protects against: docs/security.md.

#ifndef THINWIRE_TRANSPORT_SEALED_TRANSPORT_H_
#define THINWIRE_TRANSPORT_SEALED_TRANSPORT_H_

#include <memory>

#include "base/hmac.h"
#include "base/status.h"
#include "transport/cipher.h"
#include "transport/transport.h"

namespace thinwire {

struct SealOptions {
  Digest secret{};  // of the communicator, equal on all its ranks
  // Seal messages. Equal on all ranks: those that differ refuse each other by name.
  bool encrypt = false;
  CipherSet ciphers = kAllCiphers;  // to choose from; pairs take the best both have
};

// "proven(inner)", or "sealed(inner)" with `encrypt`. InvalidUsage for that in a build without
// libsodium.
Result<std::unique_ptr<Transport>> MakeSealedTransport(std::unique_ptr<Transport> inner,
                                                       const SealOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_SEALED_TRANSPORT_H_
