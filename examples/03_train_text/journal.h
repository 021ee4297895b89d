// SPDX-License-Identifier: Apache-2.0
//
// What a rank notes of its steps, and the lines that tell how it goes.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_JOURNAL_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace train_text {

// Of a steady clock.
double Seconds();

struct Journal {
  std::vector<float> losses;
  std::vector<double> step_seconds;
  std::vector<double> communication_seconds;  // the part of each step spent in the library

  double MedianStepSeconds() const;
  double MedianCommunicationSeconds() const;
  // Over the last tenth of the steps.
  double LastLoss() const;

  // At about ten of `steps`, prints the means since the last line.
  void PrintIfDue(size_t steps, uint64_t bytes_sent);

  size_t printed = 0;  // steps
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_JOURNAL_H_
