// SPDX-License-Identifier: Apache-2.0
#include "collective/engine.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/log.h"
#include "base/units.h"
#include "transport/buffers.h"

namespace thinwire {
namespace {

constexpr double kDeviceSeconds = 50e-6;  // how often a device at work is asked
constexpr double kGateSeconds = 100e-6;   // how often a gate is looked at that no stream reached
constexpr double kLingerSeconds = 1;      // longest wait until the transport has the last frames
constexpr double kCloseSeconds = 5;       // longest wait until the peers have them
constexpr size_t kEndedRemembered = 256;
constexpr size_t kEarlyOverheadBytes = 256;  // of a frame kept, beside its own bytes

// Of frames of a collective, or of a send or receive of `peer`.
OperationKey KeyOf(const FrameHeader& header, OperationKey::Kind kind_of_pair, int peer) {
  if ((header.flags & kFlagPointToPoint) == 0) {
    return {OperationKey::Kind::kCollective, -1, header.sequence};
  }
  return {kind_of_pair, peer, header.sequence};
}

}  // namespace

Engine::Engine(const EngineOptions& options, LinkModel links, std::unique_ptr<Transport> transport,
               Device* host, std::vector<Message> early)
    : options_(options),
      links_(std::move(links)),
      transport_(std::move(transport)),
      host_(host),
      rates_(links_, options.rank),
      pacer_(links_, options.rank),
      bundles_(options.ranks) {
  AddPeers();
  for (int peer = 0; peer < options.ranks; ++peer) {
    learned_.push_back(links_.at(options.rank, peer));
  }
  std::move(early.begin(), early.end(), std::back_inserter(to_self_));
  thread_ = std::thread([this] { Run(); });
}

Engine::~Engine() {
  if (!thread_.joinable()) return;
  Abort("the communicator was freed");
  Close();
}

std::vector<std::shared_ptr<Completion>> Engine::Submit(std::vector<Collective> collectives) {
  std::vector<std::shared_ptr<Completion>> completions;
  {
    const std::lock_guard lock(mutex_);
    for (Collective& collective : collectives) {
      completions.push_back(std::make_shared<Completion>());
      if (error_.ok()) {
        if (!Repeats(collective)) in_flight_.fetch_add(1, std::memory_order_acq_rel);
        submitted_.push_back(
            {.collective = std::move(collective), .completion = completions.back()});
      } else {
        if (collective.gate != nullptr) collective.gate->Release();
        completions.back()->Set(error_, {});
      }
    }
  }
  transport_->Wake();
  return completions;
}

Status Engine::error() const {
  if (!Failed()) return {};
  const std::lock_guard lock(mutex_);
  return error_;
}

void Engine::Abort(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    abort_reason_ = why;
  }
  aborting_.store(true, std::memory_order_release);
  transport_->Wake();
}

std::string Engine::AbortReason() const {
  const std::lock_guard lock(mutex_);
  return abort_reason_;
}

void Engine::StartClose() {
  if (!thread_.joinable()) return;
  closing_.store(true, std::memory_order_release);
  transport_->Wake();
}

void Engine::Close() {
  StartClose();
  if (thread_.joinable()) thread_.join();
}

void Engine::Run() {
  for (;;) {
    try {
      return Loop();
    } catch (const std::exception& failure) {  // out of memory: fail, then go on to close
      Fail(SystemError("rank {} is out of resources: {}", options_.rank, failure.what()));
    }
  }
}

void Engine::Loop() {
  while (true) {
    const TimePoint now = Now();
    if (aborting_.exchange(false) && !Failed()) {
      Fail(InvalidUsage("rank {} aborted: {}", options_.rank, AbortReason()));
    }
    next_send_ = TimePoint::max();
    bool moved = AcceptSubmissions();
    moved |= PollGates();
    moved |= ReceiveAll();
    if (!Failed()) {
      moved |= ComputeAll();
      moved |= SendAll(now);
    }
    moved |= ReapSends();
    Retire();
    if (now >= next_watch_) Watch(now);
    SendBundles();
    const bool idle = runs_.empty() && awaited_.empty();
    if (closing_.load(std::memory_order_acquire) && idle && MayLeave(now)) break;
    if (moved) continue;
    transport_->Wait(NextLook(now));
    const Duration waited = Now() - now;
    for (const auto& run : runs_) run->AddWait(waited);
  }
  transport_->Close(Now() + FromSeconds(Failed() ? FailedCloseSeconds() : kCloseSeconds));
  sends_.clear();
  early_.clear();  // messages must go on this thread, before the transport
}

TimePoint Engine::NextLook(TimePoint now) const {
  const bool device_busy =
      std::any_of(runs_.begin(), runs_.end(), [](const auto& run) { return run->device_busy(); });
  TimePoint look = std::min(next_send_, next_watch_);
  if (!gated_.empty()) look = std::min(look, now + FromSeconds(kGateSeconds));
  return device_busy ? std::min(look, now + FromSeconds(kDeviceSeconds)) : look;
}

bool Engine::AcceptSubmissions() {
  std::list<Submission> submitted;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
  }
  for (Submission& submission : submitted) {
    const Collective& collective = submission.collective;
    if (collective.gate == nullptr && !Failed()) {
      StartRun(submission);
      continue;
    }
    if (Failed() && !Repeats(collective)) {  // it was handed in just before
      if (collective.gate != nullptr) collective.gate->Release();
      submission.completion->Set(error(), {});
      continue;
    }
    if (!Repeats(collective)) {
      for (const Collective* one : {collective.agreement.get(), &collective}) {
        if (one == nullptr) continue;
        const OperationKey key = KeyOf(one->plan->request, one->sequence);
        NextSequence(key) = std::max(NextSequence(key), key.sequence + 1);
        awaited_.insert(key);
      }
    }
    gated_.push_back(std::move(submission));
  }
  return !submitted.empty();
}

bool Engine::PollGates() {
  bool moved = false;
  for (auto submission = gated_.begin(); submission != gated_.end();) {
    StreamGate& gate = *submission->collective.gate;
    const bool repeats = gate.repeats();
    if (repeats && gate.over()) {
      submission = gated_.erase(submission);
      continue;
    }
    if (!gate.Reached()) {
      ++submission;
      continue;
    }
    moved = true;
    if (Failed()) {  // nothing holds streams any more
      gate.Release();
      ++submission;
      continue;
    }
    StartRun(*submission);
    if (Failed()) return true;
    ++submission->replays;
    submission = repeats ? std::next(submission) : gated_.erase(submission);
  }
  return moved;
}

void Engine::StartRun(const Submission& submission) {
  Collective collective = submission.collective;
  std::shared_ptr<Completion> completion = submission.completion;
  if (Repeats(collective)) {
    completion = std::make_shared<Completion>();
    collective.sequence += submission.replays;
    if (collective.state != nullptr) collective.state = collective.state->Again();
    in_flight_.fetch_add(1, std::memory_order_acq_rel);
  }
  std::shared_ptr<Completion> agreed;
  if (collective.agreement != nullptr) {
    Collective agreement = *collective.agreement;
    agreement.sequence += submission.replays;
    agreed = std::make_shared<Completion>();
    in_flight_.fetch_add(1, std::memory_order_acq_rel);
    StartOne(std::move(agreement), agreed, nullptr, &collective);
  }
  if (!Failed()) StartOne(collective, completion, agreed, nullptr);
}

void Engine::StartOne(Collective collective, std::shared_ptr<Completion> completion,
                      std::shared_ptr<Completion> previous, const Collective* whole) {
  const auto own_links = collective.links;
  auto run = std::make_shared<OperationRun>(std::move(collective), Header(FrameKind::kData, 0),
                                            own_links ? *own_links : links_, host_,
                                            std::move(completion), std::move(previous));
  const OperationKey key = run->key();
  if ((key.sequence & kCapturedSequence) == 0) {
    NextSequence(key) = std::max(NextSequence(key), key.sequence + 1);
  }
  awaited_.erase(key);
  runs_.push_back(run);
  by_key_[key] = run;
  largest_frame_bytes_ = std::max(largest_frame_bytes_, run->largest_frame_bytes());
  if (const Status begun = run->Begin(whole); !begun.ok()) {
    return Fail(begun.WithContext(run->Describe()));
  }
  const auto early = early_.extract(key);
  if (early.empty()) return;
  for (Message& message : early.mapped()) {
    PeerAt(message.source()).early_bytes -= message.bytes().size() + kEarlyOverheadBytes;
    if (Failed()) return;
    const ParsedFrame frame = ParseFrame(message.bytes());
    ReceiveData(frame, std::move(message), Now());
  }
}

bool Engine::MayComeEarly(const OperationKey& key) {
  const bool captured = (key.sequence & kCapturedSequence) != 0;
  return captured || key.sequence >= NextSequence(key) || awaited_.contains(key);
}

bool Engine::ReceiveAll() {
  arrived_.clear();
  bool moved = transport_->Poll(&arrived_);
  while (!to_self_.empty()) {
    arrived_.push_back(std::move(to_self_.front()));
    to_self_.pop_front();
  }
  const TimePoint now = Now();
  for (Message& message : arrived_) {
    moved = true;
    ReceiveMessage(std::move(message), now);
  }
  arrived_.clear();
  return moved;
}

void Engine::ReceiveMessage(Message message, TimePoint now) {
  std::span<const std::byte> bytes = message.bytes();
  ParsedFrame frame = ParseFrame(bytes);
  if (frame.state != ParseState::kFrame || frame.bytes == bytes.size()) {
    return ReceiveFrame(frame, std::move(message), now);
  }
  const int source = message.source();
  for (;;) {
    const size_t size = frame.state == ParseState::kFrame ? frame.bytes : bytes.size();
    ReceiveFrame(frame, Message(source, std::make_unique<OwnedBuffer>(bytes.first(size))), now);
    bytes = bytes.subspan(size);
    if (bytes.empty()) return;
    frame = ParseFrame(bytes);
  }
}

void Engine::ReceiveFrame(const ParsedFrame& frame, Message message, TimePoint now) {
  const int source = message.source();
  if (frame.state != ParseState::kFrame) {
    return Fail(
        RemoteError("a frame from rank {} is damaged: {}", source,
                    frame.state == ParseState::kBad ? frame.error.message() : "it is cut short"),
        source);
  }
  const FrameHeader& header = frame.header;
  if (header.communicator != options_.communicator || header.epoch != options_.epoch ||
      header.source != source ||
      (header.destination != kAnyRank && header.destination != options_.rank)) {
    TW_LOG(kWarn, "rank {}: ignored a frame of another communicator from rank {}", options_.rank,
           source);
    return;
  }
  if (header.kind == FrameKind::kAbort) return ReceiveAbort(frame, source);
  if (Failed()) return;
  Peer& peer = PeerAt(source);
  peer.life.Hear(frame.bytes, now);
  switch (header.kind) {
    case FrameKind::kHeartbeat:
      peer.idle_at = now;
      peer.calls = header.sequence;
      return;
    case FrameKind::kProbe:
      return TakeProbe(frame, source, now);
    case FrameKind::kGoodbye:
      peer.left = true;
      return;
    case FrameKind::kCredit:
    case FrameKind::kResend:
      return TakeControl(header);
    case FrameKind::kData:
      peer.received_bytes += frame.bytes;
      return ReceiveData(frame, std::move(message), now);
    case FrameKind::kAbort:
      return;
  }
}

void Engine::ReceiveData(const ParsedFrame& frame, Message message, TimePoint now) {
  const int source = message.source();
  const OperationKey key = KeyOf(frame.header, OperationKey::Kind::kRecv, source);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const Status received = found->second->Receive(frame, std::move(message), now);
    if (!received.ok()) Fail(received, source);
    return;
  }
  if (MayComeEarly(key)) return KeepEarly(key, frame.header, std::move(message));
  Status wrong = RemoteError("rank {} sent a frame of {}, which has ended here", source,
                             DescribeCall(frame.header));
  for (const auto& [ended, ours] : ended_) {
    if (ended != key) continue;
    if (const Status same = CheckSameCall(frame.header, ours); !same.ok()) wrong = same;
  }
  Fail(wrong, source);
}

void Engine::KeepEarly(const OperationKey& key, const FrameHeader& header, Message message) {
  const int source = message.source();
  Peer& peer = PeerAt(source);
  peer.early_bytes += message.bytes().size() + kEarlyOverheadBytes;
  if (peer.early_bytes <= options_.early_bytes) return early_[key].push_back(std::move(message));
  Fail(SystemError("rank {} is at {} while this rank has made {} calls: what waits here takes more "
                   "than {} (THINWIRE_EARLY); let the ranks call in step, or raise it",
                   source, DescribeCall(header), NextSequence(key),
                   FormatBytes(options_.early_bytes)),
       source);
}

bool Engine::ComputeAll() {
  bool moved = false;
  for (const auto& run : runs_) {
    for (const auto step : {&OperationRun::Compute, &OperationRun::PollDevice}) {
      const Result<bool> ran = ((*run).*step)();
      if (!ran.ok()) {
        Fail(ran.status().WithContext(run->Describe()));
        return true;
      }
      moved |= ran.value();
    }
    for (const auto& [peer, header] : run->DueControl()) Control(peer, header);
  }
  return moved;
}

bool Engine::SendAll(TimePoint now) {
  bool moved = false;
  const auto due = [&](int peer) {
    const TimePoint next = pacer_.Next(peer);
    if (next > now) next_send_ = std::min(next_send_, next);
    return next <= now;
  };
  for (const auto& run : runs_) {
    while (const auto item = run->NextSend(due)) {
      StartSend(run, *item, now);
      moved = true;
    }
  }
  return moved;
}

void Engine::StartSend(const std::shared_ptr<OperationRun>& run, Item item, TimePoint now) {
  const int peer = run->plan().steps[item.step].peer;
  const std::span<const std::byte> frame = run->StartSend(item, now);
  if (peer == options_.rank) {
    to_self_.emplace_back(peer, std::make_unique<OwnedBuffer>(frame));
    return run->FinishSend(item);
  }
  pacer_.Sent(peer, frame.size(), run->plan().steps[item.step].share, now);
  rates_.Sent(peer, frame.size());
  PeerAt(peer).life.Speak(now);
  if (Bundles::Takes(frame.size())) {
    bundles_.Add(peer, frame);
    return run->FinishSend(item);
  }
  SendInFlight& send = sends_.emplace_back();
  send.run = run;
  send.item = item;
  // A refusal shows in PeerStatus too: Watch tells it apart from what the peer itself may yet say.
  if (!transport_->Send(peer, frame, &send.request).ok()) sends_.pop_back();
}

bool Engine::ReapSends() {
  bool moved = false;
  for (auto send = sends_.begin(); send != sends_.end();) {
    if (send->request.pending()) {
      ++send;
      continue;
    }
    const bool sent = send->request.state == Request::State::kDone;
    if (send->run && sent && !Failed()) send->run->FinishSend(send->item);
    moved |= send->run != nullptr;
    send = sends_.erase(send);
  }
  return moved;
}

FrameHeader Engine::Header(FrameKind kind, int peer) const {
  FrameHeader header;
  header.kind = kind;
  header.communicator = options_.communicator;
  header.epoch = options_.epoch;
  header.source = static_cast<uint16_t>(options_.rank);
  header.destination = static_cast<uint16_t>(peer);
  return header;
}

void Engine::Control(int peer, const FrameHeader& header) {
  peer == options_.rank ? TakeControl(header) : SendFrame(peer, header, {});
}

void Engine::TakeControl(const FrameHeader& header) {
  const int peer = header.source;
  const auto found = by_key_.find(KeyOf(header, OperationKey::Kind::kSend, peer));
  if (found == by_key_.end()) return;
  OperationRun& run = *found->second;
  if (header.kind == FrameKind::kCredit) return run.Acknowledge(peer, header.count);
  std::vector<std::byte> frame = run.Resend(header);
  if (frame.empty()) {
    return Fail(
        RemoteError("rank {} asks for segment {} of message {} of {} again, which it was not "
                    "sent, or asked for before",
                    peer, header.segment, header.message, run.Describe()),
        peer);
  }
  if (peer == options_.rank) {
    to_self_.emplace_back(peer, std::make_unique<OwnedBuffer>(frame));
  } else {
    SendOwn(peer, std::move(frame));
  }
}

void Engine::SendFrame(int peer, const FrameHeader& header, std::span<const std::byte> payload) {
  std::vector<std::byte> frame(kFrameHeaderBytes + payload.size());
  std::copy(payload.begin(), payload.end(), frame.begin() + kFrameHeaderBytes);
  FrameHeader sealed = header;
  sealed.payload_bytes = static_cast<uint32_t>(payload.size());
  SealFrame(sealed, frame.data());
  SendOwn(peer, std::move(frame));
}

void Engine::SendOwn(int peer, std::vector<std::byte> frame) {
  if (peer == options_.rank) return;
  PeerAt(peer).life.Speak(Now());
  if (Bundles::Takes(frame.size())) return bundles_.Add(peer, frame);
  SendFrames(peer, std::move(frame));
}

void Engine::SendBundles() {
  for (auto& [peer, frames] : bundles_.Take()) SendFrames(peer, std::move(frames));
}

void Engine::SendFrames(int peer, std::vector<std::byte> frames) {
  SendInFlight& send = sends_.emplace_back();
  send.frames = std::move(frames);
  // A failure shows in PeerStatus, which Watch reads. A peer that has failed may still be told why.
  if (!transport_->Send(peer, send.frames, &send.request).ok()) sends_.pop_back();
}

void Engine::Retire() {
  for (auto run = runs_.begin(); run != runs_.end();) {
    if (!(*run)->done()) {
      ++run;
      continue;
    }
    for (const auto& [peer, header] : (*run)->DueControl()) Control(peer, header);
    ended_.push_back({(*run)->key(), (*run)->header()});
    if (ended_.size() > kEndedRemembered) ended_.pop_front();
    in_flight_.fetch_sub(1, std::memory_order_acq_rel);
    (*run)->End({}, Now(), options_.ledger.get(), options_.ended.get());
    unsettled_.push_back(*run);
    run = runs_.erase(run);
    if (run != runs_.end()) (*run)->WaitedUntil(unsettled_.back()->last_progress());
  }
  for (auto run = unsettled_.begin(); run != unsettled_.end();) {
    if (!(*run)->settled()) {
      ++run;
      continue;
    }
    by_key_.erase((*run)->key());
    run = unsettled_.erase(run);
  }
}

void Engine::PingPaths(TimePoint now) {
  for (const int rank : rates_.DuePings(now)) {
    ProbeNote ping;
    ping.what = ProbeNote::What::kPing;
    ping.number = static_cast<uint64_t>(now.time_since_epoch().count());
    SendProbe(rank, ping);
  }
}

void Engine::TakeProbe(const ParsedFrame& frame, int source, TimePoint now) {
  const Result<ProbeNote> note = ParseProbeNote(frame.payload);
  if (!note.ok()) {
    return Fail(note.status().WithContext(fmt::format("rank {}", source)), source);
  }
  if (note.value().what == ProbeNote::What::kPing) {
    ProbeNote pong = note.value();
    pong.what = ProbeNote::What::kPong;
    pong.bytes = PeerAt(source).received_bytes;
    pong.nanoseconds = now.time_since_epoch().count();
    return SendProbe(source, pong);
  }
  // Other notes are late ones of the probe before this engine.
  if (note.value().what != ProbeNote::What::kPong) return;
  const RateControl::Pong pong = {
      .pinged = TimePoint(Duration(static_cast<int64_t>(note.value().number))),
      .received = note.value().bytes,
      .nanoseconds = note.value().nanoseconds,
      .path = transport_->PathTo(source)};
  const bool changed = rates_.TakePong(source, pong, now);
  {
    const std::lock_guard lock(mutex_);
    learned_[static_cast<size_t>(source)].loss = rates_.loss(source);
  }
  if (!changed) return;
  pacer_.Adopt(rates_);
  TW_LOG(kTrace, "rank {}: paces what goes to rank {} at {} from now on, to all together at {}",
         options_.rank, source, FormatRate(rates_.rate(source)), FormatRate(rates_.uplink()));
  const std::lock_guard lock(mutex_);
  for (int rank = 0; rank < options_.ranks; ++rank) {
    Link& link = learned_[static_cast<size_t>(rank)];
    if (rank == options_.rank || rates_.rate(rank) == 0) continue;
    if (link.rate != rates_.rate(rank)) link.origin = Link::Origin::kLearned;
    link.rate = rates_.rate(rank);
    if (rates_.delay(rank) > 0) link.delay = rates_.delay(rank);
  }
}

void Engine::SendProbe(int peer, const ProbeNote& note) {
  std::byte payload[kProbeNoteBytes];
  PackProbeNote(note, payload);
  SendFrame(peer, Header(FrameKind::kProbe, peer), payload);
}

std::vector<Link> Engine::LearnedLinks() const {
  const std::lock_guard lock(mutex_);
  return learned_;
}

bool Engine::MayLeave(TimePoint now) {
  if (leave_by_ == TimePoint{}) {
    leave_by_ = now + FromSeconds(kLingerSeconds);
    for (int peer = 0; peer < options_.ranks && !Failed(); ++peer) {
      SendFrame(peer, Header(FrameKind::kGoodbye, peer), {});
    }
    SendBundles();
  }
  next_watch_ = std::min(next_watch_, leave_by_);
  return (sends_.empty() && unsettled_.empty()) || now >= leave_by_;
}

}  // namespace thinwire
