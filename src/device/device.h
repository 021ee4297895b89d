// SPDX-License-Identifier: Apache-2.0
//
// Device: where tensors live and codec passes run. The host implementation is always built; CUDA's
// is a second implementation of the same interface, so there are no twin collectives.
//
// Work starts in the order it was given. A call returns a ticket; the work is done once
// Finished(ticket). The host runs a pass at once and returns kDoneTicket. One thread at a time.

#ifndef THINWIRE_DEVICE_DEVICE_H_
#define THINWIRE_DEVICE_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec.h"
#include "codec/passes.h"

namespace thinwire {

using Ticket = uint64_t;
inline constexpr Ticket kDoneTicket = 0;

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;

  // Memory that both the passes and the transport can use; freed by FreeStaging.
  virtual std::byte* AllocateStaging(size_t bytes) = 0;
  virtual void FreeStaging(std::byte* staging) = 0;

  // The passes of codec/passes.h, and a plain copy (source may equal target). What a pass points to
  // must live until it is done; the pass itself and its list of terms need not.
  virtual Result<Ticket> Encode(const EncodePass& pass) = 0;
  virtual Result<Ticket> Decode(const DecodePass& pass) = 0;
  virtual Result<Ticket> Reduce(const ReducePass& pass) = 0;
  virtual Result<Ticket> Copy(const void* source, void* target, size_t bytes) = 0;

  // Whether the work behind the ticket is done. An error is the device's.
  virtual Result<bool> Finished(Ticket ticket) = 0;
};

// `threads` share each pass, the calling one among them; the result has the same bits for any
// number.
std::unique_ptr<Device> MakeHostDevice(int threads = 1);

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_DEVICE_H_
