// SPDX-License-Identifier: Apache-2.0
#include "comm/offspring.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "bootstrap/rendezvous.h"

namespace thinwire {
namespace {

// What is known of the links among `members` of a communicator.
LinkModel Among(const LinkModel& links, const std::vector<int>& members) {
  const int ranks = static_cast<int>(members.size());
  LinkModel among(ranks);
  for (int from = 0; from < ranks; ++from) {
    const int old_from = members[static_cast<size_t>(from)];
    among.set_nic(from, links.nic(old_from));
    for (int to = 0; to < ranks; ++to) {
      among.at(from, to) = links.at(old_from, members[static_cast<size_t>(to)]);
    }
  }
  return among;
}

// The communicator of some ranks of the parent, this one among them, who meet at the first.
Result<std::shared_ptr<Communicator>> Of(const std::vector<int>& members,
                                         const std::string& purpose, Communicator* parent, Env env,
                                         std::shared_ptr<Ledger> ledger = nullptr) {
  const auto own = std::find(members.begin(), members.end(), parent->rank());
  TW_ASSIGN(const UniqueId id, parent->places().Meet(members.front(), purpose));
  Heritage heritage;
  heritage.links = Among(parent->first_links(), members);
  if (parent->shape()) heritage.shape = Among(*parent->shape(), members);
  heritage.ledger = std::move(ledger);
  env.sites.clear();  // they number the parent's ranks
  return Communicator::Create(id, static_cast<int>(own - members.begin()),
                              static_cast<int>(members.size()), env, std::move(heritage));
}

// One blob of each rank of the parent, by rank.
Result<std::vector<std::string>> Tell(Communicator* parent, const std::string& purpose,
                                      const std::string& blob) {
  const TimePoint deadline = Now() + FromSeconds(parent->env().connect_timeout_seconds);
  TW_ASSIGN(const UniqueId id, parent->places().Meet(0, purpose));
  TW_ASSIGN(auto rendezvous, Rendezvous::Join(id, parent->rank(), parent->ranks(), deadline));
  return rendezvous->Exchange(blob, deadline);
}

template <typename T>
std::string Packed(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

template <typename T>
Result<T> Unpacked(const std::string& blob) {
  T value;
  if (blob.size() != sizeof(value)) return RemoteError("a rank sent {} bytes", blob.size());
  std::memcpy(&value, blob.data(), sizeof(value));
  return value;
}

}  // namespace

Result<std::shared_ptr<Communicator>> Split(Communicator* parent, int color, int key,
                                            const Env& env) {
  struct Wish {
    int color;
    int key;
  };
  if (color < kNoColor) {
    return InvalidArgument("split: the color is {}; it must not be negative, or be {} for none",
                           color, kNoColor);
  }
  const std::string purpose = fmt::format("split {}", parent->NextMeeting());
  TW_ASSIGN(const auto blobs, Tell(parent, purpose, Packed(Wish{color, key})));
  std::vector<std::pair<int, int>> order;  // key, rank
  for (int rank = 0; rank < parent->ranks(); ++rank) {
    TW_ASSIGN(const Wish theirs, Unpacked<Wish>(blobs[static_cast<size_t>(rank)]));
    if (theirs.color == color) order.emplace_back(theirs.key, rank);
  }
  if (color == kNoColor) return std::shared_ptr<Communicator>();
  std::sort(order.begin(), order.end());
  std::vector<int> members;
  for (const auto& [their_key, rank] : order) members.push_back(rank);
  return Of(members, fmt::format("{} color {}", purpose, color), parent, env);
}

Result<std::shared_ptr<Communicator>> Shrink(Communicator* parent, const std::vector<int>& excluded,
                                             const Env& env) {
  const std::set<int> gone(excluded.begin(), excluded.end());
  if (gone.empty()) return InvalidArgument("shrink: no rank is excluded");
  for (const int rank : gone) {
    if (rank < 0 || rank >= parent->ranks()) {
      return InvalidArgument("shrink: there is no rank {} of {}", rank, parent->ranks());
    }
  }
  if (gone.contains(parent->rank())) {
    return InvalidArgument("shrink: rank {} excludes itself", parent->rank());
  }
  std::vector<int> members;
  for (int rank = 0; rank < parent->ranks(); ++rank) {
    if (!gone.contains(rank)) members.push_back(rank);
  }
  return Of(members, fmt::format("shrink by {}", fmt::join(gone, ",")), parent, env);
}

Result<std::shared_ptr<Communicator>> Remake(Communicator* parent, const std::vector<int>& members,
                                             const std::string& purpose, const Env& env) {
  return Of(members, purpose, parent, env, parent->shared_ledger());
}

Result<std::shared_ptr<Communicator>> Grow(Communicator* parent, int ranks,
                                           const std::optional<UniqueId>& id, const Env& env) {
  if (ranks <= parent->ranks()) {
    return InvalidArgument("grow: {} ranks are no more than the {} there are", ranks,
                           parent->ranks());
  }
  const std::string purpose = fmt::format("grow {}", parent->NextMeeting());
  TW_ASSIGN(const auto blobs, Tell(parent, purpose, id ? Packed(*id) : std::string()));
  const auto brought = std::find_if(blobs.begin(), blobs.end(),
                                    [](const std::string& blob) { return !blob.empty(); });
  if (brought == blobs.end()) return InvalidUsage("grow: no rank brought an id to join by");
  TW_ASSIGN(const UniqueId common, Unpacked<UniqueId>(*brought));
  return Communicator::Create(common, parent->rank(), ranks, env);
}

}  // namespace thinwire
