// SPDX-License-Identifier: Apache-2.0
//
// Codecs `bf16` and `fp16`: elements rounded to bfloat16 or half.

#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/pieces.h"

namespace thinwire {
namespace {

struct CastFormat {
  CodecId id;
  DataType dtype;
  // accumulator += elements of `dtype`
  void (*SimdLoops::*decode_add)(const void* source, size_t count, float* accumulator);
  Codec::ErrorBound bound;
  bool contractive;
};

class Cast final : public FloatCodec {
 public:
  Cast(std::string spec, const CastFormat& format) : FloatCodec(std::move(spec)), format_(format) {}

  CodecId id() const override { return format_.id; }
  size_t granule() const override { return 1; }
  size_t block() const override { return 1; }
  bool contractive() const override { return format_.contractive; }
  ErrorBound bound() const override { return format_.bound; }

  size_t PieceBytes(size_t count) const override { return count * SizeOf(format_.dtype); }

  void EncodePiece(const float* source, size_t count, const PieceOptions&,
                   std::byte* target) const override {
    StoreFloats(source, format_.dtype, count, target);
  }
  Status DecodePiece(const std::byte* source, size_t count, bool /*stream*/,
                     float* target) const override {
    LoadFloats(source, format_.dtype, count, target);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    Scratch<uint16_t> copy;
    for (const std::byte* source : sources) {
      const void* aligned = Aligned(source, format_.dtype, count, copy.data);
      (Simd().*format_.decode_add)(aligned, count, accumulator);
    }
    return {};
  }

 private:
  const CastFormat format_;
};

}  // namespace

// Bounds: half a unit in the last of 8 or 11 bits; half the smallest subnormal; half a unit past
// the largest finite number becomes Inf.
Result<std::unique_ptr<const Codec>> MakeBf16(const CodecOptions&) {
  const CastFormat format = {
      .id = CodecId::kBf16,
      .dtype = DataType::kBfloat16,
      .decode_add = &SimdLoops::bf16_decode_add,
      .bound = {.relative = 0x1p-8, .absolute = 0x1p-134, .overflow = 0x1.ffp127},
      .contractive = true};
  return std::unique_ptr<const Codec>(std::make_unique<Cast>("bf16", format));
}

// Not contractive: what passes the half range comes back infinite.
Result<std::unique_ptr<const Codec>> MakeFp16(const CodecOptions&) {
  const CastFormat format = {.id = CodecId::kFp16,
                             .dtype = DataType::kFloat16,
                             .decode_add = &SimdLoops::fp16_decode_add,
                             .bound = {.relative = 0x1p-11, .absolute = 0x1p-25, .overflow = 65520},
                             .contractive = false};
  return std::unique_ptr<const Codec>(std::make_unique<Cast>("fp16", format));
}

}  // namespace thinwire
