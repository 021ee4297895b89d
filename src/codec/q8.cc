// SPDX-License-Identifier: Apache-2.0
//
// Codec `q8`: 8-bit codes, one scale byte a block of 32. Formulas: q8_math.h; layout and error:
// docs/codecs.md.

#include <algorithm>

#include "base/checked.h"
#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/q8_math.h"

namespace thinwire {
namespace {

struct Head {
  uint32_t top = 0;
  bool guarded = false;
};

Result<Head> ParseHead(const std::byte* chunk) {
  const Head head = {LoadLittle<uint16_t>(chunk), chunk[2] == std::byte{1}};
  if (head.top < q8::kMinScale || head.top > q8::kMaxScale) {
    return RemoteError(
        "codec q8: a chunk's largest scale is {}, outside {} to {}; the bytes are "
        "corrupt or of another codec",
        head.top, q8::kMinScale, q8::kMaxScale);
  }
  const bool zero = std::all_of(chunk + 3, chunk + q8::kHeadBytes,
                                [](std::byte byte) { return byte == std::byte{0}; });
  if (!zero || chunk[2] > std::byte{1}) {
    return RemoteError(
        "codec q8: a chunk's head sets bits this version does not know; the bytes "
        "are corrupt or of another version");
  }
  return head;
}

class Q8 final : public FloatCodec {
 public:
  Q8() : FloatCodec("q8") {}

  CodecId id() const override { return CodecId::kQ8; }
  size_t granule() const override { return q8::kChunk; }
  size_t block() const override { return q8::kBlock; }
  // Half a step: a step is at most 9/8 of maximum / 126, plus the rounding of the inverse; or the
  // smallest step of the chunk; or the smallest step there is.
  ErrorBound bound() const override {
    return {.of_block = 0.004466, .of_chunk = 0x1p-39, .absolute = 0x1p-127};
  }

  bool contractive() const override { return true; }

  size_t PieceBytes(size_t count) const override { return q8::ChunkBytes(count); }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    Simd().q8_encode(source, count, options.stream, reinterpret_cast<uint8_t*>(target));
  }
  Status DecodePiece(const std::byte* source, size_t count, bool stream,
                     float* target) const override {
    TW_ASSIGN(const Head head, ParseHead(source));
    const auto* chunk = reinterpret_cast<const uint8_t*>(source);
    Simd().q8_decode(chunk, head.top, head.guarded, stream, count, target);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    for (const std::byte* source : sources) {
      TW_ASSIGN(const Head head, ParseHead(source));
      const auto* chunk = reinterpret_cast<const uint8_t*>(source);
      Simd().q8_decode_add(chunk, head.top, head.guarded, count, accumulator);
    }
    return {};
  }

 private:
  static_assert(q8::kChunk == kPiece);
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeQ8(const CodecOptions&) {
  return std::unique_ptr<const Codec>(std::make_unique<Q8>());
}

}  // namespace thinwire
