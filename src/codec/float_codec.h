// SPDX-License-Identifier: Apache-2.0
//
// FloatCodec: what the lossy codecs share. It brings elements of any floating type to binary32 and
// back, piece by piece on the stack, checks sizes, and sets the float environment; a codec adds the
// loops over one piece.

#ifndef THINWIRE_CODEC_FLOAT_CODEC_H_
#define THINWIRE_CODEC_FLOAT_CODEC_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "codec/codec.h"
#include "codec/simd.h"

namespace thinwire {

class FloatCodec : public Codec {
 public:
  const std::string& spec() const final { return spec_; }
  bool exact() const final { return false; }
  bool Supports(DataType dtype) const final { return IsFloating(dtype); }
  // The same for every type, since all are coded as binary32.
  size_t EncodedBytes(size_t count, DataType dtype) const final;
  const FloatCodec* AsFloatCodec() const final { return this; }

  void Encode(const void* source, DataType dtype, size_t count, std::byte* target,
              const Noise& noise = {}) const final;
  Status Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                void* target) const final;
  Status DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                   float* accumulator) const final;

  // One piece is `count` elements, 1 <= count <= kPiece; all but the last of a run have kPiece.
  // Floats are aligned to 64 bytes or stand in the caller's array of floats; bytes are not aligned.
  // REQUIRES: a FloatEnvironment.
  struct PieceOptions {
    // The run is larger than the caches; stores past them are better. Who asks for them calls
    // StreamFence (pieces.h) after the run.
    bool stream = false;
    // What the caller reads soon, as many bytes as a piece of floats: worth fetching meanwhile.
    const void* ahead = nullptr;
    Noise noise = {};
    // Carried from piece to piece of a run, at first 0: what makes the next one quicker to encode.
    // Never changes a byte.
    uint32_t* hint = nullptr;
    // Agreed steps of the piece's blocks (Codec::MeasureSteps); null: each run has its own.
    const uint16_t* steps = nullptr;
  };
  virtual size_t PieceBytes(size_t count) const = 0;
  virtual void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                           std::byte* target) const = 0;
  virtual Status DecodePiece(const std::byte* source, size_t count, bool stream,
                             float* target) const = 0;
  // t[i] = state::Residual(t[i], decode(source)[i]). `source` is what t was encoded to.
  virtual Status ResidualPiece(const std::byte* source, size_t count, float* t) const;
  // accumulator += each source decoded, in turn.
  virtual Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                                 float* accumulator) const;
  // sums = each source decoded, added in turn. REQUIRES: a source.
  virtual Status SumPieces(std::span<const std::byte* const> sources, size_t count,
                           float* sums) const;

 protected:
  explicit FloatCodec(std::string spec) : spec_(std::move(spec)) {}

 private:
  Status CheckDecode(size_t bytes, DataType dtype, size_t count) const;

  std::string spec_;
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_FLOAT_CODEC_H_
