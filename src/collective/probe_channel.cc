// SPDX-License-Identifier: Apache-2.0
#include "collective/probe_channel.h"

#include <algorithm>

#include "base/log.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

constexpr size_t kTrainFrameBytes = size_t{8} << 10;
constexpr int kFramesAtOnce = 16;  // what comes in is to be noted when it comes
constexpr size_t kMaxFramesInFlight = 1024;

}  // namespace

ProbeChannel::ProbeChannel(const ProbeIdentity& self, const char* context, Transport* transport,
                           std::vector<Message>* early)
    : self_(self),
      context_(context),
      transport_(*transport),
      early_(*early),
      trains_(static_cast<size_t>(self.ranks)) {}

ProbeChannel::~ProbeChannel() {
  if (!idle()) transport_.Close(Now());
}

void ProbeChannel::Send(int peer, const ProbeNote& note, std::span<const std::byte> more) {
  const size_t payload_bytes = kProbeNoteBytes + more.size();
  Sending& sending = sends_.emplace_back();
  sending.peer = peer;
  sending.train = note.what == ProbeNote::What::kTrain;
  sending.frame.resize(kFrameHeaderBytes + payload_bytes);
  std::byte* const payload = sending.frame.data() + kFrameHeaderBytes;
  PackProbeNote(note, payload);
  std::copy(more.begin(), more.end(), payload + kProbeNoteBytes);
  FrameHeader header;
  header.kind = FrameKind::kProbe;
  header.communicator = self_.communicator;
  header.epoch = self_.epoch;
  header.source = static_cast<uint16_t>(self_.rank);
  header.destination = static_cast<uint16_t>(peer);
  header.payload_bytes = static_cast<uint32_t>(payload_bytes);
  SealFrame(header, sending.frame.data());
  if (!transport_.Send(peer, sending.frame, &sending.request).ok()) return sends_.pop_back();
  if (sending.train) ++trains_[static_cast<size_t>(peer)];
}

size_t ProbeChannel::SendTrain(int peer, size_t bytes) {
  ProbeNote note;
  note.what = ProbeNote::What::kTrain;
  static const std::vector<std::byte> fill(kTrainFrameBytes - kFrameHeaderBytes - kProbeNoteBytes);
  size_t sent = 0;
  for (int i = 0; i < kFramesAtOnce && sent < bytes; ++i) {
    if (trains_[static_cast<size_t>(peer)] == kMaxFramesInFlight) break;
    Send(peer, note, fill);
    sent += kTrainFrameBytes;
  }
  return sent;
}

void ProbeChannel::Answer(const Arrived& ping) {
  ProbeNote pong = ping.note;
  pong.what = ProbeNote::What::kPong;
  pong.nanoseconds = ping.at.time_since_epoch().count();
  Send(ping.source, pong);
}

bool ProbeChannel::Reap() {
  return std::erase_if(sends_, [this](const Sending& sending) {
           if (sending.request.pending()) return false;
           if (sending.train) --trains_[static_cast<size_t>(sending.peer)];
           return true;
         }) > 0;
}

Status ProbeChannel::Receive(const Take& take, bool* moved) {
  arrived_.clear();
  *moved |= transport_.Poll(&arrived_);
  const TimePoint now = Now();
  for (Message& message : arrived_) {
    bool for_engine = false;
    TW_TRY(Open(message, now, take, &for_engine));
    if (for_engine) early_.push_back(std::move(message));
  }
  arrived_.clear();
  return {};
}

// An engine bundles small frames: its answer to a ping may come with frames for the engine here,
// which then reads that answer too, and ignores it.
Status ProbeChannel::Open(const Message& message, TimePoint at, const Take& take,
                          bool* for_engine) const {
  const int source = message.source();
  std::span<const std::byte> rest = message.bytes();
  while (!rest.empty()) {
    const ParsedFrame frame = ParseFrame(rest);
    if (frame.state != ParseState::kFrame) {
      return RemoteError("{}: a frame from rank {} is damaged", context_, source);
    }
    rest = rest.subspan(frame.bytes);
    if (frame.header.kind != FrameKind::kProbe) {
      *for_engine = true;
      continue;
    }
    if (frame.header.communicator != self_.communicator || frame.header.epoch != self_.epoch ||
        frame.header.source != source) {
      TW_LOG(kWarn, "rank {}: ignored a frame from rank {} while {}", self_.rank, source, context_);
      continue;
    }
    TW_ASSIGN(const ProbeNote note, ParseProbeNote(frame.payload));
    TW_TRY(take({.source = source,
                 .note = note,
                 .more = frame.payload.subspan(kProbeNoteBytes),
                 .frame_bytes = frame.bytes,
                 .at = at}));
  }
  return {};
}

}  // namespace thinwire
