// SPDX-License-Identifier: Apache-2.0
#include "codec/float_codec.h"

#include <algorithm>
#include <cstring>

#include "codec/float_environment.h"
#include "codec/piece_loops.h"
#include "codec/pieces.h"

namespace thinwire {

size_t FloatCodec::EncodedBytes(size_t count, DataType) const {
  const size_t rest = count % kPiece;
  return count / kPiece * PieceBytes(kPiece) + (rest == 0 ? 0 : PieceBytes(rest));
}

void FloatCodec::Encode(const void* source, DataType dtype, size_t count, std::byte* target,
                        const Noise& noise) const {
  const FloatEnvironment environment;
  const size_t piece_bytes = PieceBytes(kPiece);
  uint32_t hint = 0;
  PieceOptions options = {
      .stream = EncodedBytes(count, dtype) >= kStreamBytes, .noise = noise, .hint = &hint};
  Scratch<float> wide;
  for (size_t from = 0; from < count; from += kPiece, target += piece_bytes) {
    const size_t size = std::min(kPiece, count - from);
    const float* const x = LoadFloats(At(source, dtype, from), dtype, size, wide.data);
    options.noise.first = noise.first + from;
    options.ahead = x != wide.data && from + size < count ? x + size : nullptr;
    EncodePiece(x, size, options, target);
  }
  if (options.stream) StreamFence();
}

Status FloatCodec::Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                          void* target) const {
  TW_TRY(CheckDecode(source.size(), dtype, count));
  const FloatEnvironment environment;
  const size_t piece_bytes = PieceBytes(kPiece);
  const bool direct = dtype == DataType::kFloat32 && IsAligned(target, dtype);
  const bool stream = direct && count * sizeof(float) >= kStreamBytes;
  const std::byte* bytes = source.data();
  Scratch<float> wide;
  for (size_t from = 0; from < count; from += kPiece, bytes += piece_bytes) {
    const size_t size = std::min(kPiece, count - from);
    void* const to = At(target, dtype, from);
    float* const values = direct ? static_cast<float*>(to) : wide.data;
    TW_TRY(DecodePiece(bytes, size, stream, values));
    if (!direct) StoreFloats(wide.data, dtype, size, to);
  }
  if (stream) StreamFence();
  return {};
}

Status FloatCodec::DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                             float* accumulator) const {
  TW_TRY(CheckDecode(source.size(), dtype, count));
  const FloatEnvironment environment;
  const size_t piece_bytes = PieceBytes(kPiece);
  const std::byte* bytes = source.data();
  for (size_t from = 0; from < count; from += kPiece, bytes += piece_bytes) {
    const size_t size = std::min(kPiece, count - from);
    TW_TRY(DecodeAddPieces(std::span(&bytes, 1), size, accumulator + from));
  }
  return {};
}

Status FloatCodec::ResidualPiece(const std::byte* source, size_t count, float* t) const {
  Scratch<float> decoded;
  TW_TRY(DecodePiece(source, count, false, decoded.data));
  Simd().residual(decoded.data, count, t);
  return {};
}

Status FloatCodec::DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                                   float* accumulator) const {
  Scratch<float> decoded;
  for (const std::byte* source : sources) {
    TW_TRY(DecodePiece(source, count, false, decoded.data));
    Simd().add(decoded.data, count, accumulator);
  }
  return {};
}

Status FloatCodec::SumPieces(std::span<const std::byte* const> sources, size_t count,
                             float* sums) const {
  TW_TRY(DecodePiece(sources.front(), count, false, sums));
  return DecodeAddPieces(sources.subspan(1), count, sums);
}

Status FloatCodec::CheckDecode(size_t bytes, DataType dtype, size_t count) const {
  if (!Supports(dtype)) {
    return InvalidArgument("codec {} takes floating-point elements, not {}; use raw", spec_,
                           NameOf(dtype));
  }
  if (bytes != EncodedBytes(count, dtype)) {
    return RemoteError("codec {}: {} bytes came for {} elements, which take {}", spec_, bytes,
                       count, EncodedBytes(count, dtype));
  }
  return {};
}

}  // namespace thinwire
