// SPDX-License-Identifier: Apache-2.0
//
// OperationRun: the payloads of codecs with arguments, modifiers or state: their heads, and what
// happens when two ends hold different references.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "collective/operation_run.h"

namespace thinwire {

size_t OperationRun::SegmentElements(SlotSegment id) const {
  const size_t begin = plan().segment_begin(id.second);
  return std::min(plan().segment_elements, plan().slots[id.first].count - begin);
}

size_t OperationRun::StateSegmentBytes(SlotSegment id) const {
  return plan().slots[id.first].codec->StateBytes(SegmentElements(id));
}

StateSpan OperationRun::StateOf(SlotSegment id) const {
  if (collective_.state == nullptr) return {};
  const SlotState& state = collective_.state->slots[id.first];
  if (state.after.empty()) return {};
  const Codec& codec = *plan().slots[id.first].codec;
  const size_t offset = codec.StateBytes(plan().segment_begin(id.second));
  return {.kind = codec.feedback(),
          .storage = &codec.storage(),
          .before = state.before.empty() ? nullptr : state.before.data() + offset,
          .after = state.after.data() + offset};
}

void OperationRun::PackHead(SlotSegment id, StateContent content, std::byte* payload) const {
  StateHead head;
  head.content = content;
  head.codec_hash = CodecHash(plan().request.codec->spec());
  head.key = collective_.key;
  const StateSpan state = StateOf(id);
  if (state.kind == Feedback::kReference) {
    const SlotState& slot = collective_.state->slots[id.first];
    head.version = slot.version;
    if (content == StateContent::kCoded) {
      head.reference_hash = Xxh3({state.before, StateSegmentBytes(id)});
    }
  }
  PackStateHead(head, payload);
}

Result<bool> OperationRun::AcceptPayload(SlotSegment id, Staged* slot) {
  const Slot& planned = plan().slots[id.first];
  const DataType dtype = plan().request.dtype;
  const size_t count = SegmentElements(id);
  bool usable = true;
  if (head_bytes() > 0) {
    TW_ASSIGN(const StateHead head, ParseStateHead(slot->payload()));
    TW_ASSIGN(usable, AcceptHead(head, id, slot));
  }
  const size_t bytes = slot->payload().size() - head_bytes();
  size_t expected = planned.codec->EncodedBytes(count, dtype);
  if (slot->content == StateContent::kFirstVisit) {
    expected = planned.codec->first_visit().EncodedBytes(count, dtype);
  } else if (slot->content == StateContent::kReference) {
    expected = StateSegmentBytes(id);
  }
  if (planned.codec->fixed_size() ? bytes != expected : bytes > expected) {
    return RemoteError("rank {} sent {} bytes for segment {} of {}, which takes {}",
                       slot->message.source(), bytes, id.second, Describe(), expected);
  }
  if (slot->content == StateContent::kReference) {
    const StateSpan state = StateOf(id);
    std::memcpy(state.after, slot->payload().data() + head_bytes(), expected);
  }
  return usable;
}

Result<bool> OperationRun::AcceptHead(const StateHead& head, SlotSegment id, Staged* slot) {
  const int peer = slot->message.source();
  const std::string& spec = plan().request.codec->spec();
  if (head.codec_hash != CodecHash(spec)) {
    return InvalidUsage("rank {} and rank {} call {} differently: codec {} here, another there",
                        peer, plan().rank, Describe(), spec);
  }
  if (head.key != collective_.key) {
    return InvalidUsage("rank {} and rank {} call {} differently: key {} there, {} here", peer,
                        plan().rank, Describe(), head.key, collective_.key);
  }
  const StateSpan state = StateOf(id);
  slot->content = head.content;
  if (state.kind != Feedback::kReference) {
    if (head.content == StateContent::kCoded) return true;
    return RemoteError("rank {} sent a reference for {}, which has none", peer, Describe());
  }
  SlotState& own = collective_.state->slots[id.first];
  own.version_after = head.version + 1;
  if (head.content != StateContent::kCoded) return true;
  if (state.before != nullptr && own.version == head.version &&
      Xxh3({state.before, StateSegmentBytes(id)}) == head.reference_hash) {
    return true;
  }
  if (!std::exchange(out_of_step_, true)) {
    TW_LOG(kWarn,
           "rank {}: the reference of key {} is out of step with rank {}; asked for it in full",
           plan().rank, collective_.key, peer);
  }
  return false;
}

std::vector<std::byte> OperationRun::Resend(const FrameHeader& request) {
  for (SlotId slot = 0; slot < plan().slots.size(); ++slot) {
    const Slot& planned = plan().slots[slot];
    const SlotSegment id{slot, request.segment};
    if (planned.received || planned.message != request.message) continue;
    if (planned.peer != -1 && planned.peer != request.source) continue;
    if (plan().segment_begin(id.second) >= planned.count) continue;
    const StateSpan state = StateOf(id);
    if (state.kind != Feedback::kReference) continue;
    if (!sent_again_.emplace(request.source, request.message, request.segment).second) return {};
    const size_t bytes = StateSegmentBytes(id);
    std::vector<std::byte> frame(kFrameHeaderBytes + kStateHeadBytes + bytes);
    PackHead(id, StateContent::kReference, frame.data() + kFrameHeaderBytes);
    std::memcpy(frame.data() + kFrameHeaderBytes + kStateHeadBytes, state.after, bytes);
    FrameHeader header = header_;
    header.message = request.message;
    header.segment = request.segment;
    header.payload_bytes = static_cast<uint32_t>(kStateHeadBytes + bytes);
    SealFrame(header, frame.data());
    windows_[request.source].sent += header.payload_bytes;
    figures_.wire_bytes += frame.size();
    return frame;
  }
  return {};
}

}  // namespace thinwire
