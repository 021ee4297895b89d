// SPDX-License-Identifier: Apache-2.0
//
// Progress: which (step, segment) pairs of a plan are done, which are ready, and which slots nobody
// will read again. Shared by all that execute plans: the engine, the simulator, the symbolic tests.
// One thread.

#ifndef THINWIRE_COLLECTIVE_PROGRESS_H_
#define THINWIRE_COLLECTIVE_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <utility>
#include <vector>

#include "collective/plan.h"

namespace thinwire {

// One segment of one step: the unit of execution.
struct Item {
  uint32_t step = 0;
  uint32_t segment = 0;
  bool operator==(const Item&) const = default;
};

class Progress {
 public:
  explicit Progress(const Plan& plan);

  // Everything of a kind that may run now, best first: earlier stages, then earlier segments, so
  // that the link is busy with first hops while sums of later segments are still on their way.
  // Not for sends: those are asked for by peer.
  std::optional<Item> Ready(Verb verb) const;
  // Takes the item Ready(verb) named; Finish it when it is done.
  void Take(Verb verb);
  // The kind of computing item to run next, if any is ready: encodes feed the link and go first as
  // long as `may_encode` says that staging memory is left; then sums peers wait for; then results.
  std::optional<Verb> NextCompute(bool may_encode) const;

  // The best ready send to a peer that `may_send` admits. A peer that can't take more must not hold
  // up the others: with one queue for all, ranks could wait for each other in a circle.
  std::optional<Item> ReadySend(const std::function<bool(int peer)>& may_send) const;
  void TakeSend(Item item);

  // The receive that a frame (peer, message, segment) completes; empty if the plan has none or it
  // has come before. Finish it to make its slot readable.
  std::optional<Item> Expected(int peer, uint16_t message, uint32_t segment) const;

  // Marks an item as done. Appends to `unread` the (slot, segment) pairs whose last reader this
  // was.
  void Finish(Item item, std::vector<std::pair<SlotId, uint32_t>>* unread);

  bool done() const { return unfinished_ == 0; }
  // Peers from which something is still expected, or to which something is still to be sent.
  std::vector<int> AwaitedPeers(Verb verb) const;

 private:
  enum class State : uint8_t { kWaiting, kReady, kTaken, kDone };
  struct Entry {
    int stage;
    uint32_t segment;
    uint32_t step;
    auto operator<=>(const Entry&) const = default;
  };
  using Queue = std::priority_queue<Entry, std::vector<Entry>, std::greater<>>;

  size_t Index(Item item) const { return first_[item.step] + item.segment; }
  void MakeReady(Item item);
  void PushSend(int peer, Entry entry);

  const Plan& plan_;
  std::vector<size_t> first_;     // index of each step's segment 0
  std::vector<uint32_t> inputs_;  // slots an item still waits for
  std::vector<State> state_;
  std::vector<std::vector<uint32_t>> readers_;  // steps that read each slot
  std::vector<size_t> slot_first_;
  std::vector<uint32_t> unread_;                           // readers left of each (slot, segment)
  std::map<std::pair<int, uint16_t>, uint32_t> receives_;  // (peer, message) -> step
  Queue ready_[6];                                         // by Verb
  std::map<int, Queue> sends_;                             // by peer
  std::set<std::pair<Entry, int>> next_sends_;  // the best of each peer's queue, best peer first
  size_t unfinished_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_PROGRESS_H_
