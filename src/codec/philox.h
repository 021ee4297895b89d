// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32-7, a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011): 16 random bytes as a function of a key and a counter, the same on
// every machine and in any order.

#ifndef THINWIRE_CODEC_PHILOX_H_
#define THINWIRE_CODEC_PHILOX_H_

#include <cstddef>
#include <cstdint>

#include "codec/host_device.h"

namespace thinwire::philox {

inline constexpr int kRounds = 7;
inline constexpr size_t kBytes = 16;  // of one counter

// The low half of `word`, or of each of its lanes, times `factor`, as 64 bits.
struct Product {
  template <typename W>
  TW_HOST_DEVICE constexpr W operator()(W word, uint32_t factor) const {
    return (word & 0xffffffffu) * factor;
  }
};

// All rounds on the counter in `words`. `W` is uint64_t or a vector of them, each holding 32 bits:
// what stands in the upper half is ignored, and left undefined.
template <typename W, typename Multiply = Product>
TW_HOST_DEVICE constexpr void Run(uint64_t key, W (&words)[4], Multiply product = {}) {
  uint64_t low = key & 0xffffffffu;
  uint64_t high = key >> 32;
  for (int round = 0; round < kRounds; ++round) {
    const W even = product(words[0], 0xd2511f53u);
    const W odd = product(words[2], 0xcd9e8d57u);
    words[0] = (odd >> 32) ^ words[1] ^ low;
    words[2] = (even >> 32) ^ words[3] ^ high;
    words[1] = odd;
    words[3] = even;
    low = (low + 0x9e3779b9u) & 0xffffffffu;
    high = (high + 0xbb67ae85u) & 0xffffffffu;
  }
}

// Two words as 64 bits, the first one low.
template <typename W>
TW_HOST_DEVICE constexpr W Pair(W first, W second) {
  return (first & 0xffffffffu) | second << 32;
}

// The bytes of one counter: 4 words in turn, each from its lowest byte on.
struct Block {
  uint64_t pairs[2];
};
TW_HOST_DEVICE constexpr Block BlockAt(uint64_t key, uint64_t counter) {
  uint64_t words[4] = {counter, counter >> 32, 0, 0};
  Run(key, words);
  return {{Pair(words[0], words[1]), Pair(words[2], words[3])}};
}

}  // namespace thinwire::philox

#endif  // THINWIRE_CODEC_PHILOX_H_
