// SPDX-License-Identifier: Apache-2.0
//
// One rank of a communicator, and what any training asks of it.

#ifndef THINWIRE_EXAMPLES_TRAIN_TEXT_RANK_H_
#define THINWIRE_EXAMPLES_TRAIN_TEXT_RANK_H_

#include <thinwire/thinwire.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "options.h"
#include "text.h"

namespace train_text {

// Throws std::runtime_error with the library's text when `result` is no success.
void Must(thinwireResult_t result, const char* what);

// Options of a call that no policy compresses.
thinwireCallOptions_t Exact();

// FNV-1a over 64 bits.
template <typename T>
uint64_t Hash(const std::vector<T>& values, uint64_t hash = 0xcbf29ce484222325) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < values.size() * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

struct Rank {
  explicit Rank(thinwireComm_t comm);

  // One value of every rank.
  std::vector<uint64_t> Gather(uint64_t value) const;
  // Throws std::runtime_error where ranks bring different values.
  void CheckEqual(uint64_t value, const char* what, const char* advice) const;
  // Ranks that learn from different text or flags would still learn something.
  void CheckSettings(const Options& options, const Text& text) const;
  thinwireStatistics_t Statistics(thinwireOperation_t operation) const;

  thinwireComm_t comm;
  int rank = 0, ranks = 0;
};

}  // namespace train_text

#endif  // THINWIRE_EXAMPLES_TRAIN_TEXT_RANK_H_
