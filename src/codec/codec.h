// SPDX-License-Identifier: Apache-2.0
//
// Codec: turns a run of elements into bytes and back. Layer `codec`: no I/O, no CUDA runtime, no
// allocation in the passes; every object is immutable after it was made and safe from any thread.
//
// A codec codes independent chunks of `granule()` elements, each to a fixed number of bytes, so any
// run that starts at a multiple of the granule is a segment with no offset table. The last chunk of
// a run may be short. Where !fixed_size(), chunks take what they need and a run begins with a
// table.

#ifndef THINWIRE_CODEC_CODEC_H_
#define THINWIRE_CODEC_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "codec/codec_shape.h"
#include "codec/noise.h"

namespace thinwire {

class FloatCodec;

class Codec {
 public:
  virtual ~Codec() = default;

  virtual CodecId id() const = 0;
  // The canonical spec, e.g. "q8".
  virtual const std::string& spec() const = 0;
  // True when decode(encode(x)) has the bits of x for every x.
  virtual bool exact() const = 0;
  // Whether elements of `dtype` can be coded: `raw` takes all, lossy codecs all floating types.
  virtual bool Supports(DataType dtype) const = 0;
  // Elements per independent chunk; divides 4096.
  virtual size_t granule() const = 0;
  // Bytes of `count` elements when encoded; 0 for 0. The most it may take where !fixed_size().
  virtual size_t EncodedBytes(size_t count, DataType dtype) const = 0;
  // False where the number of bytes depends on the elements; UsedBytes tells it.
  virtual bool fixed_size() const { return true; }
  // Bytes that Encode wrote at `encoded`; at most EncodedBytes(count, dtype).
  virtual size_t UsedBytes(const std::byte* encoded, size_t count, DataType dtype) const;

  // Whether ||x - decode(encode(x))|| < ||x|| for every finite x with an element larger than
  // bound().absolute, under which all may vanish: error feedback needs it.
  virtual bool contractive() const { return false; }
  // Whether a NaN or Inf makes NaN of all elements that share its scale, which stand within the
  // same `block()` elements; else special values stay where they stand, and other elements as they
  // were.
  virtual bool spreads_specials() const { return false; }
  // Whether Inf stays Inf; else it becomes NaN.
  virtual bool keeps_infinity() const { return true; }
  virtual Feedback feedback() const { return Feedback::kNone; }
  // How residual or reference are kept, and what carries the first visit of a key in full.
  // REQUIRES: feedback() != kNone; of first_visit: kReference.
  virtual const Codec& storage() const;
  virtual const Codec& first_visit() const;
  // Bytes of the state of `count` elements; 0 without feedback.
  size_t StateBytes(size_t count) const;
  // What carries sums of `ranks` contributions in this codec, where they travel on: most carry them
  // themselves.
  virtual const Codec& ForSums(int ranks) const;
  // Whether sums of contributions that were encoded on agreed steps are exact, hence of the same
  // bits in any order; all contributions to a sum must then be encoded ones.
  virtual bool sums_exactly() const { return false; }
  // Of such codecs: steps[b] = the step that block b, of kStepElements elements, needs, as a
  // bfloat16; for sums, the largest over all contributions must be given to Encode.
  virtual void MeasureSteps(const void* source, DataType dtype, size_t count,
                            uint16_t* steps) const;
  // All that kernels must know.
  virtual CodecShape shape() const { return {.id = id()}; }
  // Its loops over pieces, for the fused passes; null for exact codecs.
  virtual const FloatCodec* AsFloatCodec() const { return nullptr; }

  // Maximum absolute error of one element for finite input, in binary32 (before the result is
  // rounded once more to a narrower type, where it may overflow):
  //   |x - decode(encode(x))| <= relative * |x| + of_block * max |x_i| over its block
  //                              + of_chunk * max |x_i| over its chunk + absolute.
  struct ErrorBound {
    double relative = 0;
    double of_block = 0;
    double of_chunk = 0;
    double absolute = 0;
    // Magnitudes from here on become Inf.
    double overflow = std::numeric_limits<double>::infinity();
  };
  virtual ErrorBound bound() const = 0;
  // How many of `count` elements are sent, those of largest magnitude of each chunk; the others
  // decode to zero. All but of sparsifiers.
  virtual size_t kept(size_t count) const { return count; }
  // Elements in a row among which scales are shared (1 where none are).
  virtual size_t block() const = 0;

  // target[EncodedBytes(count)] = encode(source[count]). No alignment is required of either. Only
  // codecs that round at random look at `noise`.
  virtual void Encode(const void* source, DataType dtype, size_t count, std::byte* target,
                      const Noise& noise = {}) const = 0;

  // target[count] = decode(source). Total on hostile input: any bytes give elements or an error,
  // and no access is out of range; source.size() must be the number of bytes that `count` elements
  // take, or it is an error.
  virtual Status Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                        void* target) const = 0;

  // A run of `count` elements piece by piece, 4096 elements each and the rest in the last, for
  // passes that hold no more than a piece. `source` and `target` are the piece's elements, `run`
  // begins with piece 0. Pieces are written in order, from the first on, where EncodedBytes(count)
  // bytes are free; they may be read in any order. Reading is total like Decode, and reading every
  // piece of a run finds what Decode would. Written or read this way, a run is the same as at once.
  // REQUIRES: piece * 4096 < count; Supports(dtype).
  virtual void WritePiece(const void* source, DataType dtype, size_t count, size_t piece,
                          std::byte* run, const Noise& noise = {}) const;
  virtual Status ReadPiece(std::span<const std::byte> run, DataType dtype, size_t count,
                           size_t piece, void* target) const;

  // accumulator[i] += decode(source)[i] in binary32, for lossy codecs and for exact ones of
  // floating types narrower than binary64. The run starts at a chunk.
  virtual Status DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                           float* accumulator) const = 0;
};

// The codec `raw`: the default everywhere, and what exact operations use.
const Codec& RawCodec();

// The codec a spec names, e.g. "q8" (grammar: codec/spec.h; table: docs/codecs.md). Objects live as
// long as the process. kInvalidArgument names the part that makes no sense and suggests.
Result<const Codec*> FindCodec(const std::string& spec);
// The family of a number on the wire; "" when there is none.
std::string_view NameOf(CodecId id);

// Names of all families, for help texts; and specs that between them use every family, every layout
// and every rounding, without state: for tests and benchmarks that go through all.
std::span<const std::string_view> CodecNames();
std::span<const std::string_view> CodecSpecs();

}  // namespace thinwire

#endif  // THINWIRE_CODEC_CODEC_H_
