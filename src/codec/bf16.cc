// SPDX-License-Identifier: Apache-2.0
//
// Codec `bf16`: elements rounded to bfloat16.

#include <cstring>

#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/pieces.h"

namespace thinwire {
namespace {

constexpr size_t kBytes = SizeOf(DataType::kBfloat16);

class Bf16 final : public FloatCodec {
 public:
  Bf16() : FloatCodec("bf16") {}

  CodecId id() const override { return CodecId::kBf16; }
  size_t granule() const override { return 1; }
  size_t block() const override { return 1; }
  bool contractive() const override { return true; }
  // Half a unit in the last of 8 bits; half the smallest subnormal.
  ErrorBound bound() const override { return {.relative = 0x1p-8, .absolute = 0x1p-134}; }

  size_t PieceBytes(size_t count) const override { return count * kBytes; }

  void EncodePiece(const float* source, size_t count, const PieceOptions&,
                   std::byte* target) const override {
    StoreFloats(source, DataType::kBfloat16, count, target);
  }
  Status DecodePiece(const std::byte* source, size_t count, bool /*stream*/,
                     float* target) const override {
    LoadFloats(source, DataType::kBfloat16, count, target);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    Scratch<uint16_t> copy;
    for (const std::byte* source : sources) {
      const void* aligned = Aligned(source, DataType::kBfloat16, count, copy.data);
      Simd().bf16_decode_add(aligned, count, accumulator);
    }
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeBf16(const CodecOptions&) {
  return std::unique_ptr<const Codec>(std::make_unique<Bf16>());
}

}  // namespace thinwire
