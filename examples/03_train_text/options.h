// SPDX-License-Identifier: Apache-2.0
//
// The command line of train_text.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIONS_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace train_text {

enum class Mode {
  kData,      // every rank holds the model and learns from its own examples
  kPipeline,  // each of two ranks holds one layer
};
enum class OptimizerKind { kAdam, kSgd };

struct Options {
  Mode mode = Mode::kData;
  int ranks = 0;  // threads of this process; 0: one rank of the job that started the process
  size_t steps = 60;
  size_t batch = 32;   // examples a rank takes a step
  size_t samples = 0;  // a multiple of batch: fixed, visited in turn; 0: other examples every step
  size_t context = 8;
  size_t hidden = 3072;
  OptimizerKind optimizer = OptimizerKind::kAdam;
  float learning_rate = 0.002f;
  float learning_rate_decay = 1;  // of the last step, over that of the first
  float momentum = 0;             // of SGD
  uint64_t seed = 1;
  std::optional<std::string> policy;  // unset: THINWIRE_POLICY
  std::string forward = "raw";        // codecs of the pipeline's border
  std::string backward = "raw";
  std::string text;     // a file; empty: the King James Bible of `bible`
  std::string json;     // where the results go; empty: nowhere
  std::string capture;  // folder for captured tensors; empty: none
};

// On --help or a mistake: prints, and sets *status to what the process must return.
std::optional<Options> ParseOptions(int argc, char** argv, int* status);

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_OPTIONS_H_
