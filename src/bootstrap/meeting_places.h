// SPDX-License-Identifier: Apache-2.0
//
// MeetingPlaces: where the ranks of a communicator can gather anew, to make another one, without
// its transport and even when it has failed. Every rank keeps a listening socket; all know its
// address, and from the communicator's secret a secret for each purpose. So a subset of the ranks
// can meet without a word: whom they meet at and for what is all they must agree on.

#ifndef THINWIRE_BOOTSTRAP_MEETING_PLACES_H_
#define THINWIRE_BOOTSTRAP_MEETING_PLACES_H_

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/socket.h"
#include "base/status.h"
#include "bootstrap/rendezvous.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

class MeetingPlaces {
 public:
  // Opens this rank's own; `id`: of the communicator. There is none where MPI gathers the ranks, or
  // no port is left to listen on, which is an error only when ranks are to meet there.
  static Result<MeetingPlaces> Open(const UniqueId& id, int rank,
                                    const RendezvousServer::Options& options);

  // This rank's address, for the others; then those of all, by rank.
  std::string own() const;
  Status Learn(const std::vector<std::string>& all);

  // The id by which ranks meet at `host` for `purpose`; where that is this rank, it now listens.
  // Meetings at one place come one after another. `awaited`: as in RendezvousServer::StartOn.
  Result<UniqueId> Meet(int host, std::string_view purpose,
                        std::optional<std::set<int>> awaited = {}) const;

  // What ranks bring, by rank, when some of them are lost, `lost` as far as this one knows; empty:
  // it did not come. They meet at the lowest of them, which waits for ranks it doesn't know to be
  // lost, `patience_seconds` at most; all hear the same from it. One that others believed lost may
  // find itself alone. REQUIRES: `bring` is not empty.
  Result<std::vector<std::string>> CallRoll(std::set<int> lost, std::string_view purpose,
                                            const std::string& bring,
                                            double patience_seconds) const;

 private:
  Secret secret_{};
  int rank_ = 0;
  Fd listener_;
  std::vector<UniqueIdFields> places_;  // without secrets; this rank's own alone before Learn
};

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_MEETING_PLACES_H_
