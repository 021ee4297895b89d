// SPDX-License-Identifier: Apache-2.0
//
// HMAC-SHA256 (RFC 2104, FIPS 180-4): proof of a shared secret without sending it, and keys from
// it. Layer: base; pure functions. Why this one: docs/design/002-rendezvous.md

#ifndef THINWIRE_BASE_HMAC_H_
#define THINWIRE_BASE_HMAC_H_

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/status.h"

namespace thinwire {

inline constexpr size_t kDigestBytes = 32;
using Digest = std::array<std::byte, kDigestBytes>;

inline std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Of the concatenated parts.
Digest Sha256(std::initializer_list<std::span<const std::byte>> parts);
Digest HmacSha256(std::span<const std::byte> key,
                  std::initializer_list<std::span<const std::byte>> parts);

// Takes the same time wherever the digests differ, so that a proof can't be guessed byte by byte.
bool SameDigest(std::span<const std::byte, kDigestBytes> a,
                std::span<const std::byte, kDigestBytes> b);

// Fills `target` from the operating system's random source.
Status FillRandom(std::span<std::byte> target);

}  // namespace thinwire

#endif  // THINWIRE_BASE_HMAC_H_
