// SPDX-License-Identifier: Apache-2.0
//
// A rank's batches, step by step: other examples every step, or a fixed set visited in epochs.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_BATCHES_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_BATCHES_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "options.h"
#include "text.h"

namespace train_text {

// Of the batches that rank `rank` draws: a stream of its own, so that no two ranks draw the same.
std::mt19937_64 BatchRandom(uint64_t seed, int rank);

class Batches {
 public:
  // `text` and `random` must outlive this.
  Batches(const Options& options, const Text& text, std::mt19937_64* random);

  const Batch& Next();
  // Number of the batch that Next gave last: the same batch has the same number in every epoch.
  size_t number() const { return number_; }

 private:
  Batch Draw() const;

  const Options& options_;
  const Text& text_;
  std::mt19937_64* const random_;
  std::vector<Batch> epoch_;  // one, drawn anew every step, where there are no fixed samples
  size_t steps_ = 0, number_ = 0;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_BATCHES_H_
