// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace train_text {
namespace {

// to += factor * from
void AddScaled(float factor, const float* __restrict from, float* __restrict to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

// Eight running sums, so that the compiler may use vector registers without reordering a sum.
float Dot(const float* a, const float* b, size_t count) {
  constexpr size_t kLanes = 8;
  std::array<float, kLanes> lanes{};
  const size_t whole = count - count % kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (const float lane : lanes) sum += lane;
  for (size_t i = whole; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void Relu(std::vector<float>* values) {
  for (float& value : *values) value = std::max(value, 0.0f);
}

void Softmax(std::vector<float>* values) {
  const float largest = *std::max_element(values->begin(), values->end());
  float sum = 0;
  for (float& value : *values) {
    value = std::exp(value - largest);
    sum += value;
  }
  for (float& value : *values) value /= sum;
}

}  // namespace

Model::Model(size_t context, size_t vocabulary, size_t hidden)
    : context_(context),
      vocabulary_(vocabulary),
      hidden_(hidden),
      hidden_bias_(context * vocabulary * hidden),
      weights_(hidden_bias_ + hidden),
      output_bias_(weights_ + vocabulary * hidden) {}

std::vector<float> Model::InitialParameters(uint64_t seed) const {
  std::vector<float> parameters(parameter_count(), 0.0f);
  std::mt19937_64 random(seed);
  // Uniform of unit variance; standard distributions differ between libraries.
  const auto draw = [&random] {
    return (static_cast<float>(random() >> 40) * 0x1p-24f - 0.5f) * std::sqrt(12.0f);
  };
  // k rows add up in the hidden layer, and about half of it is above zero.
  const float table_scale = 1 / std::sqrt(static_cast<float>(context_));
  const float weight_scale = 1 / std::sqrt(static_cast<float>(hidden_));
  for (size_t i = 0; i < hidden_bias_; ++i) parameters[i] = table_scale * draw();
  for (size_t i = weights_; i < output_bias_; ++i) parameters[i] = weight_scale * draw();
  return parameters;
}

double Model::Forward(const float* parameters, const Batch& batch, size_t i,
                      Activations* out) const {
  const float* const hidden_bias = parameters + hidden_bias_;
  out->hidden.assign(hidden_bias, hidden_bias + hidden_);
  for (size_t j = 0; j < context_; ++j) {
    const uint8_t c = batch.contexts[i * context_ + j];
    AddScaled(1, parameters + TableRow(j, c), out->hidden.data(), hidden_);
  }
  Relu(&out->hidden);

  out->probabilities.resize(vocabulary_);
  for (size_t v = 0; v < vocabulary_; ++v) {
    out->probabilities[v] = parameters[output_bias_ + v] +
                            Dot(parameters + weights_ + v * hidden_, out->hidden.data(), hidden_);
  }
  Softmax(&out->probabilities);
  return -std::log(std::max(out->probabilities[batch.targets[i]], 1e-30f));
}

void Model::Backward(const float* parameters, const Batch& batch, size_t i,
                     const Activations& activations, float* gradient) const {
  std::vector<float> d_hidden(hidden_, 0.0f);
  for (size_t v = 0; v < vocabulary_; ++v) {
    const float target = v == batch.targets[i] ? 1.0f : 0.0f;
    const float d_logit = (activations.probabilities[v] - target) / static_cast<float>(batch.size);
    const size_t row = weights_ + v * hidden_;
    gradient[output_bias_ + v] += d_logit;
    AddScaled(d_logit, activations.hidden.data(), gradient + row, hidden_);
    AddScaled(d_logit, parameters + row, d_hidden.data(), hidden_);
  }
  for (size_t h = 0; h < hidden_; ++h) {
    if (activations.hidden[h] <= 0) d_hidden[h] = 0;
  }
  AddScaled(1, d_hidden.data(), gradient + hidden_bias_, hidden_);
  for (size_t j = 0; j < context_; ++j) {
    const uint8_t c = batch.contexts[i * context_ + j];
    AddScaled(1, d_hidden.data(), gradient + TableRow(j, c), hidden_);
  }
}

double Model::Loss(std::span<const float> parameters, const Batch& batch) const {
  Activations activations;
  double sum = 0;
  for (size_t i = 0; i < batch.size; ++i) sum += Forward(parameters.data(), batch, i, &activations);
  return sum / static_cast<double>(batch.size);
}

double Model::LossAndGradient(std::span<const float> parameters, const Batch& batch,
                              std::span<float> gradient) const {
  std::fill(gradient.begin(), gradient.end(), 0.0f);
  Activations activations;
  double sum = 0;
  for (size_t i = 0; i < batch.size; ++i) {
    sum += Forward(parameters.data(), batch, i, &activations);
    Backward(parameters.data(), batch, i, activations, gradient.data());
  }
  return sum / static_cast<double>(batch.size);
}

}  // namespace train_text
