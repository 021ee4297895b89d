// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <new>

#include "device/device.h"

namespace thinwire {
namespace {

constexpr std::align_val_t kStagingAlignment{64};

class HostDevice final : public Device {
 public:
  std::string_view name() const override { return "host"; }

  std::byte* AllocateStaging(size_t bytes) override {
    return static_cast<std::byte*>(::operator new(bytes, kStagingAlignment));
  }
  void FreeStaging(std::byte* staging) override { ::operator delete(staging, kStagingAlignment); }

  Result<Ticket> Encode(const EncodePass& pass) override {
    TW_TRY(thinwire::Encode(pass));
    return kDoneTicket;
  }
  Result<Ticket> Decode(const DecodePass& pass) override {
    TW_TRY(thinwire::Decode(pass));
    return kDoneTicket;
  }
  Result<Ticket> Reduce(const ReducePass& pass) override {
    TW_TRY(thinwire::Reduce(pass));
    return kDoneTicket;
  }
  Result<Ticket> Copy(const void* source, void* target, size_t bytes) override {
    if (source != target) std::memmove(target, source, bytes);
    return kDoneTicket;
  }
  Result<bool> Finished(Ticket) override { return true; }
};

}  // namespace

std::unique_ptr<Device> MakeHostDevice() { return std::make_unique<HostDevice>(); }

}  // namespace thinwire
