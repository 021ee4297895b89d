// SPDX-License-Identifier: Apache-2.0
#include "collective/engine.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/log.h"

namespace thinwire {
namespace {

constexpr double kWatchSeconds = 0.1;        // how often peers and deadlines are looked at
constexpr double kDeviceSeconds = 50e-6;     // how often a device at work is asked
constexpr double kGateSeconds = 100e-6;      // how often a gate is looked at that no stream reached
constexpr double kLingerSeconds = 1;         // longest wait until the transport has the last frames
constexpr double kCloseSeconds = 5;          // longest wait until the peers have them
constexpr double kFailedCloseSeconds = 0.2;  // likewise of the reason for a failure
constexpr double kDepartedGraceSeconds = 1;  // frames may still overtake a goodbye
constexpr double kLostGraceSeconds = 0.1;    // the reason may come behind a lost connection
constexpr size_t kEndedRemembered = 256;
constexpr size_t kMaxReasonBytes = 1024;

// A message to oneself: the bytes of a frame, copied.
class OwnBuffer final : public Message::Buffer {
 public:
  explicit OwnBuffer(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {}
  std::span<std::byte> bytes() override { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Of frames of a collective, or of a send or receive of `peer`.
OperationKey KeyOf(const FrameHeader& header, OperationKey::Kind kind_of_pair, int peer) {
  if ((header.flags & kFlagPointToPoint) == 0) {
    return {OperationKey::Kind::kCollective, -1, header.sequence};
  }
  return {kind_of_pair, peer, header.sequence};
}

bool Repeats(const Collective& collective) {
  return collective.gate != nullptr && collective.gate->repeats();
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
      peers_(static_cast<size_t>(options.ranks)) {
  for (Peer& peer : peers_) peer.heard = peer.spoken = Now();
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
    const bool idle = runs_.empty() && awaited_.empty();
    if (closing_.load(std::memory_order_acquire) && idle && MayLeave(now)) break;
    if (moved) continue;
    transport_->Wait(NextLook(now));
    const Duration waited = Now() - now;
    for (const auto& run : runs_) run->AddWait(waited);
  }
  transport_->Close(Now() + FromSeconds(Failed() ? kFailedCloseSeconds : kCloseSeconds));
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
  if (const Status begun = run->Begin(whole); !begun.ok()) {
    return Fail(begun.WithContext(run->Describe()));
  }
  const auto early = early_.extract(key);
  if (early.empty()) return;
  for (Message& message : early.mapped()) ReceiveFrame(std::move(message), Now());
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
    ReceiveFrame(std::move(message), now);
  }
  arrived_.clear();
  return moved;
}

void Engine::ReceiveFrame(Message message, TimePoint now) {
  if (Failed()) return;
  const int source = message.source();
  const ParsedFrame frame = ParseFrame(message.bytes());
  if (frame.state != ParseState::kFrame) {
    return Fail(
        RemoteError("a frame from rank {} is damaged: {}", source,
                    frame.state == ParseState::kBad ? frame.error.message() : "it is cut short"));
  }
  const FrameHeader& header = frame.header;
  if (header.communicator != options_.communicator || header.epoch != options_.epoch ||
      header.source != source ||
      (header.destination != kAnyRank && header.destination != options_.rank)) {
    TW_LOG(kWarn, "rank {}: ignored a frame of another communicator from rank {}", options_.rank,
           source);
    return;
  }
  Peer& peer = peers_[static_cast<size_t>(source)];
  peer.heard = now;
  switch (header.kind) {
    case FrameKind::kHeartbeat:
      return;
    case FrameKind::kProbe:
      return TakeProbe(frame, source, now);
    case FrameKind::kGoodbye:
      peer.left = true;
      peer.left_at = now;
      return;
    case FrameKind::kAbort: {
      const std::string why(reinterpret_cast<const char*>(frame.payload.data()),
                            std::min(frame.payload.size(), kMaxReasonBytes));
      return Fail(RemoteError("rank {} gave up: {}", source, why), /*tell_peers=*/false);
    }
    case FrameKind::kCredit:
    case FrameKind::kResend:
      return TakeControl(header);
    case FrameKind::kData:
      peer.received_bytes += frame.bytes;
      return ReceiveData(frame, std::move(message), now);
  }
}

void Engine::ReceiveData(const ParsedFrame& frame, Message message, TimePoint now) {
  const int source = message.source();
  const OperationKey key = KeyOf(frame.header, OperationKey::Kind::kRecv, source);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const Status received = found->second->Receive(frame, std::move(message), now);
    if (!received.ok()) Fail(received);
    return;
  }
  if (MayComeEarly(key)) {
    early_[key].push_back(std::move(message));
    return;
  }
  Status wrong = RemoteError("rank {} sent a frame of {}, which has ended here", source,
                             DescribeCall(frame.header));
  for (const auto& [ended, ours] : ended_) {
    if (ended != key) continue;
    if (const Status same = CheckSameCall(frame.header, ours); !same.ok()) wrong = same;
  }
  Fail(wrong);
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
      if (!StartSend(run, *item, now)) return true;
      moved = true;
    }
  }
  return moved;
}

bool Engine::StartSend(const std::shared_ptr<OperationRun>& run, Item item, TimePoint now) {
  const int peer = run->plan().steps[item.step].peer;
  SendInFlight& send = sends_.emplace_back();
  send.run = run;
  send.item = item;
  const std::span<const std::byte> frame = run->StartSend(item, now);
  if (peer == options_.rank) {
    to_self_.emplace_back(peer, std::make_unique<OwnBuffer>(frame));
    send.request.state = Request::State::kDone;
    return true;
  }
  pacer_.Sent(peer, frame.size(), run->plan().send_share, now);
  rates_.Sent(peer, frame.size());
  peers_[static_cast<size_t>(peer)].spoken = now;
  const Status sent = transport_->Send(peer, frame, &send.request);
  if (sent.ok()) return true;
  Fail(
      RemoteError("rank {} can't be reached during {}: {}", peer, run->Describe(), sent.message()));
  return false;
}

bool Engine::ReapSends() {
  bool moved = false;
  for (auto send = sends_.begin(); send != sends_.end();) {
    if (send->request.pending()) {
      ++send;
      continue;
    }
    if (send->request.state == Request::State::kFailed && send->run && !Failed()) {
      const int peer = send->run->plan().steps[send->item.step].peer;
      Fail(RemoteError("sending to rank {} failed during {}: {}", peer, send->run->Describe(),
                       transport_->PeerStatus(peer).message()));
    }
    if (send->run && !Failed()) send->run->FinishSend(send->item);
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

void Engine::SendControl(FrameKind kind, int peer, const std::string& text) {
  SendFrame(peer, Header(kind, peer), std::as_bytes(std::span(text)));
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
                    "sent",
                    peer, header.segment, header.message, run.Describe()));
  }
  if (peer == options_.rank) {
    to_self_.emplace_back(peer, std::make_unique<OwnBuffer>(frame));
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
  if (peer == options_.rank || !transport_->PeerStatus(peer).ok()) return;
  SendInFlight& send = sends_.emplace_back();
  send.frame = std::move(frame);
  peers_[static_cast<size_t>(peer)].spoken = Now();
  // A failure shows in PeerStatus, which Watch reads.
  if (!transport_->Send(peer, send.frame, &send.request).ok()) sends_.pop_back();
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
    (*run)->End({}, Now(), options_.ledger.get());
    unsettled_.push_back(*run);
    run = runs_.erase(run);
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

void Engine::Watch(TimePoint now) {
  // After a pause of our own (a debugger, a suspended machine) the others are not to blame.
  if (next_watch_ != TimePoint{} && now - next_watch_ > FromSeconds(options_.silence_seconds / 2)) {
    for (Peer& peer : peers_) peer.heard = now;
  }
  next_watch_ = now + FromSeconds(std::min(kWatchSeconds, options_.silence_seconds / 4));
  for (int rank = 0; rank < options_.ranks; ++rank) {
    if (rank != options_.rank && !Failed()) WatchPeer(rank, now);
  }
  if (!Failed()) PingPaths(now);
  for (const auto& run : runs_) {
    if (Failed()) return;
    if (now - run->last_progress() < FromSeconds(options_.timeout_seconds)) continue;
    std::string peers;
    for (const int peer : run->AwaitedPeers()) peers += fmt::format(" {}", peer);
    return Fail(TimeoutError("{} made no progress for {} s; it waits for rank{}", run->Describe(),
                             options_.timeout_seconds, peers.empty() ? "s that are slow" : peers));
  }
}

void Engine::WatchPeer(int rank, TimePoint now) {
  Peer& peer = peers_[static_cast<size_t>(rank)];
  const Status status = transport_->PeerStatus(rank);
  if (peer.left) {
    if (Awaits(rank) && now - peer.left_at > FromSeconds(kDepartedGraceSeconds)) {
      Fail(RemoteError("rank {} left the communicator while {} waits for it", rank,
                       runs_.front()->Describe()));
    }
    return;
  }
  if (!status.ok()) {
    if (peer.lost_at == TimePoint{}) peer.lost_at = now;
    if (now - peer.lost_at < FromSeconds(kLostGraceSeconds)) return;
    return Fail(RemoteError("lost rank {}: {}", rank, status.message()));
  }
  if (now - peer.heard > FromSeconds(options_.silence_seconds)) {
    return Fail(RemoteError("lost rank {}: nothing heard of it for {} s (THINWIRE_SILENCE)", rank,
                            options_.silence_seconds));
  }
  const double heartbeat_seconds = std::min(1.0, options_.silence_seconds / 5);
  if (now - peer.spoken > FromSeconds(heartbeat_seconds)) SendControl(FrameKind::kHeartbeat, rank);
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
  if (!note.ok()) return Fail(note.status().WithContext(fmt::format("rank {}", source)));
  if (note.value().what == ProbeNote::What::kPing) {
    ProbeNote pong = note.value();
    pong.what = ProbeNote::What::kPong;
    pong.bytes = peers_[static_cast<size_t>(source)].received_bytes;
    pong.nanoseconds = now.time_since_epoch().count();
    return SendProbe(source, pong);
  }
  // Other notes are late ones of the probe before this engine.
  if (note.value().what != ProbeNote::What::kPong) return;
  const RateControl::Pong pong = {
      .pinged = TimePoint(Duration(static_cast<int64_t>(note.value().number))),
      .received = note.value().bytes,
      .nanoseconds = note.value().nanoseconds};
  if (!rates_.TakePong(source, pong, now)) return;
  pacer_.Adopt(rates_);
  const std::lock_guard lock(mutex_);
  for (int rank = 0; rank < options_.ranks; ++rank) {
    Link& link = learned_[static_cast<size_t>(rank)];
    if (rank == options_.rank || rates_.rate(rank) == 0) continue;
    if (link.rate != rates_.rate(rank)) link.origin = Link::Origin::kLearned;
    link.rate = rates_.rate(rank);
    if (rates_.delay(rank) > 0) link.delay = rates_.delay(rank);
    link.loss = std::max(link.loss, transport_->PathTo(rank).loss);
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

bool Engine::Awaits(int peer) const {
  return std::any_of(runs_.begin(), runs_.end(), [&](const auto& run) {
    const std::vector<int> awaited = run->AwaitedPeers();
    return std::find(awaited.begin(), awaited.end(), peer) != awaited.end();
  });
}

void Engine::Fail(Status status, bool tell_peers) {
  if (Failed()) return;
  TW_LOG(kWarn, "rank {}: {}", options_.rank, status.message());
  std::list<Submission> submitted;
  {
    const std::lock_guard lock(mutex_);
    error_ = status;
    submitted.swap(submitted_);
  }
  failed_.store(true, std::memory_order_release);
  in_flight_.store(0, std::memory_order_release);
  const TimePoint now = Now();
  for (const auto& run : runs_) run->End(status, now, options_.ledger.get());
  for (auto* const waiting : {&submitted, &gated_}) {
    for (const Submission& submission : *waiting) {
      // Of those that repeat, only what runs holds its stream, and has let go.
      if (Repeats(submission.collective)) continue;
      if (submission.collective.gate != nullptr) submission.collective.gate->Release();
      submission.completion->Set(status, {});
    }
  }
  gated_.remove_if([](const Submission& submission) { return !Repeats(submission.collective); });
  awaited_.clear();
  by_key_.clear();
  unsettled_.clear();
  runs_.clear();  // sends in flight keep theirs, and with it the bytes they send
  if (!tell_peers) return;
  const std::string why = status.message().substr(0, kMaxReasonBytes);
  for (int peer = 0; peer < options_.ranks; ++peer) {
    if (!peers_[static_cast<size_t>(peer)].left) SendControl(FrameKind::kAbort, peer, why);
  }
}

bool Engine::MayLeave(TimePoint now) {
  if (leave_by_ == TimePoint{}) {
    leave_by_ = now + FromSeconds(kLingerSeconds);
    for (int peer = 0; peer < options_.ranks && !Failed(); ++peer) {
      SendControl(FrameKind::kGoodbye, peer);
    }
  }
  next_watch_ = std::min(next_watch_, leave_by_);
  return (sends_.empty() && unsettled_.empty()) || now >= leave_by_;
}

}  // namespace thinwire
