// SPDX-License-Identifier: Apache-2.0
//
// Device: where tensors live and codec passes run. The host implementation is always built; CUDA's
// is a second implementation of the same interface, so there are no twin collectives.
//
// Work starts in the order it was given. A call returns a ticket; the work is done once
// Finished(ticket). The host runs a pass at once and returns kDoneTicket. One thread at a time, but
// for what says otherwise.

#ifndef THINWIRE_DEVICE_DEVICE_H_
#define THINWIRE_DEVICE_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec.h"
#include "codec/passes.h"
#include "device/site.h"

namespace thinwire {

using Ticket = uint64_t;
inline constexpr Ticket kDoneTicket = 0;

// A place in the order of a stream where an operation stands: the stream says that it is there,
// waits until the operation has ended, and goes on. Captured in a graph, it comes again with every
// replay.
class StreamGate {
 public:
  virtual ~StreamGate() = default;
  // The second half of entering the stream: from here on it waits. Apart from the first, so that
  // all operations of a group start, whatever streams they are on. The calling thread's, once.
  virtual Status Hold() = 0;
  // Whether the stream has come, once more if it came before. True once for each time.
  virtual bool Reached() = 0;
  // Lets the stream go on, or pass when it comes. Once for each time it comes.
  virtual void Release() = 0;
  // Whether streams may come again.
  virtual bool repeats() const = 0;
  // No stream will come any more: the graph is gone. Of gates that repeat.
  virtual bool over() const = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual std::string_view name() const = 0;
  // Among devices of its kind; -1: of the host, which is one.
  virtual int number() const { return -1; }

  // Memory that the passes, the transport and the host can use; freed by FreeStaging.
  virtual std::byte* AllocateStaging(size_t bytes) = 0;
  virtual void FreeStaging(std::byte* staging) = 0;
  // Whether passes can follow a pointer that came from elsewhere, such as the transport.
  virtual bool Reaches(const void* memory) const = 0;

  // The passes of codec/passes.h, Codec::MeasureSteps, and a plain copy (source may equal target).
  // What a pass points to must live until it is done; the pass itself and its list of terms need
  // not.
  virtual Result<Ticket> Encode(const EncodePass& pass) = 0;
  virtual Result<Ticket> Decode(const DecodePass& pass) = 0;
  virtual Result<Ticket> Reduce(const ReducePass& pass) = 0;
  virtual Result<Ticket> MeasureSteps(const Codec& codec, const void* source, DataType dtype,
                                      size_t count, uint16_t* steps) = 0;
  virtual Result<Ticket> Copy(const void* source, void* target, size_t bytes) = 0;

  // Whether the work behind the ticket is done. An error is the device's.
  virtual Result<bool> Finished(Ticket ticket) = 0;
  // Waits for all work that was given.
  virtual void Drain() = 0;

  // ---- For callers, on any thread ----

  // Makes sure that staging of so many bytes can be allocated without asking the system for memory,
  // which may wait for streams that wait for us. To be called before Enter.
  virtual Status Reserve(size_t bytes) = 0;

  // Whether `memory` is of a device of this kind, so that calls on it are for one.
  virtual bool Owns(const void* memory) const = 0;
  // Whether passes can work on tensors there; says why not.
  virtual Status CheckTensor(const void* memory) const = 0;
  // Puts an operation into the order of a stream of the device; StreamGate::Hold must follow.
  // kInvalidUsage where the device has none.
  virtual Result<std::shared_ptr<StreamGate>> Enter(void* stream) = 0;

  // A site of ranks whose devices share a fast network; the first rank makes its id. kInvalidUsage
  // where the device has no streams.
  virtual Result<SiteId> NewSiteId() = 0;
  virtual Result<std::unique_ptr<Site>> JoinSite(const SiteId& id, int rank, int ranks) = 0;
};

// `threads` share each pass, the calling one among them; the result has the same bits for any
// number.
std::unique_ptr<Device> MakeHostDevice(int threads = 1);

struct CudaOptions {
  int device = -1;            // its number, modulo how many there are; -1: the thread's current one
  std::string wait = "auto";  // how streams wait: THINWIRE_CUDA_WAIT
  std::string modules;        // THINWIRE_MODULES
  std::string nccl;           // THINWIRE_NCCL
};
// A CUDA device, by the module libthinwire_cuda.so. kCuda or kSystem say why there is none.
Result<std::unique_ptr<Device>> MakeCudaDevice(const CudaOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_DEVICE_DEVICE_H_
