// SPDX-License-Identifier: Apache-2.0
//
// Adam (Kingma and Ba, 2015), with its usual constants:
//   m = b1 m + (1-b1) g    v = b2 v + (1-b2) g^2    x -= lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)
// Only arithmetic that IEEE 754 rounds in one way, so that ranks with the same gradient stay equal.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_ADAM_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_ADAM_H_

#include <cstddef>
#include <span>
#include <vector>

namespace train_text {

class Adam {
 public:
  Adam(size_t parameter_count, float learning_rate)
      : learning_rate_(learning_rate), mean_(parameter_count), square_(parameter_count) {}

  void Update(std::span<const float> gradient, std::span<float> parameters);

 private:
  float learning_rate_;
  std::vector<float> mean_, square_;
  // b1^t and b2^t after t updates.
  float mean_power_ = 1, square_power_ = 1;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_ADAM_H_
