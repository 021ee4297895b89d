// SPDX-License-Identifier: Apache-2.0
//
// LateDevice: the host device, but work happens only some time after its ticket was given, and in
// another order. What reads a result before its ticket has finished reads garbage.

#ifndef THINWIRE_TESTS_SUPPORT_LATE_DEVICE_H_
#define THINWIRE_TESTS_SUPPORT_LATE_DEVICE_H_

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "device/device.h"

namespace thinwire {

class LateDevice final : public Device {
 public:
  explicit LateDevice(uint64_t seed) : random_(seed) {}

  std::string_view name() const override { return "late"; }
  std::byte* AllocateStaging(size_t bytes) override {
    std::byte* const staging = host_->AllocateStaging(bytes);
    std::memset(staging, 0xa5, bytes);
    return staging;
  }
  void FreeStaging(std::byte* staging) override { host_->FreeStaging(staging); }
  bool Reaches(const void*) const override { return true; }

  Result<Ticket> Encode(const EncodePass& pass) override {
    return Later([this, pass] { return host_->Encode(pass); });
  }
  Result<Ticket> Decode(const DecodePass& pass) override {
    return Later([this, pass] { return host_->Decode(pass); });
  }
  Result<Ticket> Reduce(const ReducePass& pass) override {
    const std::vector<Term> terms(pass.terms.begin(), pass.terms.end());
    return Later([this, pass, terms] {
      ReducePass later = pass;
      later.terms = terms;
      return host_->Reduce(later);
    });
  }
  Result<Ticket> MeasureSteps(const Codec& codec, const void* source, DataType dtype, size_t count,
                              uint16_t* steps) override {
    return Later([=, this, &codec] {
      return host_->MeasureSteps(codec, source, dtype, count, steps);
    });
  }
  Result<Ticket> Copy(const void* source, void* target, size_t bytes) override {
    return Later([=, this] { return host_->Copy(source, target, bytes); });
  }

  Result<bool> Finished(Ticket ticket) override {
    auto& [looks, work] = pending_.at(ticket);
    if (looks-- > 0) return false;
    TW_TRY(work().status());
    pending_.erase(ticket);
    return true;
  }
  void Drain() override {
    for (auto& [ticket, entry] : pending_) (void)entry.second();
    pending_.clear();
  }

  Status Reserve(size_t) override { return {}; }
  bool Owns(const void*) const override { return true; }
  Status CheckTensor(const void*) const override { return {}; }
  Result<std::shared_ptr<StreamGate>> Enter(void* stream) override { return host_->Enter(stream); }
  Result<SiteId> NewSiteId() override { return host_->NewSiteId(); }
  Result<std::unique_ptr<Site>> JoinSite(const SiteId& id, int rank, int ranks) override {
    return host_->JoinSite(id, rank, ranks);
  }

 private:
  using Work = std::function<Result<Ticket>()>;
  Result<Ticket> Later(Work work) {
    const int looks = std::uniform_int_distribution<int>(0, 5)(random_);
    pending_[++last_] = {looks, std::move(work)};
    return last_;
  }

  const std::unique_ptr<Device> host_ = MakeHostDevice();
  std::mt19937_64 random_;
  Ticket last_ = kDoneTicket;
  std::map<Ticket, std::pair<int, Work>> pending_;
};

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_LATE_DEVICE_H_
