// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/assembly.h"

#include <utility>

namespace thinwire {
namespace {

constexpr size_t kOverhead = 256;  // of a message that is not complete, besides its bytes

}  // namespace

std::optional<std::span<std::byte>> Assembly::Begin(const MessageHead& piece) {
  auto found = partial_.find(piece.number);
  if (found == partial_.end()) {
    if (bytes_ + piece.total + kOverhead > most_bytes_) return std::nullopt;
    bytes_ += piece.total + kOverhead;
    found =
        partial_.emplace(piece.number, Partial{std::make_unique<OwnedBuffer>(piece.total)}).first;
  }
  Partial& message = found->second;
  const std::span<std::byte> bytes = message.buffer->bytes();
  if (bytes.size() != piece.total || piece.length > piece.total - message.begun) {
    return std::nullopt;
  }
  message.begun += piece.length;
  return bytes.subspan(piece.offset, piece.length);
}

std::unique_ptr<OwnedBuffer> Assembly::Finish(const MessageHead& piece) {
  const auto found = partial_.find(piece.number);
  Partial& message = found->second;
  message.finished += piece.length;
  if (message.finished < piece.total) return nullptr;
  bytes_ -= piece.total + kOverhead;
  std::unique_ptr<OwnedBuffer> whole = std::move(message.buffer);
  partial_.erase(found);
  return whole;
}

}  // namespace thinwire
