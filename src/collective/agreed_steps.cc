// SPDX-License-Identifier: Apache-2.0
#include "collective/agreed_steps.h"

#include "base/checked.h"

namespace thinwire {

AgreedSteps::AgreedSteps(const Plan& plan)
    : codec_(*plan.request.codec), dtype_(plan.request.dtype) {
  for (const Step& step : plan.steps) {
    const bool encodes =
        step.verb == Verb::kEncode || (step.verb == Verb::kReduce && step.slot != kNoSlot);
    if (encodes && step.count > 0) ranges_[step.input] = {step.count, 0};
  }
  size_t steps = 0;
  for (auto& [input, range] : ranges_) {
    range.first = steps;
    steps += CeilDivide(range.count, kStepElements);
  }
  values_.resize(steps);
}

void AgreedSteps::Measure(const void* input) {
  for (const auto& [begin, range] : ranges_) {
    codec_.MeasureSteps(static_cast<const std::byte*>(input) + begin * SizeOf(dtype_), dtype_,
                        range.count, values_.data() + range.first);
  }
}

}  // namespace thinwire
