// SPDX-License-Identifier: Apache-2.0
//
// StateBytes: a run of bytes on its own cache lines. Filled by who made it; shared as const from
// then on, so that an operation in flight keeps it after its store has moved on.

#ifndef THINWIRE_COMM_STATE_BYTES_H_
#define THINWIRE_COMM_STATE_BYTES_H_

#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "base/status.h"
#include "base/units.h"

namespace thinwire {

class StateBytes {
 public:
  static constexpr std::align_val_t kAlignment{64};

  // Not initialised. Fails where memory runs out.
  static Result<std::shared_ptr<StateBytes>> Make(size_t size) {
    auto* data = static_cast<std::byte*>(::operator new(size, kAlignment, std::nothrow));
    if (data == nullptr) return SystemError("no memory for {} of state", FormatBytes(size));
    return std::shared_ptr<StateBytes>(new StateBytes(data, size));
  }
  ~StateBytes() { ::operator delete(data_, kAlignment); }
  StateBytes(const StateBytes&) = delete;
  StateBytes& operator=(const StateBytes&) = delete;

  size_t size() const { return size_; }
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::span<std::byte> span() { return {data_, size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }

 private:
  StateBytes(std::byte* data, size_t size) : data_(data), size_(size) {}
  std::byte* const data_;
  const size_t size_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_STATE_BYTES_H_
