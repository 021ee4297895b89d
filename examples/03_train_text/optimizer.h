// SPDX-License-Identifier: Apache-2.0
//
// How parameters follow gradients. With g the gradient and lr the learning rate of update t = 1, 2,
// ...:
//   Adam (Kingma and Ba, 2015), with its usual constants:
//     m = b1 m + (1-b1) g    v = b2 v + (1-b2) g^2    x -= lr m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)
//   SGD with momentum (Sutskever et al., 2013):
//     m = momentum m + g     x -= lr m
// Only arithmetic that IEEE 754 rounds in one way, so that ranks with the same gradient stay equal.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIMIZER_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIMIZER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "options.h"

namespace train_text {

class Optimizer {
 public:
  // The learning rate falls in a straight line over options.steps updates.
  Optimizer(const Options& options, size_t parameter_count);

  void Update(std::span<const float> gradient, std::span<float> parameters);

 private:
  float LearningRate() const;
  void UpdateAdam(float rate, std::span<const float> gradient, std::span<float> parameters);
  void UpdateSgd(float rate, std::span<const float> gradient, std::span<float> parameters);

  const Options& options_;
  size_t updates_ = 0;
  std::vector<float> mean_, square_;
  // b1^t and b2^t after t updates.
  float mean_power_ = 1, square_power_ = 1;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIMIZER_H_
