// SPDX-License-Identifier: Apache-2.0
//
// Data-parallel training: every rank holds the whole model, takes a batch of its own, and all
// average their gradients before each update. This is the file that uses Thinwire.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_

#include <thinwire/thinwire.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "options.h"
#include "text.h"

namespace train_text {

struct Results {
  int ranks = 0;
  size_t parameters = 0;
  double seconds_per_step = 0;         // median
  double reduce_seconds_per_step = 0;  // median of the part spent in thinwireAllReduce
  double bytes_per_step = 0;           // on the wire, sent by this rank
  double ratio = 0;
  std::string codec, algorithm;
  double loss_first = 0;     // of the first step, mean over the ranks
  double loss_last = 0;      // mean over the last tenth of the steps
  double loss_held_out = 0;  // on text never trained on; rank 0 only
  uint64_t parameter_hash = 0;
};

// Throws std::runtime_error with the library's text when `result` is no success.
void Must(thinwireResult_t result, const char* what);

// Trains as one rank of `comm`. Rank 0 prints progress. Throws std::runtime_error, also when ranks
// began with different text or flags, or ended with different parameters.
Results Train(const Options& options, const Text& text, thinwireComm_t comm);

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_
