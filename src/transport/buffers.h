// SPDX-License-Identifier: Apache-2.0
//
// Storage of messages that several transports use: memory of one's own, and the beginning of
// another message. Layer: transport.

#ifndef THINWIRE_TRANSPORT_BUFFERS_H_
#define THINWIRE_TRANSPORT_BUFFERS_H_

#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "transport/transport.h"

namespace thinwire {

class OwnedBuffer final : public Message::Buffer {
 public:
  // `size` bytes of any content.
  explicit OwnedBuffer(size_t size)
      : size_(size), data_(std::make_unique_for_overwrite<std::byte[]>(size)) {}
  explicit OwnedBuffer(std::span<const std::byte> source) : OwnedBuffer(source.size()) {
    if (!source.empty()) std::memcpy(data_.get(), source.data(), source.size());
  }
  std::span<std::byte> bytes() override { return {data_.get(), size_}; }

 private:
  const size_t size_;
  const std::unique_ptr<std::byte[]> data_;  // not a vector: nothing is zeroed before the copy
};

class TrimmedBuffer final : public Message::Buffer {
 public:
  // REQUIRES: size is at most that of `whole`.
  TrimmedBuffer(Message whole, size_t size) : whole_(std::move(whole)), size_(size) {}
  std::span<std::byte> bytes() override { return whole_.bytes().first(size_); }

 private:
  const Message whole_;
  const size_t size_;
};

// The first `size` bytes of `message`.
inline Message Trimmed(Message message, size_t size) {
  const int source = message.source();
  return Message(source, std::make_unique<TrimmedBuffer>(std::move(message), size));
}

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_BUFFERS_H_
