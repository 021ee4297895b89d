// SPDX-License-Identifier: Apache-2.0
#include "transport/faulty_transport.h"

#include <algorithm>

#include "transport/buffers.h"

namespace thinwire {

FaultyTransport::FaultyTransport(std::unique_ptr<Transport> inner, const FaultOptions& options)
    : TransportDecorator("faulty", std::move(inner)), options_(options), random_(options.seed) {}

void FaultyTransport::Inject(Fault fault, int count) {
  const std::lock_guard lock(mutex_);
  injected_[static_cast<size_t>(fault)] += count;
}

void FaultyTransport::Cut(int peer) {
  const std::lock_guard lock(mutex_);
  cut_.insert(peer);
}

bool FaultyTransport::IsCut(int peer) const {
  const std::lock_guard lock(mutex_);
  return cut_.contains(peer);
}

bool FaultyTransport::Strikes(Fault fault) {
  const auto index = static_cast<size_t>(fault);
  {
    const std::lock_guard lock(mutex_);
    if (injected_[index] > 0) {
      --injected_[index];
      return true;
    }
  }
  return std::bernoulli_distribution(options_.probability[index])(random_);
}

size_t FaultyTransport::Below(size_t bound) {
  return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
}

Status FaultyTransport::Send(int peer, std::span<const std::byte> bytes, Request* request) {
  if (!IsCut(peer)) return inner().Send(peer, bytes, request);
  request->state = Request::State::kDone;
  return {};
}

bool FaultyTransport::Poll(std::vector<Message>* arrived) {
  std::vector<Message> messages;
  const bool moved = inner().Poll(&messages);
  for (Message& message : messages) Receive(std::move(message));
  return held_.Release(Now(), arrived) || moved;
}

void FaultyTransport::Receive(Message message) {
  if (IsCut(message.source()) || Strikes(Fault::kDrop)) return;
  const size_t size = message.bytes().size();
  if (size > 0 && Strikes(Fault::kCorrupt)) message = Corrupted(std::move(message));
  if (size > 0 && Strikes(Fault::kTruncate)) message = Trimmed(std::move(message), Below(size));
  if (Strikes(Fault::kDuplicate)) {
    Hold(Message(message.source(), std::make_unique<OwnedBuffer>(message.bytes())));
  }
  Hold(std::move(message));
}

// Flips one to eight bits of one byte.
Message FaultyTransport::Corrupted(Message message) {
  const std::span<std::byte> bytes = message.bytes();
  const size_t first = Below(bytes.size());
  const auto mask = static_cast<std::byte>(1 + Below(255));
  bytes[first] ^= mask;
  return message;
}

void FaultyTransport::Hold(Message message) {
  const auto longest = static_cast<size_t>(options_.shuffle.count());
  held_.Hold(Now() + Duration(longest == 0 ? 0 : Below(longest)), std::move(message));
}

// Also of a peer that was cut off: it is silent, not known to have failed.
Status FaultyTransport::PeerStatus(int peer) const {
  if (held_.HoldsFrom(peer) || IsCut(peer)) return {};
  return TransportDecorator::PeerStatus(peer);
}

void FaultyTransport::Wait(TimePoint deadline) { inner().Wait(std::min(deadline, held_.next())); }

}  // namespace thinwire
