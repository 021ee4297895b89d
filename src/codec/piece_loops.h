// SPDX-License-Identifier: Apache-2.0
//
// What the fused passes do with one piece: encode and decode it, with the state that goes with it.

#ifndef THINWIRE_CODEC_PIECE_LOOPS_H_
#define THINWIRE_CODEC_PIECE_LOOPS_H_

#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "base/types.h"
#include "codec/float_codec.h"
#include "codec/passes.h"

namespace thinwire {

// Output of this many bytes or more goes past the caches: it would only push out what others use.
inline constexpr size_t kStreamBytes = size_t{4} << 20;

// Pieces in binary32 of a codec of floating types, or of `raw`, which keeps them as `dtype`.
class PieceCodec {
 public:
  PieceCodec(const Codec& codec, DataType dtype) : loops_(codec.AsFloatCodec()), dtype_(dtype) {}

  size_t Bytes(size_t count) const;
  // Where the piece that begins at element `from` stands in a run.
  size_t Offset(size_t from) const { return from / kPiece * Bytes(kPiece); }
  void Encode(const float* source, size_t count, const FloatCodec::PieceOptions& options,
              std::byte* target) const;
  // Gives `target`, or the bytes themselves where they are aligned binary32.
  Result<const float*> Decode(const std::byte* source, size_t count, float* target) const;
  Status Residual(const std::byte* source, size_t count, float* t) const;
  const FloatCodec* loops() const { return loops_; }

 private:
  const FloatCodec* loops_;  // null: raw
  DataType dtype_;
};

// Encodes a run piece by piece. Pieces come in order.
class PieceEncoder {
 public:
  // REQUIRES: `codec` codes binary32: a FloatCodec or, of floating `dtype`, raw.
  PieceEncoder(const Codec& codec, DataType dtype, size_t count, const Noise& noise,
               const StateSpan& state, const uint16_t* steps, std::byte* target);
  ~PieceEncoder();
  PieceEncoder(const PieceEncoder&) = delete;
  PieceEncoder& operator=(const PieceEncoder&) = delete;

  // x: the elements from `from` on, in binary32.
  Status Encode(const float* x, size_t from, size_t size);

 private:
  // t: where x with the residual goes, and what is left of it stays.
  Status EncodeWithResidual(const float* x, const float* kept, size_t size, std::byte* target,
                            float* t);
  Status EncodeDifference(const float* x, const float* kept, size_t size, std::byte* target,
                          float* next);

  PieceCodec codec_;
  PieceCodec storage_;
  StateSpan state_;
  std::byte* target_;
  Noise noise_;
  const uint16_t* steps_;
  uint32_t hint_ = 0;
  FloatCodec::PieceOptions options_;
  bool stream_state_;
};

// Decodes a run piece by piece, in order.
class PieceDecoder {
 public:
  PieceDecoder(const Codec& codec, DataType dtype, const StateSpan& state, const std::byte* bytes);

  // The elements from `from` on: in `target`, or where they already stand as aligned binary32.
  Result<const float*> Decode(size_t from, size_t size, float* target);

  // For sums over several codecs' bytes at once: null where a piece must be decoded by Decode.
  const FloatCodec* additive() const {
    return state_.kind == Feedback::kNone ? codec_.loops() : nullptr;
  }
  const std::byte* BytesAt(size_t from) const { return bytes_ + codec_.Offset(from); }

 private:
  PieceCodec codec_;
  PieceCodec storage_;
  StateSpan state_;
  const std::byte* bytes_;
};

}  // namespace thinwire

#endif  // THINWIRE_CODEC_PIECE_LOOPS_H_
