// SPDX-License-Identifier: Apache-2.0
//
// AgreedSteps: what all ranks of a reduction in `iq8` or `iq4` agree on before they encode: of
// every block of every range of elements that is encoded alone, the largest step some rank needs.

#ifndef THINWIRE_COLLECTIVE_AGREED_STEPS_H_
#define THINWIRE_COLLECTIVE_AGREED_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "base/status.h"
#include "collective/plan.h"
#include "device/device.h"

namespace thinwire {

class AgreedSteps {
 public:
  // Room for the steps of the ranges that `plan` encodes: the same ranges, in the same order, on
  // all ranks. In staging memory of `device`, which must outlive this.
  AgreedSteps(const Plan& plan, Device* device);
  ~AgreedSteps();
  AgreedSteps(const AgreedSteps&) = delete;
  AgreedSteps& operator=(const AgreedSteps&) = delete;

  // Fills in what this rank's input needs; done when the tickets are.
  Result<std::vector<Ticket>> Measure(const void* input);

  // As bfloat16s, to be reduced to their maxima over the ranks.
  uint16_t* values() { return values_; }
  size_t size() const { return size_; }

  // Of the range that begins at `input`, from its element `element` on.
  const uint16_t* At(size_t input, size_t element) const {
    return values_ + ranges_.at(input).first + element / kStepElements;
  }

 private:
  struct Range {
    size_t count;
    size_t first;  // its first step
  };
  const Codec& codec_;
  const DataType dtype_;
  std::map<size_t, Range> ranges_;  // by where they begin in the input
  Device* const device_;
  uint16_t* values_ = nullptr;
  size_t size_ = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_COLLECTIVE_AGREED_STEPS_H_
