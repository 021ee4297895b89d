// SPDX-License-Identifier: Apache-2.0
#include "codec/codec.h"

#include <algorithm>

#include "codec/simd.h"

namespace thinwire {

size_t Codec::UsedBytes(const std::byte*, size_t count, DataType dtype) const {
  return EncodedBytes(count, dtype);
}

void Codec::MeasureSteps(const void*, DataType, size_t, uint16_t*) const {}

void Codec::WritePiece(const void* source, DataType dtype, size_t count, size_t piece,
                       std::byte* run, const Noise& noise) const {
  const size_t from = piece * kPiece;
  Encode(source, dtype, std::min(kPiece, count - from), run + EncodedBytes(from, dtype),
         {noise.key, noise.first + from});
}

Status Codec::ReadPiece(std::span<const std::byte> run, DataType dtype, size_t count, size_t piece,
                        void* target) const {
  if (run.size() != EncodedBytes(count, dtype)) {
    return RemoteError("codec {}: {} bytes came for {} elements, which take {}", spec(), run.size(),
                       count, EncodedBytes(count, dtype));
  }
  const size_t from = piece * kPiece;
  const size_t size = std::min(kPiece, count - from);
  return Decode(run.subspan(EncodedBytes(from, dtype), EncodedBytes(size, dtype)), dtype, size,
                target);
}

const Codec& Codec::storage() const { return RawCodec(); }
const Codec& Codec::first_visit() const { return RawCodec(); }
size_t Codec::StateBytes(size_t count) const {
  return feedback() == Feedback::kNone ? 0 : storage().EncodedBytes(count, DataType::kFloat32);
}
const Codec& Codec::ForSums(int) const { return *this; }

}  // namespace thinwire
