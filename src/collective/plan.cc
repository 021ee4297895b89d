// SPDX-License-Identifier: Apache-2.0
#include "collective/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/checked.h"
#include "wire/state_head.h"

namespace thinwire {
namespace {

constexpr std::array<std::string_view, kAlgorithms> kAlgorithmNames = {"auto",
                                                                       "direct",
                                                                       "one-shot",
                                                                       "sra",
                                                                       "ring",
                                                                       "grid",
                                                                       "hierarchical",
                                                                       "uneven-sra",
                                                                       "halving-doubling",
                                                                       "recursive-doubling",
                                                                       "tree",
                                                                       "double-tree"};
constexpr std::array<std::string_view, 6> kVerbNames = {"copy",    "encode", "send",
                                                        "receive", "reduce", "decode"};

// Of messages that go uncoded beside coded ones: past this they come in lumps.
constexpr size_t kMaxUncodedSegmentBytes = size_t{1} << 20;

size_t SegmentElements(const Codec& codec, DataType dtype, size_t longest, size_t segment_bytes) {
  if (longest == 0) return 1;
  const size_t message_bytes = codec.EncodedBytes(longest, dtype);
  const size_t target = std::clamp(CeilDivide(message_bytes, kMinSegments), kMinSegmentBytes,
                                   std::max(segment_bytes, kMinSegmentBytes));
  const double elements_per_byte =
      static_cast<double>(longest) / static_cast<double>(message_bytes);
  const auto elements = static_cast<size_t>(static_cast<double>(target) * elements_per_byte);
  return RoundUp(std::max<size_t>(elements, 1), codec.granule());
}

}  // namespace

std::string_view NameOf(Algorithm algorithm) {
  return kAlgorithmNames[static_cast<size_t>(algorithm)];
}
std::span<const std::string_view> AlgorithmNames() { return kAlgorithmNames; }
std::string_view NameOf(Verb verb) { return kVerbNames[static_cast<size_t>(verb)]; }

std::optional<Algorithm> AlgorithmFromName(std::string_view name) {
  const auto found = std::find(kAlgorithmNames.begin(), kAlgorithmNames.end(), name);
  if (found == kAlgorithmNames.end()) return std::nullopt;
  return static_cast<Algorithm>(found - kAlgorithmNames.begin());
}

BufferElements ElementsOf(Operation operation, size_t count, int ranks) {
  const size_t all = count * static_cast<size_t>(ranks);
  switch (operation) {
    case Operation::kAllGather:
      return {count, all};
    case Operation::kReduceScatter:
      return {all, count};
    case Operation::kAllToAll:
      return {all, all};
    case Operation::kSend:
      return {count, 0};
    case Operation::kRecv:
      return {0, count};
    default:
      return {count, count};
  }
}

size_t Plan::segments(const Step& step) const {
  return std::max<size_t>(CeilDivide(step.count, segment_elements), 1);
}

size_t Plan::segment_count(const Step& step, size_t segment) const {
  return std::min(segment_elements, step.count - segment_begin(segment));
}

bool HasStateHead(const Codec& codec) { return codec.spec() != NameOf(codec.id()); }

size_t Plan::PayloadBytes(SlotId slot, size_t count) const {
  return (HasStateHead(*request.codec) ? kStateHeadBytes : 0) +
         slots[slot].codec->EncodedBytes(count, request.dtype);
}

size_t Plan::SumBytes() const {
  size_t bytes = 0;
  for (const Step& step : steps) {
    if (step.verb == Verb::kReduce && step.slot != kNoSlot) {
      bytes += PayloadBytes(step.slot, step.count);
    }
  }
  return bytes;
}

size_t Plan::PayloadBytes(Verb verb, int peer) const {
  size_t bytes = 0;
  for (const Step& step : steps) {
    if (step.verb != verb || step.peer != peer) continue;
    const size_t last = segments(step) - 1;
    bytes += last * PayloadBytes(step.slot, segment_elements) +
             PayloadBytes(step.slot, segment_count(step, last));
  }
  return bytes;
}

std::string FormatPlan(const Plan& plan) {
  const PlanRequest& request = plan.request;
  std::string text = fmt::format(
      "{} of {} {} ({}), rank {} of {}: algorithm {}, codec {}, segments of {} elements\n",
      NameOf(request.operation), request.count, NameOf(request.dtype), NameOf(request.reduction),
      plan.rank, request.ranks, NameOf(plan.algorithm), request.codec->spec(),
      plan.segment_elements);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    text += fmt::format("{:4}  stage {}  {:8}", i, step.stage, NameOf(step.verb));
    const auto reads_input = [&] { return fmt::format("input[{}, +{})", step.input, step.count); };
    const auto writes_output = [&] {
      return fmt::format("output[{}, +{})", step.output, step.count);
    };
    switch (step.verb) {
      case Verb::kCopy:
        text += fmt::format("{} -> {}", reads_input(), writes_output());
        break;
      case Verb::kEncode:
        text += fmt::format("{} -> slot {}", reads_input(), step.slot);
        break;
      case Verb::kSend:
        text += fmt::format("slot {} -> rank {} as message {}", step.slot, step.peer, step.message);
        break;
      case Verb::kReceive:
        text += fmt::format("rank {} message {} -> slot {}", step.peer, step.message, step.slot);
        break;
      case Verb::kReduce: {
        std::vector<std::string> terms;
        for (const SlotId term : step.terms) {
          terms.push_back(term == kOwnInput ? reads_input() : fmt::format("slot {}", term));
        }
        text +=
            fmt::format("{} -> {}", fmt::join(terms, " + "),
                        step.slot == kNoSlot ? writes_output() : fmt::format("slot {}", step.slot));
        break;
      }
      case Verb::kDecode:
        text += fmt::format("slot {} -> {}", step.slot, writes_output());
        break;
    }
    text +=
        fmt::format("  ({} segment{})\n", plan.segments(step), plan.segments(step) == 1 ? "" : "s");
  }
  return text;
}

Chunk ChunkOf(size_t count, int chunks, int index) {
  const auto n = static_cast<size_t>(chunks);
  const auto i = static_cast<size_t>(index);
  const size_t share = count / n;
  const size_t larger = count % n;  // the first `larger` chunks hold one element more
  return {i * share + std::min(i, larger), share + (i < larger ? 1 : 0)};
}

std::vector<Chunk> ChunksOf(const PlanRequest& request, const std::vector<uint32_t>& weights) {
  const size_t unit = request.codec->sums_exactly() ? kStepElements : 1;
  const size_t units = CeilDivide(request.count, unit);
  const size_t total = std::accumulate(weights.begin(), weights.end(), size_t{0});
  // Each gets its part rounded down; those left over go to the first that get any.
  const auto part = [&](size_t weight) {
    return units / total * weight + units % total * weight / total;
  };
  size_t left = units;
  for (const size_t weight : weights) left -= part(weight);
  std::vector<Chunk> chunks;
  size_t begin = 0;
  for (const size_t weight : weights) {
    const size_t more = weight > 0 && left > 0 ? 1 : 0;
    left -= more;
    const size_t end = std::min(begin + (part(weight) + more) * unit, request.count);
    chunks.push_back({begin, end - begin});
    begin = end;
  }
  return chunks;
}

PlanBuilder::PlanBuilder(const PlanRequest& request, Algorithm algorithm, int rank) {
  plan_.request = request;
  plan_.algorithm = algorithm;
  plan_.rank = rank;
}

SlotId PlanBuilder::NewSlot(size_t count, int stage, Content content) {
  const Codec& codec = *plan_.request.codec;
  Slot& slot = plan_.slots.emplace_back();
  sent_.push_back(false);
  slot.codec = content == Content::kInput     ? &codec
               : content == Content::kUncoded ? &RawCodec()
                                              : &codec.ForSums(plan_.request.ranks);
  slot.count = count;
  slot.stage = stage;
  slot.complete = content == Content::kSum;
  return static_cast<SlotId>(plan_.slots.size() - 1);
}

Step& PlanBuilder::Add(Verb verb, size_t count, int stage) {
  Step& step = plan_.steps.emplace_back();
  step.verb = verb;
  step.count = count;
  step.stage = stage;
  return step;
}

int PlanBuilder::StageOf(const std::vector<SlotId>& terms) const {
  int stage = 0;
  for (const SlotId term : terms) {
    if (term != kOwnInput) stage = std::max(stage, plan_.slots[term].stage);
  }
  return stage;
}

void PlanBuilder::Copy(size_t input, size_t output, size_t count) {
  Step& step = Add(Verb::kCopy, count, 0);
  step.input = input;
  step.output = output;
}

SlotId PlanBuilder::Encode(size_t input, size_t count) {
  return EncodeAs(input, count, Content::kInput);
}

SlotId PlanBuilder::EncodeAs(size_t input, size_t count, Content content) {
  const SlotId slot = NewSlot(count, 0, content);
  Step& step = Add(Verb::kEncode, count, 0);
  step.input = input;
  step.slot = slot;
  return slot;
}

SlotId PlanBuilder::Own(size_t input, size_t count) {
  return plan_.request.codec->sums_exactly() ? Encode(input, count) : kOwnInput;
}

void PlanBuilder::Send(SlotId id, int peer, uint16_t message, double share) {
  Slot& slot = plan_.slots[id];
  Step& step = Add(Verb::kSend, slot.count, slot.stage);
  step.slot = id;
  step.peer = peer;
  step.message = message;
  step.share = share;
  if (slot.received) return;
  slot.peer = sent_[id] ? -1 : peer;
  slot.message = message;
  sent_[id] = true;
}

SlotId PlanBuilder::Receive(int peer, size_t count, uint16_t message, int hop, Content content) {
  const int stage = hop + 1;
  const SlotId id = NewSlot(count, stage, content);
  Slot& slot = plan_.slots[id];
  slot.received = true;
  slot.peer = peer;
  slot.message = message;
  Step& step = Add(Verb::kReceive, count, stage);
  step.slot = id;
  step.peer = peer;
  step.message = message;
  return id;
}

SlotId PlanBuilder::ReduceToSlot(std::vector<SlotId> terms, size_t input, size_t count,
                                 Content content) {
  const int stage = StageOf(terms);
  const SlotId slot = NewSlot(count, stage, content);
  Step& step = Add(Verb::kReduce, count, stage);
  step.terms = std::move(terms);
  step.input = input;
  step.slot = slot;
  // Sums that must stay exact on the way are divided where they are decoded.
  step.average = Averages() && content == Content::kSum && !plan_.request.codec->sums_exactly();
  return slot;
}

void PlanBuilder::ReduceToOutput(std::vector<SlotId> terms, size_t input, size_t output,
                                 size_t count) {
  const int stage = StageOf(terms);
  Step& step = Add(Verb::kReduce, count, stage);
  step.terms = std::move(terms);
  step.input = input;
  step.output = output;
  step.average = Averages();
}

void PlanBuilder::Decode(SlotId id, size_t output) {
  const Slot& slot = plan_.slots[id];
  Step& step = Add(Verb::kDecode, slot.count, slot.stage);
  step.slot = id;
  step.output = output;
  step.average = Averages() && slot.complete && plan_.request.codec->sums_exactly();
}

Plan PlanBuilder::Build(size_t segment_bytes, size_t max_segments) && {
  const PlanRequest& request = plan_.request;
  size_t longest = 0;
  for (const Step& step : plan_.steps) longest = std::max(longest, step.count);
  const size_t bytes = request.codec->EncodedBytes(longest, request.dtype);
  segment_bytes = std::max(segment_bytes, bytes / max_segments);
  size_t elements = SegmentElements(*request.codec, request.dtype, longest, segment_bytes);
  // Uncoded messages of a plan have the same segments, and must fit into frames, too.
  const bool some_uncoded = std::any_of(plan_.slots.begin(), plan_.slots.end(), [&](const Slot& s) {
    return s.codec == &RawCodec() && request.codec != &RawCodec();
  });
  if (some_uncoded) {
    const size_t most = kMaxUncodedSegmentBytes / SizeOf(request.dtype);
    elements = std::min(
        elements, std::max(most / request.codec->granule(), size_t{1}) * request.codec->granule());
  }
  plan_.segment_elements = elements;
  return std::move(plan_);
}

}  // namespace thinwire
