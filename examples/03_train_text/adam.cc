// SPDX-License-Identifier: Apache-2.0
#include "adam.h"

#include <cmath>

namespace train_text {
namespace {

constexpr float kMeanDecay = 0.9f;
constexpr float kSquareDecay = 0.999f;
constexpr float kEpsilon = 1e-8f;

}  // namespace

void Adam::Update(std::span<const float> gradient, std::span<float> parameters) {
  mean_power_ *= kMeanDecay;
  square_power_ *= kSquareDecay;
  const float rate = learning_rate_ / (1 - mean_power_);
  const float square_scale = 1 / (1 - square_power_);
  const float* __restrict const g = gradient.data();
  float* __restrict const x = parameters.data();
  float* __restrict const m = mean_.data();
  float* __restrict const v = square_.data();
  for (size_t i = 0; i < parameters.size(); ++i) {
    m[i] = kMeanDecay * m[i] + (1 - kMeanDecay) * g[i];
    v[i] = kSquareDecay * v[i] + (1 - kSquareDecay) * g[i] * g[i];
    x[i] -= rate * m[i] / (std::sqrt(v[i] * square_scale) + kEpsilon);
  }
}

}  // namespace train_text
