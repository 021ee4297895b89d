// SPDX-License-Identifier: Apache-2.0
//
// Engine: runs the plans of one communicator, any number at once. The only progress loop: one
// thread owns the transport, the device and every OperationRun; other threads hand in work and wait
// for completions. See docs/architecture.md, "Threads".
//
// When something fails, the engine fails as a whole: every operation ends with the same error, the
// other ranks are told why, and later submissions are refused. Rebuilding is the caller's decision.

#ifndef THINWIRE_COLLECTIVE_ENGINE_H_
#define THINWIRE_COLLECTIVE_ENGINE_H_

#include <atomic>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "collective/bundles.h"
#include "collective/call_queue.h"
#include "collective/flow_control.h"
#include "collective/link_model.h"
#include "collective/liveness.h"
#include "collective/operation_run.h"
#include "collective/rate_control.h"
#include "device/device.h"
#include "transport/transport.h"
#include "wire/frame.h"
#include "wire/probe_note.h"

namespace thinwire {

struct EngineOptions {
  int rank = 0;
  int ranks = 1;
  uint64_t communicator = 0;  // names it on the wire
  uint32_t epoch = 0;
  double timeout_seconds = 600;          // an operation without progress for so long fails
  double silence_seconds = 10;           // a peer not heard of for so long is given up (liveness.h)
  size_t early_bytes = size_t{1} << 30;  // of a peer's frames of operations not handed in here yet
  // Where what was done is entered.
  std::shared_ptr<Ledger> ledger = std::make_shared<Ledger>();
  std::shared_ptr<CallQueue> ended;  // takes every call that ends; null: nobody asks
};

class Engine {
 public:
  // `transport` is connected. `host`, like the devices of what is handed in, outlives the engine,
  // whose thread alone gives them work. `early`: messages that came before. Starts the thread.
  Engine(const EngineOptions& options, LinkModel links, std::unique_ptr<Transport> transport,
         Device* host, std::vector<Message> early = {});
  // Fails what is in flight; call Close before for a departure in good order.
  ~Engine();

  // Hands in operations that start together, or each when its stream comes to its gate. Never
  // blocks; refusals come through the completions. Of gates that repeat, completions mean nothing.
  std::vector<std::shared_ptr<Completion>> Submit(std::vector<Collective> collectives);

  // Some operation has not ended. Any thread.
  bool busy() const { return in_flight_.load(std::memory_order_acquire) > 0; }
  // The failure that stopped the engine; OK while it runs. Any thread.
  Status error() const;
  // Once it has failed: the ranks whose doing it is, as far as they are known. Any thread.
  std::set<int> Suspects() const;
  // What is known by now of the links from this rank, by peer. Any thread.
  std::vector<Link> LearnedLinks() const;
  // Fails everything, here and on the other ranks. Any thread, any time.
  void Abort(const std::string& why);
  // Close, without waiting for its end.
  void StartClose();
  // Waits for what is in flight, says goodbye, closes the transport, ends the thread. Harmless when
  // repeated.
  void Close();

 private:
  struct Submission {
    Collective collective;
    std::shared_ptr<Completion> completion;
    uint64_t replays = 0;  // of a gate that repeats: how often the stream came
  };
  struct SendInFlight {
    Request request;
    std::shared_ptr<OperationRun> run;  // null: frames of the engine's own
    Item item;
    std::vector<std::byte> frames;  // of the engine's own
  };
  struct Peer {
    Liveness life;
    bool left = false;            // said goodbye
    TimePoint lost_at{};          // its connection broke
    TimePoint idle_at{};          // its last heartbeat came, which said
    uint64_t calls = 0;           // how many collectives it had been handed
    size_t early_bytes = 0;       // that its frames in early_ take
    uint64_t received_bytes = 0;  // of data frames
  };

  void AddPeers();
  Peer& PeerAt(int rank) { return peers_[static_cast<size_t>(rank)]; }
  const Peer& PeerAt(int rank) const { return peers_[static_cast<size_t>(rank)]; }
  void Run();
  void Loop();
  std::string AbortReason() const;
  bool AcceptSubmissions();
  bool PollGates();
  void StartRun(const Submission& submission);
  void StartOne(Collective collective, std::shared_ptr<Completion> completion,
                std::shared_ptr<Completion> previous, const Collective* whole);
  // Whether frames of an operation may come before it starts here.
  bool MayComeEarly(const OperationKey& key);
  bool ReceiveAll();
  // One frame, or several that left together.
  void ReceiveMessage(Message message, TimePoint now);
  void ReceiveFrame(const ParsedFrame& frame, Message message, TimePoint now);
  void ReceiveData(const ParsedFrame& frame, Message message, TimePoint now);
  void KeepEarly(const OperationKey& key, const FrameHeader& header, Message message);
  bool ComputeAll();
  bool SendAll(TimePoint now);
  void StartSend(const std::shared_ptr<OperationRun>& run, Item item, TimePoint now);
  bool ReapSends();
  // Sends a frame without payload, or, where the peer is this rank, does what it would do.
  void Control(int peer, const FrameHeader& header);
  void TakeControl(const FrameHeader& header);
  void SendFrame(int peer, const FrameHeader& header, std::span<const std::byte> payload);
  void SendOwn(int peer, std::vector<std::byte> frame);
  // Hands what was bundled to the transport.
  void SendBundles();
  void SendFrames(int peer, std::vector<std::byte> frames);
  void Retire();
  // engine_failure.cc
  void Watch(TimePoint now);
  void WatchRuns(TimePoint now);
  bool WatchDeparted(int rank, TimePoint now);
  void WatchConnections(TimePoint now);
  void WatchSilence(TimePoint now);
  std::vector<int> SilentRanks(TimePoint now) const;
  std::vector<int> AbsentRanks(const OperationRun& run) const;
  // Pings whom data was sent to, and learns from the answers (RateControl).
  void PingPaths(TimePoint now);
  void TakeProbe(const ParsedFrame& frame, int source, TimePoint now);
  void SendProbe(int peer, const ProbeNote& note);
  bool Awaits(int peer) const;
  double FailedCloseSeconds() const;
  // `blamed`: the rank whose doing it is.
  static constexpr int kNobody = -1;
  void Fail(Status status, int blamed = kNobody);
  // `suspect`: who is probably lost.
  void EndAll(const Status& status, int blamed, int suspect);
  void ReceiveAbort(const ParsedFrame& frame, int source);
  void Suspect(int rank);
  void TellPeers(int origin, int blamed, const std::string& why);
  bool Failed() const { return failed_.load(std::memory_order_acquire); }
  bool MayLeave(TimePoint now);
  TimePoint NextLook(TimePoint now) const;
  FrameHeader Header(FrameKind kind, int peer) const;
  static bool Repeats(const Collective& collective) {
    return collective.gate != nullptr && collective.gate->repeats();
  }
  uint64_t& NextSequence(const OperationKey& key) { return next_sequence_[{key.kind, key.peer}]; }

  const EngineOptions options_;
  const LinkModel links_;
  std::unique_ptr<Transport> transport_;
  Device* const host_;
  RateControl rates_;
  Pacer pacer_;

  // Shared with other threads.
  mutable std::mutex mutex_;
  std::list<Submission> submitted_;
  Status error_;
  std::set<int> suspects_;  // as soon as it has failed
  std::string abort_reason_;
  std::vector<Link> learned_;         // from this rank, by peer
  std::atomic<size_t> in_flight_{0};  // operations handed in that have not ended
  std::atomic<bool> failed_{false};
  std::atomic<bool> aborting_{false};
  std::atomic<bool> closing_{false};

  // The thread's own.
  std::vector<Peer> peers_;
  std::list<Submission> gated_;     // their streams are not there yet, or may come again
  std::set<OperationKey> awaited_;  // of those that start once
  std::list<std::shared_ptr<OperationRun>> runs_;       // in the order handed in
  std::list<std::shared_ptr<OperationRun>> unsettled_;  // ended, but a peer may ask for bytes again
  std::map<OperationKey, std::shared_ptr<OperationRun>> by_key_;  // of both
  std::map<OperationKey, std::vector<Message>> early_;  // frames of operations not handed in yet
  // Sequence after the last one handed in, of collectives and of each direction with each peer.
  std::map<std::pair<OperationKey::Kind, int>, uint64_t> next_sequence_;
  std::deque<std::pair<OperationKey, FrameHeader>> ended_;  // lately, for error texts
  Bundles bundles_;
  std::list<SendInFlight> sends_;
  size_t largest_frame_bytes_ = 0;  // of the operations so far
  std::set<int> gave_up_;           // ranks that are known to have failed, oneself included
  std::set<int> blamed_;            // whose doing it was, as error_ says
  std::vector<Message> arrived_;
  std::deque<Message> to_self_;
  TimePoint next_watch_{};
  TimePoint next_send_{};  // when the pacer lets the next frame go
  TimePoint leave_by_{};
  std::thread thread_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_ENGINE_H_
