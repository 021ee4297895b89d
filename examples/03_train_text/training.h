// SPDX-License-Identifier: Apache-2.0
//
// The two ways to train with several ranks, each in a file of its own that shows how Thinwire is
// used: data_parallel.cc and pipeline.cc.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "options.h"
#include "rank.h"
#include "text.h"

namespace train_text {

// What one kind of message cost the rank that sends it.
struct Traffic {
  std::string codec, algorithm;
  double bytes_per_step = 0;  // on the wire
  double ratio = 0;
};

struct Results {
  int ranks = 0;
  size_t parameters = 0;
  double seconds_per_step = 0;                // median, as all that follow of this rank
  double communication_seconds_per_step = 0;  // the part of it spent in the library
  Traffic gradient;                           // data: the all-reduce
  Traffic forward, backward;                  // pipeline: activations, and their gradient
  double loss_first = 0;                      // of the first step, mean over the ranks
  double loss_last = 0;                       // mean over the last tenth of the steps
  double loss_held_out = 0;                   // on text never trained on
  uint64_t parameter_hash = 0;
};

Traffic TrafficOf(const thinwireStatistics_t& statistics, size_t steps);

// Both print progress on one rank; the results are complete on rank 0. They throw
// std::runtime_error, also when ranks began with different text or flags.

// Every rank holds the whole model, takes batches of its own, and all average their gradients
// before each update. Throws where ranks end with different parameters.
Results TrainDataParallel(const Options& options, const Text& text, const Rank& rank);

// Rank 0 holds the hidden layer and rank 1 the output layer. The hidden activations of a batch
// travel forward and their gradient back; each rank updates its own parameters.
Results TrainPipeline(const Options& options, const Text& text, const Rank& rank);

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_TRAINING_H_
