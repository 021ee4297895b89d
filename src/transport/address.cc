// SPDX-License-Identifier: Apache-2.0
#include "transport/address.h"

#include <cstdint>

namespace thinwire {
namespace {

constexpr size_t kChecksumDigits = 16;

// FNV-1a, 64 bits: against accidents, not against enemies (bootstrap authenticates the blobs).
uint64_t Checksum(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

std::string PackAddress(std::string_view name, std::string_view body) {
  return fmt::format("{} {:016x} {}", name, Checksum(body), body);
}

Result<std::string_view> UnpackAddress(std::string_view name, std::string_view address, int rank) {
  const size_t name_end = address.find(' ');
  if (name_end == std::string_view::npos) {
    return InvalidArgument("rank {}: its address is no transport address", rank);
  }
  if (address.substr(0, name_end) != name) {
    return InvalidArgument(
        "rank {} uses transport '{}' and this rank '{}': set THINWIRE_TRANSPORT alike on all ranks",
        rank, address.substr(0, name_end), name);
  }
  const std::string_view rest = address.substr(name_end + 1);
  if (rest.size() <= kChecksumDigits) {
    return InvalidArgument("rank {}: its {} address is cut off", rank, name);
  }
  const std::string_view body = rest.substr(kChecksumDigits + 1);
  if (rest.substr(0, kChecksumDigits) != fmt::format("{:016x}", Checksum(body))) {
    return InvalidArgument("rank {}: its {} address is damaged (checksum)", rank, name);
  }
  return body;
}

Status CheckRank(int rank, size_t ranks) {
  if (rank >= 0 && static_cast<size_t>(rank) < ranks) return {};
  return InvalidArgument("rank {} isn't one of {} ranks", rank, ranks);
}

Status CheckPeer(int peer, int self, size_t ranks) {
  if (peer == self) return InvalidArgument("rank {} can't send to itself", self);
  return CheckRank(peer, ranks);
}

}  // namespace thinwire
