// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <new>

#include "device/device.h"
#include "device/worker_team.h"

namespace thinwire {
namespace {

constexpr std::align_val_t kStagingAlignment{64};
// A thread's part of a pass is at least this many elements: less is done before the thread is
// awake.
constexpr size_t kMinPartElements = size_t{32} << 10;

class HostDevice final : public Device {
 public:
  explicit HostDevice(int threads) : team_(threads) {}

  std::string_view name() const override { return "host"; }

  std::byte* AllocateStaging(size_t bytes) override {
    return static_cast<std::byte*>(::operator new(bytes, kStagingAlignment));
  }
  void FreeStaging(std::byte* staging) override { ::operator delete(staging, kStagingAlignment); }
  bool Reaches(const void*) const override { return true; }

  Result<Ticket> Encode(const EncodePass& pass) override { return InParts(pass, thinwire::Encode); }
  Result<Ticket> Decode(const DecodePass& pass) override { return InParts(pass, thinwire::Decode); }
  Result<Ticket> Reduce(const ReducePass& pass) override { return InParts(pass, thinwire::Reduce); }
  Result<Ticket> MeasureSteps(const Codec& codec, const void* source, DataType dtype, size_t count,
                              uint16_t* steps) override {
    codec.MeasureSteps(source, dtype, count, steps);
    return kDoneTicket;
  }
  Result<Ticket> Copy(const void* source, void* target, size_t bytes) override {
    if (source != target) std::memmove(target, source, bytes);
    return kDoneTicket;
  }
  Result<bool> Finished(Ticket) override { return true; }
  void Drain() override {}

  Status Reserve(size_t) override { return {}; }
  bool Owns(const void*) const override { return true; }
  Status CheckTensor(const void*) const override { return {}; }
  Result<std::shared_ptr<StreamGate>> Enter(void*) override {
    return InvalidUsage("a stream was given, but buffers are host memory");
  }
  Result<SiteId> NewSiteId() override { return InvalidUsage("sites are of CUDA devices"); }
  Result<std::unique_ptr<Site>> JoinSite(const SiteId&, int, int) override {
    return InvalidUsage("sites are of CUDA devices");
  }

 private:
  template <typename Pass>
  Result<Ticket> InParts(const Pass& pass, Status (*run)(const Pass&)) {
    const size_t parts = std::min(team_.size(), pass.count / kMinPartElements);
    if (parts < 2 || !Divisible(pass)) {
      TW_TRY(run(pass));
      return kDoneTicket;
    }
    TW_TRY(team_.Run([&](size_t part) -> Status {
      if (part >= parts) return {};
      const size_t begin = pass.count * part / parts / kPassGranule * kPassGranule;
      const size_t end = part + 1 == parts
                             ? pass.count
                             : pass.count * (part + 1) / parts / kPassGranule * kPassGranule;
      return RunPart(pass, begin, end - begin, run);
    }));
    return kDoneTicket;
  }

  WorkerTeam team_;
};

}  // namespace

std::unique_ptr<Device> MakeHostDevice(int threads) {
  return std::make_unique<HostDevice>(threads);
}

}  // namespace thinwire
