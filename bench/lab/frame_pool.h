// SPDX-License-Identifier: Apache-2.0
// Buffers for frames under way. A long fat link holds tens of megabytes, mostly super-packets of
// 64 KB going one way and acknowledgements of 52 bytes going the other: buffers come in a few sizes
// and are reused, so that the memory stays mapped and near what is really in flight.
#ifndef THINWIRE_BENCH_LAB_FRAME_POOL_H_
#define THINWIRE_BENCH_LAB_FRAME_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "super_packet.h"

namespace thinwire::lab {

struct Frame {
  std::unique_ptr<uint8_t[]> bytes;
  size_t capacity = 0;
  size_t size = 0;
  PacketShape shape;

  std::span<const uint8_t> view() const { return {bytes.get(), size}; }
};

// For one thread. Frames must not outlive the pool.
class FramePool {
 public:
  std::shared_ptr<Frame> Get(size_t capacity) {
    size_t size_class = 0;
    while (kSizes[size_class] < capacity) ++size_class;
    std::vector<std::unique_ptr<Frame>>& idle = idle_[size_class];
    std::unique_ptr<Frame> frame;
    if (idle.empty()) {
      frame = std::make_unique<Frame>();
      frame->capacity = kSizes[size_class];
      frame->bytes = std::make_unique_for_overwrite<uint8_t[]>(frame->capacity);
    } else {
      frame = std::move(idle.back());
      idle.pop_back();
    }
    return {frame.release(), [&idle](Frame* used) { idle.emplace_back(used); }};
  }

 private:
  static constexpr std::array<size_t, 4> kSizes = {256, 2048, 16384, kMaxFrameBytes};
  std::array<std::vector<std::unique_ptr<Frame>>, kSizes.size()> idle_;
};

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_FRAME_POOL_H_
