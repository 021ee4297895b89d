// SPDX-License-Identifier: Apache-2.0
//
// OperationRun: one operation of one rank in flight: its plan's progress, the encoded messages it
// holds, its windows and its figures. Only the engine's thread touches it, but for Completion.

#ifndef THINWIRE_COLLECTIVE_OPERATION_RUN_H_
#define THINWIRE_COLLECTIVE_OPERATION_RUN_H_

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "collective/agreed_steps.h"
#include "collective/call_queue.h"
#include "collective/flow_control.h"
#include "collective/ledger.h"
#include "collective/operation_state.h"
#include "collective/plan.h"
#include "collective/progress.h"
#include "device/device.h"
#include "transport/transport.h"
#include "wire/frame.h"
#include "wire/state_head.h"

namespace thinwire {

// The key of calls without one.
inline constexpr uint64_t kNoKey = ~uint64_t{0};

// One call, as the layers below the API see it.
struct Collective {
  std::shared_ptr<const Plan> plan;
  const void* input = nullptr;
  void* output = nullptr;
  uint64_t sequence = 0;         // of the communicator; for send and recv, of the ordered pair
  bool measure_error = false;    // decode what was encoded and add up the error
  uint64_t key = kNoKey;         // whose state; all ranks must bring the same
  std::optional<Factor> factor;  // what this rank contributes is multiplied by it first
  std::shared_ptr<OperationState> state;  // of codecs that keep one
  std::shared_ptr<AgreedSteps> steps;     // of codecs whose sums are exact
  // By which the ranks agree on `steps`: an operation that ends before this one computes anything.
  std::shared_ptr<const Collective> agreement;
  std::shared_ptr<const LinkModel> links;  // windows are for these; null: those of the engine
  bool counted = true;                     // in the ledger; else the library's own
  std::shared_ptr<const CallNote> note;    // for whoever reads of it when it has ended
  Device* device = nullptr;                // whose memory input and output are; null: the host's
  std::shared_ptr<StreamGate>
      gate;  // starts once the stream is there, which then waits for its end
};

// Sequences of operations captured in a graph: this bit, the number of the operation among those
// captured, and how often it was replayed before. Other operations are numbered as they are called,
// so both kinds agree on all ranks whatever order streams come in.
inline constexpr uint64_t kCapturedSequence = uint64_t{1} << 63;
inline constexpr int kReplayBits = 32;

// How an operation ended, for whoever waits for it. Any thread.
class Completion {
 public:
  bool done() const;
  Status Wait();
  // REQUIRES: done().
  const RunFigures& figures() const { return figures_; }

  // Engine only.
  void Set(Status status, const RunFigures& figures);

 private:
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  Status status_;
  RunFigures figures_;
};

// Which operation a frame belongs to: collectives by their sequence, sends and receives by peer,
// direction and sequence.
struct OperationKey {
  enum class Kind : uint8_t { kCollective, kSend, kRecv };
  Kind kind = Kind::kCollective;
  int peer = -1;
  uint64_t sequence = 0;
  auto operator<=>(const OperationKey&) const = default;
};
OperationKey KeyOf(const PlanRequest& request, uint64_t sequence);

// "all_reduce #12 (1024 float, sum)", of a data frame's header, for errors.
std::string DescribeCall(const FrameHeader& header);
// kInvalidUsage says what two ranks' calls of one sequence number differ in.
Status CheckSameCall(const FrameHeader& theirs, const FrameHeader& ours);

class OperationRun {
 public:
  using SlotSegment = std::pair<SlotId, uint32_t>;

  // `header` has the fields common to all frames of the communicator.
  // `previous`: computes nothing before this has ended; may be null.
  OperationRun(Collective collective, FrameHeader header, const LinkModel& links, Device* device,
               std::shared_ptr<Completion> completion, std::shared_ptr<Completion> previous);
  ~OperationRun();
  OperationRun(const OperationRun&) = delete;
  OperationRun& operator=(const OperationRun&) = delete;

  const OperationKey& key() const { return key_; }
  const Plan& plan() const { return *collective_.plan; }
  const FrameHeader& header() const { return header_; }
  Progress& progress() { return progress_; }
  bool done() const { return progress_.done(); }
  // Of those this rank sends or receives.
  size_t largest_frame_bytes() const { return largest_frame_bytes_; }
  // Work was given to the device that has not finished.
  bool device_busy() const { return !device_work_.empty() || !measuring_.empty(); }
  // The call and, for a send or receive, the peer; for errors.
  std::string Describe() const;

  // Takes hold of its state; then, of an agreement, starts to measure what `whole` needs.
  Status Begin(const Collective* whole);

  // Runs one ready computing item, if any. True if it did.
  Result<bool> Compute();
  // Finishes computing items whose device work has ended. True if any had.
  Result<bool> PollDevice();

  // A ready send whose peer's window is open and that `may_send` admits; then its bytes, sealed.
  std::optional<Item> NextSend(const std::function<bool(int)>& may_send);
  std::span<const std::byte> StartSend(Item item, TimePoint now);
  void FinishSend(Item item);

  // Takes a data frame of this operation, already parsed. Errors say what doesn't fit.
  Status Receive(const ParsedFrame& frame, Message message, TimePoint now);
  // Takes a credit from a peer.
  void Acknowledge(int peer, uint64_t bytes);
  // Frames without payload that peers should get, with their headers: how much was consumed, and
  // what they must send again in full since a reference here is not theirs.
  std::vector<std::pair<int, FrameHeader>> DueControl();

  // A frame that holds, in full, the segment a peer could not use; empty if there is none, or it
  // was asked for before.
  std::vector<std::byte> Resend(const FrameHeader& request);
  // Every peer has used what it was sent, so that none will ask for it again. Operations without
  // references never are asked.
  bool settled() const;

  // Fails or completes, waiting for the device first where it is still at work; nothing else may be
  // called afterwards. Enters in the ledger what was done, and the call in `ended` if that is not
  // null.
  void End(Status status, TimePoint now, Ledger* ledger, CallQueue* ended);
  void AddWait(Duration waited) { figures_.wait_seconds += ToSeconds(waited); }

  TimePoint last_progress() const { return last_progress_; }
  // Until then operations that began earlier had the link.
  void WaitedUntil(TimePoint time) { last_progress_ = std::max(last_progress_, time); }
  std::vector<int> AwaitedPeers() const { return progress_.AwaitedPeers(Verb::kReceive); }

 private:
  // One segment of a slot.
  struct Staged {
    std::byte* staging = nullptr;  // a frame of ours: header, then payload
    Message message;               // or one that came in
    std::byte* copy = nullptr;     // of that, where the device does not reach it
    std::span<std::byte> frame;    // whichever of them
    StateContent content = StateContent::kCoded;
    bool sealed = false;
    bool consumed = false;  // a message, and its sender's window knows
    uint32_t unsent = 0;    // sends of an encoded slot that are not done
    std::span<const std::byte> payload() const { return frame.subspan(kFrameHeaderBytes); }
  };
  // Where and how a segment is to be encoded.
  struct Target {
    const Codec* codec;
    std::byte* bytes;
    Noise noise;
    StateSpan state;
    const uint16_t* steps;
  };

  EndedCall Ended(const Status& status, TimePoint now) const;
  Result<Ticket> Start(Item item);
  // `of`: the terms.
  Result<Ticket> StartReduce(const Step& step, Item item, const std::vector<SlotId>& of);
  Status FinishCompute(Item item);
  Status Measure(Item item);
  Result<Target> NewStaging(const Step& step, Item item);
  // Cuts a frame to the bytes that were written.
  void TrimStaging(SlotSegment id);
  // The elements of a segment of a slot, encoded or as a reference.
  Term Contents(SlotSegment id) const;
  void Finish(Item item);
  void Release(SlotSegment slot);
  void Free(const Staged& slot);
  // A message counts as consumed once it is decoded, though it may still wait to be forwarded: in a
  // ring, where everybody forwards, windows that waited for that would wait for each other.
  void NoteConsumed(Staged* slot);

  // The state of a segment of a slot: of kind kNone if it keeps none.
  StateSpan StateOf(SlotSegment id) const;
  size_t head_bytes() const { return HasStateHead(*plan().request.codec) ? kStateHeadBytes : 0; }
  bool UsesReferences() const;
  size_t StateSegmentBytes(SlotSegment id) const;
  size_t SegmentElements(SlotSegment id) const;
  void PackHead(SlotSegment id, StateContent content, std::byte* payload) const;
  // Reads and checks what came; false if it must come again in full.
  Result<bool> AcceptPayload(SlotSegment id, Staged* slot);
  Result<bool> AcceptHead(const StateHead& head, SlotSegment id, Staged* slot);
  const void* InputAt(const Step& step, Item item) const;
  void* OutputAt(const Step& step, Item item) const;
  size_t CountOf(Item item) const {
    return plan().segment_count(plan().steps[item.step], item.segment);
  }

  Collective collective_;
  OperationKey key_;
  FrameHeader header_;  // of this operation's data frames
  Device* device_;
  std::shared_ptr<Completion> completion_;
  std::shared_ptr<Completion> previous_;
  Progress progress_;
  std::map<SlotSegment, Staged> slots_;
  std::map<int, Window> windows_;    // by peer
  std::vector<SlotSegment> unread_;  // scratch
  std::vector<std::pair<Ticket, Item>> device_work_;
  std::vector<Ticket> measuring_;                      // before anything is computed
  std::optional<Operation> whole_;                     // what this is an agreement for
  std::vector<uint32_t> sends_of_;                     // sends that read each slot
  std::vector<std::pair<int, FrameHeader>> requests_;  // of frames to come again in full
  // Peer, message and segment of frames that went again: each may be asked for once.
  std::set<std::tuple<int, uint16_t, uint32_t>> sent_again_;
  size_t largest_frame_bytes_ = 0;
  bool out_of_step_ = false;  // some reference was not the sender's
  size_t staged_bytes_ = 0;   // encoded and not yet sent to all
  RunFigures figures_;
  TimePoint begin_;
  TimePoint first_sent_{};
  TimePoint last_received_{};
  int last_peer_ = -1;  // that was first heard of
  TimePoint last_peer_heard_{};
  TimePoint device_busy_since_{};
  TimePoint last_progress_;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_OPERATION_RUN_H_
