// SPDX-License-Identifier: Apache-2.0
//
// FaultyTransport: the transport it wraps with the faults of a bad day: messages lost, damaged, cut
// short, doubled or out of order, and peers cut off in silence. For tests. Layer: transport.
//
// Faults strike at the receiver, by seeded chance or by Inject. Threads: as the inner transport's,
// except Inject and Cut, which any thread may call.

#ifndef THINWIRE_TRANSPORT_FAULTY_TRANSPORT_H_
#define THINWIRE_TRANSPORT_FAULTY_TRANSPORT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "transport/held_messages.h"
#include "transport/transport_decorator.h"

namespace thinwire {

enum class Fault : uint8_t { kDrop, kCorrupt, kTruncate, kDuplicate };
inline constexpr size_t kFaults = 4;

struct FaultOptions {
  uint64_t seed = 1;
  std::array<double, kFaults> probability = {};  // of each Fault, for each message
  // Each message is held for a random time up to this, so that the order is shuffled; 0: none is.
  Duration shuffle{0};
};

class FaultyTransport final : public TransportDecorator {
 public:
  FaultyTransport(std::unique_ptr<Transport> inner, const FaultOptions& options);

  // The next `count` messages that arrive suffer `fault`.
  void Inject(Fault fault, int count = 1);
  // From now on nothing passes to or from `peer`, and nobody is told.
  void Cut(int peer);

  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override;
  bool Poll(std::vector<Message>* arrived) override;
  Status PeerStatus(int peer) const override;
  void Wait(TimePoint deadline) override;

 private:
  bool Strikes(Fault fault);
  bool IsCut(int peer) const;
  Message Corrupted(Message message);
  void Receive(Message message);
  void Hold(Message message);
  size_t Below(size_t bound);  // a random number in [0, bound)

  const FaultOptions options_;
  std::mt19937_64 random_;
  HeldMessages held_;
  mutable std::mutex mutex_;  // guards what the test's thread may set
  std::array<int, kFaults> injected_ = {};
  std::set<int> cut_;
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_FAULTY_TRANSPORT_H_
