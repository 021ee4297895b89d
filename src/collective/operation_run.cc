// SPDX-License-Identifier: Apache-2.0
#include "collective/operation_run.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/hash.h"
#include "collective/simulator.h"

namespace thinwire {
namespace {

template <typename T>
std::string Differing(std::string_view what, T theirs, T ours) {
  return fmt::format("{} {} there, {} here", what, theirs, ours);
}

std::string_view CodecName(uint8_t id) {
  const std::string_view name = NameOf(static_cast<CodecId>(id));
  return name.empty() ? "unknown" : name;
}

// Names of small numbers from a peer, which may be out of range.
template <typename Enum>
std::string_view SafeName(uint8_t value, int names) {
  return value < names ? NameOf(static_cast<Enum>(value)) : std::string_view("unknown");
}

// What two calls of one sequence number differ in; empty if in nothing.
std::string Difference(const FrameHeader& theirs, const FrameHeader& ours) {
  if (theirs.operation != ours.operation) {
    return Differing("operation", SafeName<Operation>(theirs.operation, kOperations),
                     SafeName<Operation>(ours.operation, kOperations));
  }
  if (theirs.count != ours.count) return Differing("count", theirs.count, ours.count);
  if (theirs.dtype != ours.dtype) {
    return Differing("type", SafeName<DataType>(theirs.dtype, kDataTypes),
                     SafeName<DataType>(ours.dtype, kDataTypes));
  }
  if (theirs.reduction != ours.reduction) {
    return Differing("reduction", SafeName<Reduction>(theirs.reduction, kReductions),
                     SafeName<Reduction>(ours.reduction, kReductions));
  }
  if (theirs.root != ours.root) return Differing("root", theirs.root, ours.root);
  if (theirs.codec != ours.codec) {
    return Differing("codec", CodecName(theirs.codec), CodecName(ours.codec));
  }
  if (theirs.algorithm != ours.algorithm) {
    return Differing("algorithm", SafeName<Algorithm>(theirs.algorithm, kAlgorithms),
                     SafeName<Algorithm>(ours.algorithm, kAlgorithms));
  }
  return "";
}

}  // namespace

OperationKey KeyOf(const PlanRequest& request, uint64_t sequence) {
  if (request.operation == Operation::kSend) {
    return {OperationKey::Kind::kSend, request.root, sequence};
  }
  if (request.operation == Operation::kRecv) {
    return {OperationKey::Kind::kRecv, request.root, sequence};
  }
  return {OperationKey::Kind::kCollective, -1, sequence};
}

std::string DescribeCall(const FrameHeader& header) {
  std::string text =
      fmt::format("{} #{} ({} {}", SafeName<Operation>(header.operation, kOperations),
                  header.sequence, header.count, SafeName<DataType>(header.dtype, kDataTypes));
  if (header.operation < kOperations && Reduces(static_cast<Operation>(header.operation))) {
    text += fmt::format(", {}", SafeName<Reduction>(header.reduction, kReductions));
  }
  if (HasRoot(static_cast<Operation>(header.operation)))
    text += fmt::format(", root {}", header.root);
  return text + ")";
}

Status CheckSameCall(const FrameHeader& theirs, const FrameHeader& ours) {
  const std::string difference = Difference(theirs, ours);
  if (difference.empty()) return {};
  return InvalidUsage("rank {} and rank {} call {} differently: {}", theirs.source, ours.source,
                      DescribeCall(ours), difference);
}

bool Completion::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

Status Completion::Wait() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return done_; });
  return status_;
}

void Completion::Set(Status status, const RunFigures& figures) {
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
  figures_ = figures;
  done_ = true;
  ended_.notify_all();
}

OperationRun::OperationRun(Collective collective, FrameHeader header, const LinkModel& links,
                           Device* device, std::shared_ptr<Completion> completion,
                           std::shared_ptr<Completion> previous)
    : collective_(std::move(collective)),
      key_(KeyOf(plan().request, collective_.sequence)),
      header_(header),
      device_(collective_.device != nullptr ? collective_.device : device),
      completion_(std::move(completion)),
      previous_(std::move(previous)),
      progress_(plan()),
      sends_of_(plan().slots.size(), 0),
      begin_(Now()),
      last_progress_(begin_) {
  const PlanRequest& request = plan().request;
  const bool pair = IsPointToPoint(request.operation);
  header_.kind = FrameKind::kData;
  header_.codec = static_cast<uint8_t>(request.codec->id());
  header_.flags = pair ? kFlagPointToPoint : 0;
  header_.destination = kAnyRank;
  header_.sequence = collective_.sequence;
  header_.count = request.count;
  // Both ends of a pair say kSend and no root, so that their headers are equal.
  header_.operation = static_cast<uint8_t>(pair ? Operation::kSend : request.operation);
  header_.dtype = static_cast<uint8_t>(request.dtype);
  header_.reduction = static_cast<uint8_t>(request.reduction);
  header_.algorithm = static_cast<uint8_t>(plan().algorithm);
  header_.root = static_cast<uint16_t>(pair ? 0 : request.root);
  for (const Step& step : plan().steps) {
    if (step.verb == Verb::kSend) ++sends_of_[step.slot];
    if (step.peer < 0) continue;
    const Link& there = links.at(plan().rank, step.peer);
    windows_[step.peer] = WindowBetween(there, links.at(step.peer, plan().rank));
    const size_t payload = plan().PayloadBytes(step.slot, plan().segment_count(step, 0));
    largest_frame_bytes_ = std::max(largest_frame_bytes_, kFrameHeaderBytes + payload);
  }
}

OperationRun::~OperationRun() {
  for (auto& [id, slot] : slots_) Free(slot);
}

Status OperationRun::Begin(const Collective* whole) {
  if (collective_.state != nullptr) TW_TRY(collective_.state->Begin());
  if (whole == nullptr) return {};
  whole_ = whole->plan->request.operation;
  TW_ASSIGN(measuring_, whole->steps->Measure(whole->input));
  return {};
}

std::string OperationRun::Describe() const {
  const PlanRequest& request = plan().request;
  FrameHeader header = header_;
  header.operation = static_cast<uint8_t>(request.operation);
  if (!IsPointToPoint(request.operation)) return DescribeCall(header);
  return fmt::format("{} {} rank {}", DescribeCall(header),
                     request.operation == Operation::kSend ? "to" : "from", request.root);
}

const void* OperationRun::InputAt(const Step& step, Item item) const {
  const size_t element = step.input + plan().segment_begin(item.segment);
  return static_cast<const std::byte*>(collective_.input) + element * SizeOf(plan().request.dtype);
}

void* OperationRun::OutputAt(const Step& step, Item item) const {
  const size_t element = step.output + plan().segment_begin(item.segment);
  return static_cast<std::byte*>(collective_.output) + element * SizeOf(plan().request.dtype);
}

Result<bool> OperationRun::Compute() {
  if (previous_ != nullptr) {
    if (!previous_->done()) return false;
    previous_.reset();
  }
  for (; !measuring_.empty(); measuring_.pop_back()) {
    TW_ASSIGN(const bool measured, device_->Finished(measuring_.back()));
    if (!measured) return false;
  }
  const auto verb = progress_.NextCompute(staged_bytes_ < kStagingBytes);
  if (!verb) return false;
  const Item item = *progress_.Ready(*verb);
  progress_.Take(*verb);
  const TimePoint start = Now();
  TW_ASSIGN(const Ticket ticket, Start(item));
  const double seconds = ToSeconds(Now() - start);
  (*verb == Verb::kEncode ? figures_.encode_seconds : figures_.decode_seconds) += seconds;
  if (ticket == kDoneTicket) {
    TW_TRY(FinishCompute(item));
  } else {
    if (device_work_.empty()) device_busy_since_ = start;
    device_work_.push_back({ticket, item});
  }
  return true;
}

Result<bool> OperationRun::PollDevice() {
  bool moved = false;
  for (size_t i = 0; i < device_work_.size();) {
    const auto [ticket, item] = device_work_[i];
    TW_ASSIGN(const bool finished, device_->Finished(ticket));
    if (!finished) {
      ++i;
      continue;
    }
    device_work_.erase(device_work_.begin() + static_cast<std::ptrdiff_t>(i));
    if (device_work_.empty()) figures_.device_seconds += ToSeconds(Now() - device_busy_since_);
    TW_TRY(FinishCompute(item));
    moved = true;
  }
  return moved;
}

Result<Ticket> OperationRun::Start(Item item) {
  const Step& step = plan().steps[item.step];
  const PlanRequest& request = plan().request;
  const size_t count = CountOf(item);
  switch (step.verb) {
    case Verb::kCopy:
      if (collective_.factor) return StartReduce(step, item, {kOwnInput});
      return device_->Copy(InputAt(step, item), OutputAt(step, item),
                           count * SizeOf(request.dtype));
    case Verb::kEncode: {
      if (collective_.factor) return StartReduce(step, item, {kOwnInput});
      TW_ASSIGN(const Target target, NewStaging(step, item));
      return device_->Encode({.codec = target.codec,
                              .source = InputAt(step, item),
                              .dtype = request.dtype,
                              .count = count,
                              .target = target.bytes,
                              .noise = target.noise,
                              .state = target.state,
                              .steps = target.steps});
    }
    case Verb::kReduce:
      return StartReduce(step, item, step.terms);
    case Verb::kDecode: {
      const Term contents = Contents({step.slot, item.segment});
      return device_->Decode({.codec = contents.codec,
                              .bytes = contents.bytes,
                              .dtype = request.dtype,
                              .count = count,
                              .target = OutputAt(step, item),
                              .state = contents.state,
                              .divisor = step.average ? request.contributors() : 1});
    }
    case Verb::kSend:
    case Verb::kReceive:
      break;
  }
  return InternalError("step {} of {} is no computation", item.step, Describe());
}

Result<Ticket> OperationRun::StartReduce(const Step& step, Item item,
                                         const std::vector<SlotId>& of) {
  const PlanRequest& request = plan().request;
  const size_t count = CountOf(item);
  std::vector<Term> terms;
  for (const SlotId term : of) {
    if (term == kOwnInput) {
      const auto* input = static_cast<const std::byte*>(InputAt(step, item));
      terms.push_back({.codec = nullptr,
                       .bytes = {input, count * SizeOf(request.dtype)},
                       .factor = collective_.factor ? &*collective_.factor : nullptr});
    } else {
      terms.push_back(Contents({term, item.segment}));
    }
  }
  ReducePass pass;
  pass.terms = terms;
  pass.dtype = request.dtype;
  const bool average = request.reduction == Reduction::kAvg;
  pass.reduction = average && !step.average ? Reduction::kSum : request.reduction;
  pass.divisor = request.contributors();
  pass.count = count;
  if (step.slot == kNoSlot) {
    pass.dense = OutputAt(step, item);
  } else {
    TW_ASSIGN(const Target target, NewStaging(step, item));
    pass.encoder = target.codec;
    pass.encoded = target.bytes;
    pass.noise = target.noise;
    pass.state = target.state;
    pass.steps = target.steps;
  }
  return device_->Reduce(pass);
}

Status OperationRun::FinishCompute(Item item) {
  const Step& step = plan().steps[item.step];
  const bool wrote =
      step.verb == Verb::kEncode || (step.verb == Verb::kReduce && step.slot != kNoSlot);
  if (wrote) TrimStaging({step.slot, item.segment});
  if (collective_.measure_error && step.verb == Verb::kEncode) TW_TRY(Measure(item));
  if (step.verb == Verb::kDecode) NoteConsumed(&slots_.at({step.slot, item.segment}));
  Finish(item);
  return {};
}

Status OperationRun::Measure(Item item) {
  const Step& step = plan().steps[item.step];
  const SlotSegment id{step.slot, item.segment};
  // What a delta moves is not what it stands for.
  if (StateOf(id).kind == Feedback::kReference) return {};
  const PlanRequest& request = plan().request;
  TW_ASSIGN(const SquaredError error,
            MeasureError(*plan().slots[id.first].codec, InputAt(step, item), request.dtype,
                         CountOf(item), slots_.at(id).payload().subspan(head_bytes())));
  figures_.error.error += error.error;
  figures_.error.energy += error.energy;
  figures_.error_measured = true;
  return {};
}

Result<OperationRun::Target> OperationRun::NewStaging(const Step& step, Item item) {
  const SlotSegment id{step.slot, item.segment};
  const StateSpan state = StateOf(id);
  const Codec* codec = plan().slots[step.slot].codec;
  Staged& slot = slots_[id];
  if (state.kind == Feedback::kReference && state.before == nullptr) {
    slot.content = StateContent::kFirstVisit;
    codec = &codec->first_visit();
  }
  const size_t bytes =
      kFrameHeaderBytes + head_bytes() + codec->EncodedBytes(CountOf(item), plan().request.dtype);
  slot.staging = device_->AllocateStaging(bytes);
  if (slot.staging == nullptr) return SystemError("{}: no staging memory is left", Describe());
  slot.frame = {slot.staging, bytes};
  if (head_bytes() > 0) PackHead(id, slot.content, slot.staging + kFrameHeaderBytes);
  if (step.verb == Verb::kEncode) {
    slot.unsent = sends_of_[step.slot];
    if (slot.unsent > 0) staged_bytes_ += slot.frame.size();
  }
  const uint64_t words[] = {header_.communicator,
                            header_.epoch,
                            header_.source,
                            header_.flags,
                            static_cast<uint64_t>(key_.peer + 1),
                            key_.sequence,
                            step.slot};
  return Target{
      .codec = codec,
      .bytes = slot.staging + kFrameHeaderBytes + head_bytes(),
      .noise = {.key = Xxh3(std::as_bytes(std::span(words))),
                .first = plan().segment_begin(item.segment)},
      .state = state,
      .steps = collective_.steps == nullptr
                   ? nullptr
                   : collective_.steps->At(step.input, plan().segment_begin(item.segment))};
}

void OperationRun::TrimStaging(SlotSegment id) {
  const Codec& codec = *plan().slots[id.first].codec;
  if (codec.fixed_size()) return;
  Staged& slot = slots_.at(id);
  const size_t before = slot.frame.size();
  const size_t fixed = kFrameHeaderBytes + head_bytes();
  slot.frame = slot.frame.first(
      fixed + codec.UsedBytes(slot.staging + fixed, SegmentElements(id), plan().request.dtype));
  if (slot.unsent > 0) staged_bytes_ -= before - slot.frame.size();
}

Term OperationRun::Contents(SlotSegment id) const {
  const Staged& slot = slots_.at(id);
  StateSpan state = StateOf(id);
  const std::span<const std::byte> bytes = slot.payload().subspan(head_bytes());
  const Codec* codec = plan().slots[id.first].codec;
  if (state.kind != Feedback::kReference) return {.codec = codec, .bytes = bytes};
  if (slot.staging != nullptr || slot.content == StateContent::kReference) {
    // Advanced already: by encoding, or by what came.
    state.before = state.after;
    state.after = nullptr;
    return {.codec = nullptr, .bytes = {}, .state = state};
  }
  if (slot.content == StateContent::kFirstVisit) {
    codec = &codec->first_visit();
    state.before = nullptr;
  }
  return {.codec = codec, .bytes = bytes, .state = state};
}

void OperationRun::Finish(Item item) {
  last_progress_ = Now();
  progress_.Finish(item, &unread_);
  for (const SlotSegment& slot : unread_) Release(slot);
  unread_.clear();
}

void OperationRun::Release(SlotSegment id) {
  const auto found = slots_.find(id);
  if (found == slots_.end()) return;
  Staged& slot = found->second;
  Free(slot);
  NoteConsumed(&slot);
  slots_.erase(found);
}

void OperationRun::Free(const Staged& slot) {
  if (slot.staging != nullptr) device_->FreeStaging(slot.staging);
  if (slot.copy != nullptr) device_->FreeStaging(slot.copy);
}

void OperationRun::NoteConsumed(Staged* slot) {
  if (slot->staging != nullptr || slot->consumed) return;
  slot->consumed = true;
  windows_[slot->message.source()].consumed += slot->payload().size();
}

std::optional<Item> OperationRun::NextSend(const std::function<bool(int)>& may_send) {
  return progress_.ReadySend([&](int peer) { return windows_[peer].MaySend() && may_send(peer); });
}

std::span<const std::byte> OperationRun::StartSend(Item item, TimePoint now) {
  progress_.TakeSend(item);
  const Step& step = plan().steps[item.step];
  Staged& slot = slots_.at({step.slot, item.segment});
  if (!slot.sealed) {  // once: the same bytes go to every peer; a forwarded frame gets our header
    FrameHeader header = header_;
    header.message = step.message;
    header.segment = item.segment;
    header.payload_bytes = static_cast<uint32_t>(slot.payload().size());
    SealFrame(header, slot.frame.data());
    slot.sealed = true;
  }
  if (first_sent_ == TimePoint{}) first_sent_ = now;
  windows_[step.peer].sent += slot.payload().size();
  figures_.raw_bytes += CountOf(item) * SizeOf(plan().request.dtype);
  figures_.wire_bytes += slot.frame.size();
  return slot.frame;
}

void OperationRun::FinishSend(Item item) {
  Staged& slot = slots_.at({plan().steps[item.step].slot, item.segment});
  if (slot.unsent > 0 && --slot.unsent == 0) staged_bytes_ -= slot.frame.size();
  Finish(item);
}

Status OperationRun::Receive(const ParsedFrame& frame, Message message, TimePoint now) {
  const int peer = message.source();
  const FrameHeader& header = frame.header;
  TW_TRY(CheckSameCall(header, header_));
  const auto item = progress_.Expected(peer, header.message, header.segment);
  if (!item) {
    return RemoteError("rank {} sent segment {} of message {} of {}, which is not expected", peer,
                       header.segment, header.message, Describe());
  }
  const SlotSegment id{plan().steps[item->step].slot, item->segment};
  Staged slot;
  slot.message = std::move(message);
  slot.frame = slot.message.bytes();
  TW_ASSIGN(const bool accepted, AcceptPayload(id, &slot));
  last_received_ = now;
  last_progress_ = now;
  if (!std::exchange(windows_[peer].heard, true) && peer != header_.source) {
    last_peer_ = peer;
    last_peer_heard_ = now;
  }
  if (!accepted) {
    FrameHeader request = header_;
    request.kind = FrameKind::kResend;
    request.destination = static_cast<uint16_t>(peer);
    request.message = header.message;
    request.segment = header.segment;
    requests_.push_back({peer, request});
    windows_[peer].consumed += slot.payload().size();
    return {};
  }
  if (!device_->Reaches(slot.frame.data())) {
    slot.copy = device_->AllocateStaging(slot.frame.size());
    if (slot.copy == nullptr) return SystemError("{}: no staging memory is left", Describe());
    std::memcpy(slot.copy, slot.frame.data(), slot.frame.size());
    slot.frame = {slot.copy, slot.frame.size()};
  }
  if (plan().slots[id.first].credited_early) NoteConsumed(&slot);
  slots_[id] = std::move(slot);
  Finish(*item);
  return {};
}

void OperationRun::Acknowledge(int peer, uint64_t bytes) {
  const auto found = windows_.find(peer);
  if (found == windows_.end()) return;
  Window& window = found->second;
  window.acknowledged = std::clamp(bytes, window.acknowledged, window.sent);
  last_progress_ = Now();
}

std::vector<std::pair<int, FrameHeader>> OperationRun::DueControl() {
  std::vector<std::pair<int, FrameHeader>> due = std::move(requests_);
  requests_.clear();
  // Whoever keeps references for a peer's sake may let go once all was used.
  const bool last = done() && UsesReferences();
  for (auto& [peer, window] : windows_) {
    if (!window.ShouldReport() && !(last && window.consumed > window.reported)) continue;
    window.reported = window.consumed;
    FrameHeader header = header_;
    header.kind = FrameKind::kCredit;
    header.destination = static_cast<uint16_t>(peer);
    header.count = window.consumed;
    due.push_back({peer, header});
  }
  return due;
}

bool OperationRun::UsesReferences() const {
  return collective_.state != nullptr && plan().request.codec->feedback() == Feedback::kReference;
}

bool OperationRun::settled() const {
  if (!UsesReferences()) return true;
  return std::all_of(windows_.begin(), windows_.end(), [](const auto& entry) {
    return entry.second.acknowledged == entry.second.sent;
  });
}

EndedCall OperationRun::Ended(const Status& status, TimePoint now) const {
  // What moved in the round in which the call began carries that round's time, just before it.
  const auto after = [this](TimePoint time) {
    return time == TimePoint{} ? 0 : std::max(ToSeconds(time - begin_), 0.0);
  };
  return {.plan = collective_.plan,
          .note = collective_.note,
          .sequence = collective_.sequence,
          .on_device = collective_.device != nullptr,
          .figures = figures_,
          .began = begin_,
          .ended = now,
          .first_send_seconds = after(first_sent_),
          .last_peer = last_peer_,
          .last_peer_seconds = after(last_peer_heard_),
          .status = status};
}

void OperationRun::End(Status status, TimePoint now, Ledger* ledger, CallQueue* ended) {
  if (device_busy()) device_->Drain();
  device_work_.clear();
  measuring_.clear();
  figures_.total_seconds = ToSeconds(now - begin_);
  const TimePoint first = first_sent_ == TimePoint{} ? begin_ : first_sent_;
  if (last_received_ > first) figures_.wire_seconds = ToSeconds(last_received_ - first);
  if (collective_.state != nullptr) collective_.state->End(status.ok());
  if (whole_) {
    ledger->AddOverhead(*whole_, figures_.wire_bytes);
  } else if (collective_.counted) {
    ledger->Add(plan(), figures_);
    if (ended != nullptr) ended->Add(Ended(status, now));
  }
  if (collective_.gate != nullptr) collective_.gate->Release();
  completion_->Set(std::move(status), figures_);
}

}  // namespace thinwire
