// SPDX-License-Identifier: Apache-2.0
//
// Buffers of messages that were sent, kept for the next ones: memory that is new from the system
// costs a fault a page. Layer: transport. Threads: one at a time.

#ifndef THINWIRE_TRANSPORT_SPARE_BUFFERS_H_
#define THINWIRE_TRANSPORT_SPARE_BUFFERS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace thinwire {

struct SpareBuffer {
  std::unique_ptr<std::byte[]> bytes;
  size_t capacity = 0;
};

class SpareBuffers {
 public:
  // At least `size` bytes, their contents undefined.
  SpareBuffer Take(size_t size) {
    if (size >= kSmallest && !spare_.empty()) {
      SpareBuffer buffer = std::move(spare_.back());
      spare_.pop_back();
      kept_ -= buffer.capacity;
      if (buffer.capacity >= size) return buffer;
    }
    return {std::make_unique_for_overwrite<std::byte[]>(size), size};
  }

  void Give(SpareBuffer buffer) {
    if (buffer.capacity < kSmallest || kept_ + buffer.capacity > kKept) return;
    kept_ += buffer.capacity;
    spare_.push_back(std::move(buffer));
  }

 private:
  static constexpr size_t kSmallest = size_t{16} << 10;  // below, the allocator does as well
  static constexpr size_t kKept = size_t{16} << 20;

  std::vector<SpareBuffer> spare_;
  size_t kept_ = 0;  // bytes
};

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_SPARE_BUFFERS_H_
