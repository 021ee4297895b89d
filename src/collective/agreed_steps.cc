// SPDX-License-Identifier: Apache-2.0
#include "collective/agreed_steps.h"

#include "base/checked.h"

namespace thinwire {

AgreedSteps::AgreedSteps(const Plan& plan, Device* device)
    : codec_(*plan.request.codec), dtype_(plan.request.dtype), device_(device) {
  for (const Step& step : plan.steps) {
    const bool encodes =
        step.verb == Verb::kEncode || (step.verb == Verb::kReduce && step.slot != kNoSlot);
    if (encodes && step.count > 0) ranges_[step.input] = {step.count, 0};
  }
  for (auto& [input, range] : ranges_) {
    range.first = size_;
    size_ += CeilDivide(range.count, kStepElements);
  }
  values_ = reinterpret_cast<uint16_t*>(device_->AllocateStaging(size_ * sizeof(uint16_t)));
}

AgreedSteps::~AgreedSteps() { device_->FreeStaging(reinterpret_cast<std::byte*>(values_)); }

Result<std::vector<Ticket>> AgreedSteps::Measure(const void* input) {
  std::vector<Ticket> tickets;
  for (const auto& [begin, range] : ranges_) {
    const auto* const from = static_cast<const std::byte*>(input) + begin * SizeOf(dtype_);
    TW_ASSIGN(const Ticket ticket,
              device_->MeasureSteps(codec_, from, dtype_, range.count, values_ + range.first));
    tickets.push_back(ticket);
  }
  return tickets;
}

}  // namespace thinwire
