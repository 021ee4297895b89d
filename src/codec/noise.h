// SPDX-License-Identifier: Apache-2.0
//
// Noise: of stochastic rounding and random signs. Their bits are a function of (key, index of the
// element in the run whose first element is `first`), the same on every machine and however a run
// is split.

#ifndef THINWIRE_CODEC_NOISE_H_
#define THINWIRE_CODEC_NOISE_H_

#include <cstdint>

namespace thinwire {

struct Noise {
  uint64_t key = 0;
  uint64_t first = 0;
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_NOISE_H_
