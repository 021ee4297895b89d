// SPDX-License-Identifier: Apache-2.0
//
// A character language model: a multi-layer perceptron with one hidden layer, after Bengio et al.,
// "A Neural Probabilistic Language Model" (2003), on the last k characters c_1 .. c_k.
//
//   hidden  = relu(b + sum_j E_j[c_j])      E_j: vocabulary x hidden, a table for each of k places
//   logits  = a + W hidden                  W:   vocabulary x hidden
//   loss    = -log softmax(logits)[target]  in nats, mean over the batch
//
// All parameters lie in one array, and the gradient in another of the same layout: one collective a
// step reduces all of it. Most of them are in tables that are looked up, so a step computes little.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text.h"

namespace train_text {

class Model {
 public:
  Model(size_t context, size_t vocabulary, size_t hidden);

  size_t parameter_count() const { return output_bias_ + vocabulary_; }

  // The same on every rank and machine for the same seed.
  std::vector<float> InitialParameters(uint64_t seed) const;

  // Mean loss over the batch.
  double Loss(std::span<const float> parameters, const Batch& batch) const;

  // The same, and its gradient (overwritten).
  double LossAndGradient(std::span<const float> parameters, const Batch& batch,
                         std::span<float> gradient) const;

 private:
  // What one example's forward pass leaves for its backward pass.
  struct Activations {
    std::vector<float> hidden;
    std::vector<float> probabilities;
  };
  // The loss of example i.
  double Forward(const float* parameters, const Batch& batch, size_t i, Activations* out) const;
  // Adds example i's share to the gradient.
  void Backward(const float* parameters, const Batch& batch, size_t i,
                const Activations& activations, float* gradient) const;

  // Offset of the row that character `c` at place `j` of the context adds to the hidden layer.
  size_t TableRow(size_t j, uint8_t c) const { return (j * vocabulary_ + c) * hidden_; }

  size_t context_, vocabulary_, hidden_;
  // Where the parts begin; the tables begin at 0.
  size_t hidden_bias_, weights_, output_bias_;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_MODEL_H_
