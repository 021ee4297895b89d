// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/unique_id.h"

#include <algorithm>
#include <cassert>

#include "base/checked.h"
#include "base/hmac.h"

namespace thinwire {
namespace {

// The byte table of docs/wire-format.md, "Unique id".
constexpr uint32_t kMagic = 0x44495754;  // "TWID" in memory order
constexpr uint8_t kVersion = 1;
constexpr size_t kVersionOffset = 4;
constexpr size_t kCountOffset = 5;
constexpr size_t kPortOffset = 6;
constexpr size_t kSecretOffset = 8;
constexpr size_t kAddressesOffset = 40;
constexpr size_t kAddressBytes = 20;
constexpr size_t kAddressValueOffset = 4;
constexpr size_t kChecksumOffset = 120;

// Catches ids that were cut or changed on the way, e.g. by code that took them for C strings.
uint64_t Checksum(const UniqueId& id) {
  return LoadLittle<uint64_t>(Sha256({std::span(id.bytes).first(kChecksumOffset)}).data());
}

}  // namespace

UniqueId PackUniqueId(const UniqueIdFields& fields) {
  assert(fields.addresses.size() <= kUniqueIdAddresses);
  UniqueId id;
  std::byte* bytes = id.bytes.data();
  StoreLittle(kMagic, bytes);
  StoreLittle(kVersion, bytes + kVersionOffset);
  StoreLittle(static_cast<uint8_t>(fields.addresses.size()), bytes + kCountOffset);
  StoreLittle(fields.port, bytes + kPortOffset);
  std::copy(fields.secret.begin(), fields.secret.end(), bytes + kSecretOffset);
  for (size_t i = 0; i < fields.addresses.size(); ++i) {
    const IpAddress& address = fields.addresses[i];
    std::byte* entry = bytes + kAddressesOffset + i * kAddressBytes;
    entry[0] = address.ipv6 ? std::byte{6} : std::byte{4};
    std::copy(address.bytes.begin(), address.bytes.end(), entry + kAddressValueOffset);
  }
  StoreLittle(Checksum(id), bytes + kChecksumOffset);
  return id;
}

Result<UniqueIdFields> ParseUniqueId(const UniqueId& id) {
  const std::byte* bytes = id.bytes.data();
  if (LoadLittle<uint32_t>(bytes) != kMagic) {
    return InvalidArgument(
        "unique id: these 128 bytes are not a Thinwire id; carry the id that "
        "the root made to every rank unchanged");
  }
  if (const auto version = LoadLittle<uint8_t>(bytes + kVersionOffset); version != kVersion) {
    return InvalidArgument(
        "unique id: version {}, this library knows {}; install the same release "
        "on every rank",
        version, kVersion);
  }
  if (LoadLittle<uint64_t>(bytes + kChecksumOffset) != Checksum(id)) {
    return InvalidArgument(
        "unique id: the bytes were changed on the way; carry all 128 of them, "
        "zeros included");
  }
  const auto count = LoadLittle<uint8_t>(bytes + kCountOffset);
  if (count > kUniqueIdAddresses) {
    return InvalidArgument("unique id: {} addresses, at most {} fit", count, kUniqueIdAddresses);
  }
  UniqueIdFields fields;
  fields.port = LoadLittle<uint16_t>(bytes + kPortOffset);
  std::copy_n(bytes + kSecretOffset, fields.secret.size(), fields.secret.begin());
  for (size_t i = 0; i < count; ++i) {
    const std::byte* entry = bytes + kAddressesOffset + i * kAddressBytes;
    if (entry[0] != std::byte{4} && entry[0] != std::byte{6}) {
      return InvalidArgument("unique id: address {} is neither IPv4 nor IPv6", i);
    }
    IpAddress& address = fields.addresses.emplace_back();
    address.ipv6 = entry[0] == std::byte{6};
    std::copy_n(entry + kAddressValueOffset, address.bytes.size(), address.bytes.begin());
  }
  return fields;
}

// Of the secret alone: ranks that were started from variables may each see the root under another
// address, and still have to agree on the name.
uint64_t CommunicatorHash(const UniqueId& id) {
  const auto secret = std::span(id.bytes).subspan<kSecretOffset, kDigestBytes>();
  return LoadLittle<uint64_t>(HmacSha256(secret, {BytesOf("thinwire communicator")}).data());
}

}  // namespace thinwire
