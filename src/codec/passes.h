// SPDX-License-Identifier: Apache-2.0
//
// The fused passes over memory, for any codec: what Device runs on the host. Each reads its inputs
// once and writes its output once, chunk by chunk, so intermediate sums stay in the first cache.

#ifndef THINWIRE_CODEC_PASSES_H_
#define THINWIRE_CODEC_PASSES_H_

#include <cstddef>
#include <span>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec.h"

namespace thinwire {

// One contribution to a reduction: either encoded bytes (codec != nullptr) or dense elements.
struct Term {
  const Codec* codec = nullptr;
  std::span<const std::byte> bytes;
};

// output = reduction of the terms, in the order given (callers give rank order):
//   kSum  ((t0 + t1) + t2) + ...      kAvg  the same divided by `divisor`
//   kProd, kMin, kMax likewise.
// Arithmetic: half, bfloat16 and the 8-bit floats are widened to binary32, reduced there and
// rounded once (to nearest, ties to even); float in binary32; double in binary64; integers in their
// own width, modulo 2^bits. kAvg: floats multiply the sum by 1/divisor (binary32 or binary64);
// integers divide the sum, truncating toward zero. kMin and kMax: a NaN on either side gives NaN.
// Lossy codecs stand only under kSum and kAvg.
//
// Shapes: every term holds `count` elements of `dtype`. The result goes to `dense` (count elements;
// may equal the bytes of one dense term: in place) or, when `encoder` is set, to
// `encoded[encoder->EncodedBytes(count)]`. Exactly one of the two is given.
struct ReducePass {
  std::span<const Term> terms;
  DataType dtype = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  int divisor = 1;
  size_t count = 0;
  void* dense = nullptr;
  const Codec* encoder = nullptr;
  std::byte* encoded = nullptr;
  // Of an encoder that rounds at random; `first` is the index of element 0.
  Noise noise = {};
};
Status Reduce(const ReducePass& pass);

// Sums over i of (x_i - y_i)^2 and x_i^2 in binary64, for the relative error of what was sent:
// y = decode(encoded). Floating types only.
struct SquaredError {
  double error = 0;
  double energy = 0;
};
Result<SquaredError> MeasureError(const Codec& codec, const void* source, DataType dtype,
                                  size_t count, std::span<const std::byte> encoded);

}  // namespace thinwire

#endif  // THINWIRE_CODEC_PASSES_H_
