// SPDX-License-Identifier: Apache-2.0
//
// An experiment beside the codecs: trellis-coded quantization (Marcellin and Fischer, 1990) of
// rotated blocks, to see how much of what a scalar quantizer leaves above Shannon's bound it takes
// back, and what that costs.
//
// Per block of 256 elements: random signs, Hadamard transform, division by the root mean square;
// then R bits an element. The scalar quantizer has 2^R levels. The trellis has 2^(R+1), dealt in
// turn to four subsets D0 .. D3. Of each element's bits one, u, enters a shift register of v + 1
// bits, from which two parities z1, z0 select the subset 2 z1 + z0 (the convolutional codes of
// Ungerboeck, 1982, with 2^v states); the other R - 1 bits select the level in it. So a decoder is
// a few XORs of the plane of bits u with itself, shifted, and a table of 2^(R+1). An encoder
// searches the best path through the states (Viterbi, 1967): four additions, two comparisons and
// two selections for every element and pair of states, so 1024 operations an element with 256
// states.

#ifndef THINWIRE_BENCH_CODEC_TRELLIS_EXPERIMENT_H_
#define THINWIRE_BENCH_CODEC_TRELLIS_EXPERIMENT_H_

#include <cstddef>
#include <span>
#include <vector>

namespace thinwire {

struct TrellisFigures {
  int rate = 0;           // R
  int states = 0;         // 1: the scalar quantizer
  double bits = 0;        // an element, with a scale of 16 bits a block
  double distortion = 0;  // sum (x - y)^2 / sum x^2
  double encode_ns = 0;   // an element, on one core
  double decode_ns = 0;
};

// Elements that are coded at once: 16 blocks, one a vector lane. Block i is every 16th element from
// the i-th on, so that nothing is transposed; after the rotation it makes no difference to D.
inline constexpr size_t kTrellisChunk = 4096;

// All rates and numbers of states on the whole chunks of `data`.
std::vector<TrellisFigures> RunTrellisExperiment(std::span<const float> data);

}  // namespace thinwire

#endif  // THINWIRE_BENCH_CODEC_TRELLIS_EXPERIMENT_H_
