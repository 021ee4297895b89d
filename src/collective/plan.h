// SPDX-License-Identifier: Apache-2.0
//
// Plan: one rank's part in a collective, as data. The engine runs it, the simulator times it,
// people print it and tests execute it symbolically. Made by the planner; immutable afterwards.
//
// A plan is a list of steps over *slots*. A slot holds one encoded message and is written by
// exactly one step (kEncode, kReceive or kReduce) and read by any number of later ones. Every step
// is run once a segment: segment s covers elements [s * segment_elements, ...) of the step's own
// range, and depends on segment s of the slots it reads, on nothing else. That is all the
// pipelining there is.

#ifndef THINWIRE_COLLECTIVE_PLAN_H_
#define THINWIRE_COLLECTIVE_PLAN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "codec/codec.h"

namespace thinwire {

// Numbers stand on the wire (docs/wire-format.md); what each is: algorithms.h.
enum class Algorithm : uint8_t {
  kAuto = 0,
  kDirect = 1,
  kOneShot = 2,
  kSra = 3,
  kRing = 4,
  kGrid = 5,
  kHierarchical = 6,
  kUnevenSra = 7,
  kHalvingDoubling = 8,
  kRecursiveDoubling = 9,
  kTree = 10,
  kDoubleTree = 11,
};
inline constexpr int kAlgorithms = 12;
std::string_view NameOf(Algorithm algorithm);
std::optional<Algorithm> AlgorithmFromName(std::string_view name);
std::span<const std::string_view> AlgorithmNames();  // by number

inline bool IsPointToPoint(Operation operation) {
  return operation == Operation::kSend || operation == Operation::kRecv;
}
inline bool HasRoot(Operation operation) {
  return operation == Operation::kBroadcast || operation == Operation::kReduce;
}
inline bool Reduces(Operation operation) {
  return operation == Operation::kAllReduce || operation == Operation::kReduceScatter ||
         operation == Operation::kReduce;
}

// Elements of a rank's input and output, of a call with `count`; the root's, where there is one.
struct BufferElements {
  size_t input = 0;
  size_t output = 0;
};
BufferElements ElementsOf(Operation operation, size_t count, int ranks);

// What a plan is a function of, besides the links. Equal on all ranks of a collective.
struct PlanRequest {
  Operation operation = Operation::kAllReduce;
  DataType dtype = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  // As in the call: elements of the input, but for reduce-scatter of the output, and for all-to-all
  // of each rank's part of them.
  size_t count = 0;
  int root = 0;  // broadcast, reduce: the root; recv: the sender; send: the receiver
  int ranks = 1;
  const Codec* codec = &RawCodec();
  // All-reduce: ranks, ascending, that bring nothing and only hear the result.
  std::vector<int> absent = {};

  bool IsAbsent(int rank) const { return std::ranges::binary_search(absent, rank); }
  // What a mean divides by.
  int contributors() const { return ranks - static_cast<int>(absent.size()); }
};

enum class Verb : uint8_t {
  kCopy,     // output[output, +count) = input[input, +count)
  kEncode,   // slot = encode(input[input, +count))
  kSend,     // slot -> peer
  kReceive,  // slot <- peer
  kReduce,   // slot or output[output, +count) = reduction of terms, in that order
  kDecode,   // output[output, +count) = decode(slot)
};
std::string_view NameOf(Verb verb);

using SlotId = uint32_t;
inline constexpr SlotId kNoSlot = ~SlotId{0};
inline constexpr SlotId kOwnInput = kNoSlot - 1;  // as a term: this rank's input[input, +count)

struct Step {
  Verb verb = Verb::kCopy;
  size_t count = 0;           // elements
  size_t input = 0;           // where in the input, in elements
  size_t output = 0;          // where in the output, in elements
  SlotId slot = kNoSlot;      // written or read; a kReduce without one writes the output
  std::vector<SlotId> terms;  // kReduce: slots and kOwnInput, in rank order
  int peer = -1;              // kSend, kReceive
  uint16_t message = 0;       // kSend, kReceive: tells apart the messages of an ordered pair; one
                              // slot goes to all its peers under one number, as one sealed frame
  int stage = 0;              // hops that came before: earlier stages are served first
  bool average = false;       // kReduce, kDecode: the result is divided by how many contributed
  // kSend: part of the link's rate it may go at: below 1 where several ranks send to one at once,
  // whose downlink they share.
  double share = 1;
};

// Where the bytes of a slot come from and go to.
struct Slot {
  const Codec* codec = nullptr;
  size_t count = 0;  // elements
  int stage = 0;
  bool received = false;  // written by kReceive; else by kEncode or kReduce
  bool complete = false;  // holds the sum of all ranks
  // Received, and counted as consumed at once (flow_control.h): where what is summed here waits for
  // messages that stand behind others in the same windows, windows could wait for each other in a
  // circle. Costs memory: up to all that the plan receives of the kind.
  bool credited_early = false;
  int peer = -1;         // the rank it comes from or goes to; -1: several, or none
  uint16_t message = 0;  // under this number
};

struct Plan {
  PlanRequest request;
  Algorithm algorithm = Algorithm::kDirect;
  int rank = 0;
  size_t segment_elements = 1;
  std::vector<Step> steps;
  std::vector<Slot> slots;

  size_t segments(const Step& step) const;
  // Elements of segment `segment` of `step`, relative to the step's own offsets.
  size_t segment_begin(size_t segment) const { return segment * segment_elements; }
  size_t segment_count(const Step& step, size_t segment) const;
  // Payload bytes of a message's segment; the most it may take where that depends on the elements.
  size_t PayloadBytes(SlotId slot, size_t count) const;
  // Payload bytes of sums, which all may wait at once to be sent: other slots don't wait long.
  size_t SumBytes() const;
  // Payload bytes that the plan sends to (kSend) or receives from (kReceive) a peer.
  size_t PayloadBytes(Verb verb, int peer) const;
};

// Whether messages in this codec begin with a StateHead: those with arguments, modifiers or state
// do, so that ranks that differ in them find out (wire/state_head.h).
bool HasStateHead(const Codec& codec);

// At least so many segments a message, where it is long enough: a second hop then starts when a
// quarter of the first is through. Below kMinSegmentBytes headers and wake-ups would show.
inline constexpr size_t kMinSegments = 4;
inline constexpr size_t kMinSegmentBytes = size_t{16} << 10;

// The plan as text, a step a line.
std::string FormatPlan(const Plan& plan);

// Chunk `index` of `count` elements dealt evenly to `chunks` ranks; sizes differ by at most one.
struct Chunk {
  size_t offset;
  size_t count;
};
Chunk ChunkOf(size_t count, int chunks, int index);
// The elements of a request dealt out by `weights`, in order; those of weight 0 get none. Where
// sums are exact, chunks begin where steps do, so that every algorithm rounds the same elements
// alike.
std::vector<Chunk> ChunksOf(const PlanRequest& request, const std::vector<uint32_t>& weights);

// Builds a plan as a sequence of verbs. Steps over zero elements are steps like any other: a
// message may be empty, so short vectors and barriers need no special case.
class PlanBuilder {
 public:
  PlanBuilder(const PlanRequest& request, Algorithm algorithm, int rank);

  void Copy(size_t input, size_t output, size_t count);
  SlotId Encode(size_t input, size_t count);
  // What a message holds: an input as its owner encoded it, or a sum, partial or of all ranks; or
  // either of the first two uncoded, whatever the codec.
  enum class Content : uint8_t { kInput, kPartial, kSum, kUncoded };
  SlotId EncodeAs(size_t input, size_t count, Content content);
  void Send(SlotId slot, int peer, uint16_t message, double share = 1);
  // `hop`: how many came before the one the message comes by.
  SlotId Receive(int peer, size_t count, uint16_t message, int hop,
                 Content content = Content::kInput);
  void CreditEarly(SlotId received) { plan_.slots[received].credited_early = true; }
  // This rank's own contribution as a term: as it is, or, where sums are exact only between encoded
  // contributions, encoded.
  SlotId Own(size_t input, size_t count);
  SlotId ReduceToSlot(std::vector<SlotId> terms, size_t input, size_t count, Content content);
  void ReduceToOutput(std::vector<SlotId> terms, size_t input, size_t output, size_t count);
  void Decode(SlotId slot, size_t output);

  // `segment_bytes`: encoded bytes a segment aims at; larger where a message would otherwise have
  // more than `max_segments`.
  Plan Build(size_t segment_bytes, size_t max_segments = ~size_t{0}) &&;

 private:
  SlotId NewSlot(size_t count, int stage, Content content);
  Step& Add(Verb verb, size_t count, int stage);
  int StageOf(const std::vector<SlotId>& terms) const;
  bool Averages() const { return plan_.request.reduction == Reduction::kAvg; }

  Plan plan_;
  std::vector<bool> sent_;  // by slot
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_PLAN_H_
