// SPDX-License-Identifier: Apache-2.0
//
// Rendezvous: how the ranks of a communicator find each other before any transport is open. One
// process (the root, usually rank 0's) listens on TCP; every rank connects to it, proves that it
// knows the secret, and all-gathers opaque blobs through it. Knows nothing of what the blobs mean.

#ifndef THINWIRE_BOOTSTRAP_RENDEZVOUS_H_
#define THINWIRE_BOOTSTRAP_RENDEZVOUS_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/socket.h"
#include "base/status.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

// The listening side: a thread that gathers the ranks of one communicator, relays their exchanges
// and ends when all have left, or when the process ends. Strangers are turned away and logged.
class RendezvousServer {
 public:
  struct Options {
    std::string interface;  // listen here only; empty: everywhere
    std::string host;       // advertise this address instead of the interfaces' own
    int port = 0;           // 0: a free one of `ports`
    PortRange ports{};
    IpFamily family = IpFamily::kAny;  // of the addresses it advertises
  };
  // Starts to listen; the server then runs by itself until it is done (detached lifetime, as
  // ncclGetUniqueId wants). Returns the id to hand to every rank.
  static Result<UniqueId> Start(const Options& options);
  // The same for a secret and port all ranks already share (torchrun's variables).
  static Status StartWith(const UniqueId& id, const Options& options);
  // The same in two steps, for several secrets one after another: a socket to listen on, with its
  // addresses and port in *fields; then a server on it, which leaves the socket to its owner.
  static Result<Fd> Listen(const Options& options, UniqueIdFields* fields);
  // `awaited`: ranks may be missing. It goes on with those who came when these have, or when one of
  // them has no time left; the blobs of the others are empty.
  static Status StartOn(const Fd& listener, const Secret& secret,
                        std::optional<std::set<int>> awaited = {});
  // Frees the threads and files of servers that are done. Any thread.
  static void FreeEnded();
};

// One rank's connection to the root.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;

  // Connects and waits until all `nranks` ranks have joined. Errors name what was wrong: nobody
  // listens there, the secret is refused, this rank is taken or out of range, another rank says a
  // different nranks, the library versions do not speak the same wire, or (kTimeout) which ranks
  // are missing. Every rank that has joined gets the error, not only the one that caused it.
  // `listens`: the root does so for as long as its process lives; where nobody does, it is gone.
  static Result<std::unique_ptr<Rendezvous>> Join(const UniqueId& id, int rank, int nranks,
                                                  TimePoint deadline, bool listens = false);

  // All-gather: returns blobs[r] = what rank r gave in this round.
  virtual Result<std::vector<std::string>> Exchange(const std::string& blob,
                                                    TimePoint deadline) = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_RENDEZVOUS_H_
