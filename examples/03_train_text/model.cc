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

void Softmax(std::span<float> values) {
  const float largest = *std::max_element(values.begin(), values.end());
  float sum = 0;
  for (float& value : values) {
    value = std::exp(value - largest);
    sum += value;
  }
  for (float& value : values) value /= sum;
}

}  // namespace

HiddenLayer::HiddenLayer(size_t context, size_t vocabulary, size_t width)
    : context_(context),
      vocabulary_(vocabulary),
      width_(width),
      bias_(context * vocabulary * width) {}

void HiddenLayer::Forward(std::span<const float> parameters, const Batch& batch,
                          std::span<float> hidden) const {
  for (size_t i = 0; i < batch.size; ++i) {
    const std::span<float> values = hidden.subspan(i * width_, width_);
    std::ranges::copy(parameters.subspan(bias_, width_), values.begin());
    for (size_t j = 0; j < context_; ++j) {
      const uint8_t c = batch.contexts[i * context_ + j];
      AddScaled(1, parameters.data() + TableRow(j, c), values.data(), width_);
    }
    for (float& value : values) value = std::max(value, 0.0f);
  }
}

void HiddenLayer::Backward(const Batch& batch, std::span<const float> hidden,
                           std::span<const float> d_hidden, std::span<float> gradient) const {
  std::ranges::fill(gradient, 0.0f);
  std::vector<float> d_sum(width_);
  for (size_t i = 0; i < batch.size; ++i) {
    for (size_t h = 0; h < width_; ++h) {
      d_sum[h] = hidden[i * width_ + h] > 0 ? d_hidden[i * width_ + h] : 0;
    }
    AddScaled(1, d_sum.data(), gradient.data() + bias_, width_);
    for (size_t j = 0; j < context_; ++j) {
      const uint8_t c = batch.contexts[i * context_ + j];
      AddScaled(1, d_sum.data(), gradient.data() + TableRow(j, c), width_);
    }
  }
}

OutputLayer::OutputLayer(size_t vocabulary, size_t width)
    : vocabulary_(vocabulary), width_(width), bias_(vocabulary * width) {}

double OutputLayer::Forward(std::span<const float> parameters, const Batch& batch,
                            std::span<const float> hidden, std::span<float> probabilities) const {
  double sum = 0;
  for (size_t i = 0; i < batch.size; ++i) {
    const std::span<float> values = probabilities.subspan(i * vocabulary_, vocabulary_);
    for (size_t v = 0; v < vocabulary_; ++v) {
      values[v] = parameters[bias_ + v] +
                  Dot(parameters.data() + v * width_, hidden.data() + i * width_, width_);
    }
    Softmax(values);
    sum -= std::log(std::max(values[batch.targets[i]], 1e-30f));
  }
  return sum / static_cast<double>(batch.size);
}

void OutputLayer::Backward(std::span<const float> parameters, const Batch& batch,
                           std::span<const float> hidden, std::span<const float> probabilities,
                           std::span<float> gradient, std::span<float> d_hidden) const {
  std::ranges::fill(gradient, 0.0f);
  std::ranges::fill(d_hidden, 0.0f);
  for (size_t i = 0; i < batch.size; ++i) {
    for (size_t v = 0; v < vocabulary_; ++v) {
      const float target = v == batch.targets[i] ? 1.0f : 0.0f;
      const float d_logit =
          (probabilities[i * vocabulary_ + v] - target) / static_cast<float>(batch.size);
      gradient[bias_ + v] += d_logit;
      AddScaled(d_logit, hidden.data() + i * width_, gradient.data() + v * width_, width_);
      AddScaled(d_logit, parameters.data() + v * width_, d_hidden.data() + i * width_, width_);
    }
  }
}

Model::Model(size_t context, size_t vocabulary, size_t width)
    : context_(context),
      vocabulary_(vocabulary),
      width_(width),
      hidden_layer_(context, vocabulary, width),
      output_layer_(vocabulary, width) {}

std::vector<float> Model::InitialParameters(uint64_t seed) const {
  std::vector<float> parameters(parameter_count(), 0.0f);
  std::mt19937_64 random(seed);
  // Uniform of unit variance; standard distributions differ between libraries.
  const auto draw = [&random] {
    return (static_cast<float>(random() >> 40) * 0x1p-24f - 0.5f) * std::sqrt(12.0f);
  };
  // k rows add up in the hidden layer, and about half of it is above zero.
  const float table_scale = 1 / std::sqrt(static_cast<float>(context_));
  const float weight_scale = 1 / std::sqrt(static_cast<float>(width_));
  const size_t weights = hidden_layer_.parameter_count();
  for (size_t i = 0; i < weights - width_; ++i) parameters[i] = table_scale * draw();
  for (size_t i = 0; i < vocabulary_ * width_; ++i) parameters[weights + i] = weight_scale * draw();
  return parameters;
}

Model::Activations Model::ActivationsOf(size_t batch_size) const {
  return {.hidden = std::vector<float>(batch_size * width_),
          .d_hidden = std::vector<float>(batch_size * width_),
          .probabilities = std::vector<float>(batch_size * vocabulary_)};
}

double Model::Loss(std::span<const float> parameters, const Batch& batch) const {
  Activations activations = ActivationsOf(batch.size);
  hidden_layer_.Forward(parameters, batch, activations.hidden);
  return output_layer_.Forward(parameters.subspan(hidden_layer_.parameter_count()), batch,
                               activations.hidden, activations.probabilities);
}

double Model::LossAndGradient(std::span<const float> parameters, const Batch& batch,
                              std::span<float> gradient, Activations* activations) const {
  const size_t border = hidden_layer_.parameter_count();
  const auto output_parameters = parameters.subspan(border);
  hidden_layer_.Forward(parameters, batch, activations->hidden);
  const double loss = output_layer_.Forward(output_parameters, batch, activations->hidden,
                                            activations->probabilities);
  output_layer_.Backward(output_parameters, batch, activations->hidden, activations->probabilities,
                         gradient.subspan(border), activations->d_hidden);
  hidden_layer_.Backward(batch, activations->hidden, activations->d_hidden, gradient.first(border));
  return loss;
}

}  // namespace train_text
