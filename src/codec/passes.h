// SPDX-License-Identifier: Apache-2.0
//
// The fused passes over memory, for any codec: what Device runs on the host. Each reads its inputs
// once and writes its outputs once, piece by piece, so what lies between stays in the first cache.

#ifndef THINWIRE_CODEC_PASSES_H_
#define THINWIRE_CODEC_PASSES_H_

#include <cstddef>
#include <span>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec.h"
#include "codec/factor.h"

namespace thinwire {

// The state a pass advances: `count` elements in binary32, kept by `storage`, a codec of floating
// types or `raw`. With y = decode(encode(t)):
//   kResidual   t = x + e    after = e' = t - y   (0 where that is not finite)
//   kReference  t = x - m    after = m' = m + y   (an m that is not finite counts as 0)
// Residuals are the encoder's alone (Karimireddy et al. 2019). References are advanced by both ends
// alike and stand for the elements from then on: a decoder gives m' (Wang et al. 2022).
struct StateSpan {
  Feedback kind = Feedback::kNone;
  const Codec* storage = &RawCodec();
  const std::byte* before = nullptr;  // null: zeros
  std::byte* after = nullptr;         // may equal `before`; null: see Term
};

// target[codec->EncodedBytes(count)] = encode(source[count]), advancing `state`.
struct EncodePass {
  const Codec* codec = nullptr;
  const void* source = nullptr;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  std::byte* target = nullptr;
  Noise noise = {};
  StateSpan state = {};             // a residual or a reference
  const uint16_t* steps = nullptr;  // agreed ones, of codecs that need them
};
Status Encode(const EncodePass& pass);

// target[count] = decode(bytes), advancing `state`.
struct DecodePass {
  const Codec* codec = nullptr;
  std::span<const std::byte> bytes;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  void* target = nullptr;
  StateSpan state = {};  // a reference, as in Term
  int divisor = 1;       // of an average that was not divided before
};
Status Decode(const DecodePass& pass);

// One contribution to a reduction: encoded bytes; or dense elements, where there is no codec; or,
// where there is neither codec nor state.after, the elements of the reference state.before.
struct Term {
  const Codec* codec = nullptr;
  std::span<const std::byte> bytes;
  StateSpan state = {};            // a reference, advanced as by Decode
  const Factor* factor = nullptr;  // of dense elements; it need not outlive the call
};

// output = reduction of the terms, in the order given (callers give rank order):
//   kSum  ((t0 + t1) + t2) + ...      kAvg  the same divided by `divisor`
//   kProd, kMin, kMax likewise; a term with a factor counts as factor * t, not rounded in between.
// Arithmetic: half, bfloat16 and the 8-bit floats are widened to binary32, reduced there and
// rounded once (to nearest, ties to even); float in binary32; double in binary64; integers in their
// own width, modulo 2^bits. kAvg: floats multiply the sum by 1/divisor (binary32 or binary64);
// integers divide the sum, truncating toward zero. kMin and kMax: a NaN on either side gives NaN.
// Lossy codecs stand only under kSum and kAvg.
//
// Shapes: every term holds `count` elements of `dtype`. The result goes to `dense` (count elements;
// may equal the bytes of one dense term: in place) or, when `encoder` is set, is encoded as by
// Encode to `encoded[encoder->EncodedBytes(count)]`. Exactly one of the two is given.
struct ReducePass {
  std::span<const Term> terms;
  DataType dtype = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  int divisor = 1;
  size_t count = 0;
  void* dense = nullptr;
  const Codec* encoder = nullptr;
  std::byte* encoded = nullptr;
  Noise noise = {};
  StateSpan state = {};             // of the encoder
  const uint16_t* steps = nullptr;  // likewise
};
Status Reduce(const ReducePass& pass);

// Parts of passes, for several threads: whether a pass can be cut at multiples of kPassGranule, and
// one part of it. All parts together are the pass.
inline constexpr size_t kPassGranule = 4096;
bool Divisible(const EncodePass& pass);
bool Divisible(const DecodePass& pass);
bool Divisible(const ReducePass& pass);
Status RunPart(const EncodePass& pass, size_t begin, size_t count,
               Status (*run)(const EncodePass&));
Status RunPart(const DecodePass& pass, size_t begin, size_t count,
               Status (*run)(const DecodePass&));
Status RunPart(const ReducePass& pass, size_t begin, size_t count,
               Status (*run)(const ReducePass&));

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
