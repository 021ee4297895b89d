// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/mpi_rendezvous.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/hmac.h"
#include "base/mpi.h"
#include "bootstrap/protocol.h"

namespace thinwire {
namespace {

class MpiRendezvous : public Rendezvous {
 public:
  explicit MpiRendezvous(Mpi mpi) : mpi_(mpi), nranks_(static_cast<size_t>(mpi.world.ranks)) {}

  // Two rounds: how long the blobs are, then the blobs, filled up to the longest.
  Result<std::vector<std::string>> Exchange(const std::string& blob, TimePoint deadline) override {
    if (blob.size() > kMaxBlobBytes) {
      return InvalidArgument("a blob of {} bytes is over the limit of {}", blob.size(),
                             kMaxBlobBytes);
    }
    TW_ASSIGN(const std::string lengths, Gather(std::to_string(blob.size()), kDigits, deadline));
    std::vector<size_t> sizes;
    for (size_t rank = 0; rank < nranks_; ++rank) {
      sizes.push_back(std::strtoul(lengths.substr(rank * kDigits, kDigits).c_str(), nullptr, 10));
    }
    const size_t longest = *std::max_element(sizes.begin(), sizes.end());
    if (longest > kMaxBlobBytes) return RemoteError("a rank sent a blob of {} bytes", longest);
    TW_ASSIGN(const std::string all, Gather(blob, longest, deadline));
    std::vector<std::string> blobs;
    for (size_t rank = 0; rank < nranks_; ++rank) {
      blobs.push_back(all.substr(rank * longest, sizes[rank]));
    }
    return blobs;
  }

 private:
  static constexpr size_t kDigits = 8;  // of a length; enough for kMaxBlobBytes

  // `size` bytes of every rank, in order; ours are `own`, and zeros after it.
  Result<std::string> Gather(std::string own, size_t size, TimePoint deadline) {
    own.resize(size);
    auto memory = std::make_unique<std::pair<std::string, std::string>>(
        std::move(own), std::string(size * nranks_, '\0'));
    MpiHandle request{};
    TW_TRY(mpi_.Check(mpi_.calls->gather(memory->first.data(), static_cast<int>(size),
                                         memory->second.data(), &request)));
    for (int done = 0; done == 0;) {
      int received = 0;
      TW_TRY(mpi_.Check(mpi_.calls->test(&request, &done, &received)));
      if (done != 0) break;
      if (Now() >= deadline) {
        (void)memory.release();  // MPI may still write there
        return TimeoutError("the other ranks did not all come to the exchange by MPI in time");
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return std::move(memory->second);
  }

  const Mpi mpi_;
  const size_t nranks_;
};

}  // namespace

Result<UniqueId> NewMpiId() {
  UniqueIdFields fields;
  TW_TRY(FillRandom(fields.secret));
  return PackUniqueId(fields);
}

bool IsMpiId(const UniqueIdFields& fields) { return fields.addresses.empty() && fields.port == 0; }

Result<std::unique_ptr<Rendezvous>> JoinByMpi(int rank, int nranks) {
  TW_ASSIGN(const Mpi mpi, Mpi::Load());
  if (rank != mpi.world.rank || nranks != mpi.world.ranks) {
    return InvalidArgument(
        "this unique id is for all ranks of mpirun: this is rank {} of {} there, not {} of {}",
        mpi.world.rank, mpi.world.ranks, rank, nranks);
  }
  return std::unique_ptr<Rendezvous>(std::make_unique<MpiRendezvous>(mpi));
}

}  // namespace thinwire
