// SPDX-License-Identifier: Apache-2.0
//
// A character language model: a multi-layer perceptron with one hidden layer, after Bengio et al.,
// "A Neural Probabilistic Language Model" (2003), on the last k characters c_1 .. c_k.
//
//   hidden  = relu(b + sum_j E_j[c_j])      E_j: vocabulary x hidden, a table for each of k places
//   logits  = a + W hidden                  W:   vocabulary x hidden
//   loss    = -log softmax(logits)[target]  in nats, mean over the batch
//
// Parameters of a layer lie in one array, and its gradient in another of the same layout; those of
// the model are those of the hidden layer, then those of the output layer: one collective a step
// reduces all of the gradient. Most of them are in tables that are looked up, so a step computes
// little.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text.h"

namespace train_text {

// Parameters: the tables E_1 .. E_k, then b. `hidden` and `d_hidden` hold batch.size x width
// numbers.
class HiddenLayer {
 public:
  HiddenLayer(size_t context, size_t vocabulary, size_t width);

  size_t parameter_count() const { return bias_ + width_; }

  void Forward(std::span<const float> parameters, const Batch& batch,
               std::span<float> hidden) const;
  // gradient = that of the loss by the parameters, from d_hidden = that by `hidden`.
  void Backward(const Batch& batch, std::span<const float> hidden, std::span<const float> d_hidden,
                std::span<float> gradient) const;

 private:
  // Offset of the row that character `c` at place `j` of the context adds to the hidden layer.
  size_t TableRow(size_t j, uint8_t c) const { return (j * vocabulary_ + c) * width_; }

  size_t context_, vocabulary_, width_, bias_;
};

// Parameters: W, then a.
class OutputLayer {
 public:
  OutputLayer(size_t vocabulary, size_t width);

  size_t parameter_count() const { return bias_ + vocabulary_; }

  // The mean loss over the batch. probabilities[batch.size x vocabulary] = softmax(logits).
  double Forward(std::span<const float> parameters, const Batch& batch,
                 std::span<const float> hidden, std::span<float> probabilities) const;
  // gradient and d_hidden = those of the mean loss, from what Forward left.
  void Backward(std::span<const float> parameters, const Batch& batch,
                std::span<const float> hidden, std::span<const float> probabilities,
                std::span<float> gradient, std::span<float> d_hidden) const;

 private:
  size_t vocabulary_, width_, bias_;
};

class Model {
 public:
  Model(size_t context, size_t vocabulary, size_t width);

  const HiddenLayer& hidden_layer() const { return hidden_layer_; }
  const OutputLayer& output_layer() const { return output_layer_; }
  size_t parameter_count() const {
    return hidden_layer_.parameter_count() + output_layer_.parameter_count();
  }

  // The same on every rank and machine for the same seed.
  std::vector<float> InitialParameters(uint64_t seed) const;

  // What one batch leaves on its way through the layers and back.
  struct Activations {
    std::vector<float> hidden, d_hidden, probabilities;
  };
  Activations ActivationsOf(size_t batch_size) const;

  // Mean loss over the batch.
  double Loss(std::span<const float> parameters, const Batch& batch) const;

  // The same, and its gradient (overwritten).
  double LossAndGradient(std::span<const float> parameters, const Batch& batch,
                         std::span<float> gradient, Activations* activations) const;

 private:
  size_t context_, vocabulary_, width_;
  HiddenLayer hidden_layer_;
  OutputLayer output_layer_;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_
