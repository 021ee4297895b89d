// SPDX-License-Identifier: Apache-2.0
#include "transport/mpi/mpi_group.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>

#include "base/checked.h"

namespace thinwire {
namespace {

uint64_t ProcessNonce() {
  static const uint64_t nonce = (uint64_t{std::random_device()()} << 32) | std::random_device()();
  return nonce;
}

// The communicators made so far, by the processes in them. Never freed: that would be collective.
class Groups {
 public:
  static Groups& Instance() {
    static auto* const groups = new Groups;
    return *groups;
  }
  Result<MpiHandle> Of(const Mpi& mpi, const std::vector<int>& processes, bool use_private_world) {
    Entry& entry = EntryOf(processes);
    const std::lock_guard lock(entry.making);  // ranks of this process wait for the first of them
    if (!entry.made) {
      MpiHandle group{};
      TW_TRY(mpi.Check(mpi.calls->open_group(processes.data(), static_cast<int>(processes.size()),
                                             use_private_world ? 1 : 0, &group)));
      entry.made = group;
    }
    return *entry.made;
  }

 private:
  struct Entry {
    std::mutex making;
    std::optional<MpiHandle> made;
  };
  Entry& EntryOf(const std::vector<int>& processes) {
    const std::lock_guard lock(mutex_);
    return entries_[processes];
  }
  std::mutex mutex_;
  std::map<std::vector<int>, Entry> entries_;
};

}  // namespace

MpiAddress MpiAddress::Here(const Mpi& mpi, int tag) {
  return {ProcessNonce(), static_cast<uint32_t>(mpi.world.ranks),
          static_cast<uint32_t>(mpi.world.rank), static_cast<uint32_t>(tag),
          mpi.calls->has_private_world() != 0 ? 1u : 0u};
}

std::string MpiAddress::Pack() const {
  std::string body(sizeof(*this), '\0');
  StoreLittle(*this, reinterpret_cast<std::byte*>(body.data()));
  return body;
}

Result<MpiAddress> MpiAddress::Unpack(std::string_view body, int rank, const MpiWorld& world) {
  if (body.size() != sizeof(MpiAddress)) {
    return InvalidArgument("rank {}: its mpi address is of another version", rank);
  }
  const auto address = LoadLittle<MpiAddress>(reinterpret_cast<const std::byte*>(body.data()));
  const bool here = address.process == static_cast<uint32_t>(world.rank);
  if (address.processes != static_cast<uint32_t>(world.ranks) ||
      address.process >= address.processes || here != (address.process_nonce == ProcessNonce())) {
    return InvalidArgument(
        "rank {} runs in another MPI job (there process {} of {}, here {} of {}): start all ranks "
        "by one mpirun",
        rank, address.process, address.processes, world.rank, world.ranks);
  }
  if (address.tag > static_cast<uint32_t>(world.largest_tag)) {
    return InvalidArgument("rank {}: its mpi address has tag {}, over the limit of {}", rank,
                           address.tag, world.largest_tag);
  }
  return address;
}

Result<std::vector<MpiPlace>> PlacesOf(const Mpi& mpi, std::span<const MpiAddress> addresses) {
  std::vector<int> processes;
  bool use_private_world = true;
  for (const MpiAddress& address : addresses) {
    use_private_world &= address.private_world == 1;
    processes.push_back(static_cast<int>(address.process));
  }
  std::sort(processes.begin(), processes.end());
  processes.erase(std::unique(processes.begin(), processes.end()), processes.end());
  TW_ASSIGN(const MpiHandle group, Groups::Instance().Of(mpi, processes, use_private_world));
  std::vector<MpiPlace> places;
  for (const MpiAddress& address : addresses) {
    const auto found =
        std::lower_bound(processes.begin(), processes.end(), static_cast<int>(address.process));
    places.push_back(
        {group, static_cast<int>(found - processes.begin()), static_cast<int>(address.tag)});
  }
  return places;
}

}  // namespace thinwire
