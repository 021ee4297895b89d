// SPDX-License-Identifier: Apache-2.0
#include "batches.h"

namespace train_text {

std::mt19937_64 BatchRandom(uint64_t seed, int rank) {
  std::seed_seq sequence{seed, static_cast<uint64_t>(rank)};
  return std::mt19937_64(sequence);
}

Batches::Batches(const Options& options, const Text& text, std::mt19937_64* random)
    : options_(options), text_(text), random_(random) {
  for (size_t i = 0; i < options.samples / options.batch; ++i) epoch_.push_back(Draw());
}

const Batch& Batches::Next() {
  if (options_.samples == 0) {
    epoch_ = {Draw()};
    number_ = steps_++;
    return epoch_[0];
  }
  number_ = steps_++ % epoch_.size();
  return epoch_[number_];
}

Batch Batches::Draw() const {
  return text_.Draw(Text::Part::kTraining, options_.batch, options_.context, random_);
}

}  // namespace train_text
