// SPDX-License-Identifier: Apache-2.0
#include "transport/introduction.h"

#include <algorithm>
#include <tuple>

#include "base/checked.h"

namespace thinwire {
namespace {

// The byte table of docs/wire-format.md, "Introduction".
constexpr uint8_t kVersion = 1;
constexpr size_t kCiphersOffset = 1;
constexpr size_t kNonceOffset = 8;
constexpr size_t kPublicKeyOffset = 40;

template <typename T>
std::array<std::byte, sizeof(T)> Little(T value) {
  std::array<std::byte, sizeof(T)> bytes;
  StoreLittle(value, bytes.data());
  return bytes;
}
std::array<std::byte, 4> Number(int rank) { return Little(static_cast<uint32_t>(rank)); }

}  // namespace

std::string Introduction::Pack() const {
  std::array<std::byte, kBytes> bytes{};
  bytes[0] = std::byte{kVersion};
  bytes[kCiphersOffset] = std::byte{ciphers};
  std::copy(nonce.begin(), nonce.end(), bytes.begin() + kNonceOffset);
  std::copy(public_key.begin(), public_key.end(), bytes.begin() + kPublicKeyOffset);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<Introduction> Introduction::Unpack(std::string_view body, int rank) {
  if (body.size() < kBytes) {
    return InvalidArgument("rank {}: the introduction in its address is cut off", rank);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(body.data());
  if (const auto version = LoadLittle<uint8_t>(bytes); version != kVersion) {
    return InvalidArgument(
        "rank {} introduces itself in version {}, this library knows {}: install the same release "
        "on every rank",
        rank, version, kVersion);
  }
  Introduction introduction;
  introduction.ciphers = LoadLittle<CipherSet>(bytes + kCiphersOffset);
  std::copy_n(bytes + kNonceOffset, introduction.nonce.size(), introduction.nonce.begin());
  std::copy_n(bytes + kPublicKeyOffset, introduction.public_key.size(),
              introduction.public_key.begin());
  return introduction;
}

Digest TranscriptOf(const Party& one, const Party& other) {
  const auto& [low, high] = one.rank < other.rank ? std::tie(one, other) : std::tie(other, one);
  return Sha256({BytesOf("thinwire transcript"), Number(low.rank), Number(high.rank),
                 Little(uint64_t{low.address.size()}), BytesOf(low.address),
                 Little(uint64_t{high.address.size()}), BytesOf(high.address)});
}

Digest ProofOf(const Digest& secret, const Digest& transcript, int from, int to) {
  return HmacSha256(secret, {BytesOf("thinwire proof"), Number(from), Number(to), transcript});
}

Digest KeyOf(const Digest& secret, const Digest& transcript, const Digest& shared, CipherId cipher,
             int from, int to) {
  const Digest session = HmacSha256(secret, {BytesOf("thinwire session"), transcript, shared});
  return HmacSha256(session, {BytesOf("thinwire key"), Little(static_cast<uint8_t>(cipher)),
                              Number(from), Number(to)});
}

}  // namespace thinwire
