// SPDX-License-Identifier: Apache-2.0
//
// StateBytes: a run of bytes in memory that a device's passes and the host can use. Filled by who
// made it; shared as const from then on, so that an operation in flight keeps it after its store
// has moved on.

#ifndef THINWIRE_COMM_STATE_BYTES_H_
#define THINWIRE_COMM_STATE_BYTES_H_

#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "base/status.h"
#include "base/units.h"
#include "device/device.h"

namespace thinwire {

class StateBytes {
 public:
  // Not initialised. Fails where memory runs out. The device outlives it.
  static Result<std::shared_ptr<StateBytes>> Make(Device* device, size_t size) {
    std::byte* data = nullptr;
    try {
      data = device->AllocateStaging(size);
    } catch (const std::bad_alloc&) {
    }
    if (data == nullptr) return SystemError("no memory for {} of state", FormatBytes(size));
    return std::shared_ptr<StateBytes>(new StateBytes(device, data, size));
  }
  ~StateBytes() { device_->FreeStaging(data_); }
  StateBytes(const StateBytes&) = delete;
  StateBytes& operator=(const StateBytes&) = delete;

  size_t size() const { return size_; }
  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::span<std::byte> span() { return {data_, size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }

 private:
  StateBytes(Device* device, std::byte* data, size_t size)
      : device_(device), data_(data), size_(size) {}
  Device* const device_;
  std::byte* const data_;
  const size_t size_;
};

}  // namespace thinwire

#endif  // THINWIRE_COMM_STATE_BYTES_H_
