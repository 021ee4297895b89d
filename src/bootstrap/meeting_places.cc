// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/meeting_places.h"

#include <cstring>
#include <span>
#include <utility>

#include "base/hmac.h"
#include "base/log.h"
#include "bootstrap/mpi_rendezvous.h"

namespace thinwire {

Result<MeetingPlaces> MeetingPlaces::Open(const UniqueId& id, int rank,
                                          const RendezvousServer::Options& options) {
  TW_ASSIGN(const UniqueIdFields fields, ParseUniqueId(id));
  MeetingPlaces places;
  places.secret_ = fields.secret;
  places.rank_ = rank;
  UniqueIdFields own;
  Result<Fd> listener = IsMpiId(fields) ? InvalidUsage("MPI gathers the ranks")
                                        : RendezvousServer::Listen(options, &own);
  if (listener.ok()) {
    places.listener_ = std::move(listener).value();
  } else {
    own = {};
    TW_LOG(kInfo, "rank {} has no place for others to meet at: {}", rank,
           listener.status().message());
  }
  places.places_.push_back(std::move(own));
  return places;
}

std::string MeetingPlaces::own() const {
  const UniqueId id = PackUniqueId(places_.front());
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

Status MeetingPlaces::Learn(const std::vector<std::string>& all) {
  places_.clear();
  for (const std::string& packed : all) {
    UniqueId id;
    if (packed.size() != id.bytes.size()) {
      return RemoteError("rank {} names a meeting place of {} bytes; it must have {}",
                         places_.size(), packed.size(), id.bytes.size());
    }
    std::memcpy(id.bytes.data(), packed.data(), packed.size());
    TW_ASSIGN(UniqueIdFields place, ParseUniqueId(id));
    places_.push_back(std::move(place));
  }
  return {};
}

Result<UniqueId> MeetingPlaces::Meet(int host, std::string_view purpose,
                                     std::optional<std::set<int>> awaited) const {
  UniqueIdFields fields = places_[static_cast<size_t>(host)];
  if (fields.addresses.empty()) {
    return InvalidUsage(
        "rank {} has no place for ranks to meet at: THINWIRE_PORT_RANGE has no port left there, or "
        "its ranks were gathered by MPI, by which others must be made as well",
        host);
  }
  fields.secret = HmacSha256(secret_, {BytesOf(purpose)});
  if (host == rank_) {
    TW_TRY(RendezvousServer::StartOn(listener_, fields.secret, std::move(awaited)));
  }
  return PackUniqueId(fields);
}

Result<std::vector<std::string>> MeetingPlaces::CallRoll(std::set<int> lost,
                                                         std::string_view purpose,
                                                         const std::string& bring,
                                                         double patience_seconds) const {
  const int ranks = static_cast<int>(places_.size());
  lost.erase(rank_);
  for (int host = 0; host <= rank_; ++host) {
    if (lost.contains(host)) continue;
    std::set<int> awaited;
    for (int rank = host; rank < ranks; ++rank) {
      if (!lost.contains(rank)) awaited.insert(rank);
    }
    const std::string at = fmt::format("{} at {}", purpose, host);
    TW_ASSIGN(const UniqueId id, Meet(host, at, std::move(awaited)));
    const auto deadline = [&] { return Now() + FromSeconds(patience_seconds); };
    auto joined = Rendezvous::Join(id, rank_, ranks, deadline(), /*listens=*/true);
    auto roll = joined.ok() ? joined.value()->Exchange(bring, deadline()) : joined.status();
    if (roll.ok() || host == rank_) return roll;
    TW_LOG(kInfo, "rank {}: rank {} does not call the roll: {}", rank_, host,
           roll.status().message());
    lost.insert(host);
  }
  return InternalError("rank {} calls the roll itself, if nobody else does", rank_);
}

}  // namespace thinwire
