// SPDX-License-Identifier: Apache-2.0
#include "optimizer.h"

#include <cmath>

namespace train_text {
namespace {

constexpr float kMeanDecay = 0.9f;
constexpr float kSquareDecay = 0.999f;
constexpr float kEpsilon = 1e-8f;

}  // namespace

Optimizer::Optimizer(const Options& options, size_t parameter_count)
    : options_(options),
      mean_(parameter_count),
      square_(options.optimizer == OptimizerKind::kAdam ? parameter_count : 0) {}

float Optimizer::LearningRate() const {
  if (options_.steps < 2) return options_.learning_rate;
  const float done = static_cast<float>(updates_) / static_cast<float>(options_.steps - 1);
  return options_.learning_rate * (1 - (1 - options_.learning_rate_decay) * done);
}

void Optimizer::Update(std::span<const float> gradient, std::span<float> parameters) {
  const float rate = LearningRate();
  switch (options_.optimizer) {
    case OptimizerKind::kAdam:
      UpdateAdam(rate, gradient, parameters);
      break;
    case OptimizerKind::kSgd:
      UpdateSgd(rate, gradient, parameters);
      break;
  }
  ++updates_;
}

void Optimizer::UpdateAdam(float rate, std::span<const float> gradient,
                           std::span<float> parameters) {
  mean_power_ *= kMeanDecay;
  square_power_ *= kSquareDecay;
  const float mean_rate = rate / (1 - mean_power_);
  const float square_scale = 1 / (1 - square_power_);
  const float* __restrict const g = gradient.data();
  float* __restrict const x = parameters.data();
  float* __restrict const m = mean_.data();
  float* __restrict const v = square_.data();
  for (size_t i = 0; i < parameters.size(); ++i) {
    m[i] = kMeanDecay * m[i] + (1 - kMeanDecay) * g[i];
    v[i] = kSquareDecay * v[i] + (1 - kSquareDecay) * g[i] * g[i];
    x[i] -= mean_rate * m[i] / (std::sqrt(v[i] * square_scale) + kEpsilon);
  }
}

void Optimizer::UpdateSgd(float rate, std::span<const float> gradient,
                          std::span<float> parameters) {
  const float momentum = options_.momentum;
  const float* __restrict const g = gradient.data();
  float* __restrict const x = parameters.data();
  float* __restrict const m = mean_.data();
  for (size_t i = 0; i < parameters.size(); ++i) {
    m[i] = momentum * m[i] + g[i];
    x[i] -= rate * m[i];
  }
}

}  // namespace train_text
