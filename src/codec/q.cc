// SPDX-License-Identifier: Apache-2.0
//
// The codecs `q8` and `q4`: codes of 8 or 4 bits, one scale byte a block of 32. Formulas: q_math.h;
// layout and error: docs/codecs.md.

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/q_math.h"

namespace thinwire {
namespace {

template <typename F>
class Q final : public FloatCodec {
 public:
  explicit Q(const CodecOptions& options)
      : FloatCodec(options.name + (options.rounding == Rounding::kStochastic ? "+sr" : "")),
        noisy_(options.rounding == Rounding::kStochastic) {}

  CodecId id() const override { return F::kBits == 8 ? CodecId::kQ8 : CodecId::kQ4; }
  CodecShape shape() const override { return {.id = id(), .random = noisy_}; }
  size_t granule() const override { return q::kChunk; }
  size_t block() const override { return q::kBlock; }
  // Half a step, at random one step: a step is at most 9/8 of maximum / kGuardedLevels, plus the
  // rounding of the inverse; or the smallest step of the chunk; or the smallest step there is.
  ErrorBound bound() const override {
    const double halves = noisy_ ? 2 : 1;
    return {.of_block = halves * (F::kBits == 8 ? 0.004466 : 0.09376),
            .of_chunk = halves * (F::kBits == 8 ? 0x1p-39 : 0x1p-35),
            .absolute = halves * 0x1p-127};
  }
  // To nearest, no element's error exceeds the element. At random it can: an eighth of a step may
  // become a whole one, and there are chunks of nothing else, as steps are at least 2^-126.
  bool contractive() const override { return !noisy_; }

  size_t PieceBytes(size_t count) const override { return q::ChunkBytes<F>(count); }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    auto* const chunk = reinterpret_cast<uint8_t*>(target);
    loops().encode(source, count, options.stream, options.ahead, noisy_ ? &options.noise : nullptr,
                   chunk);
  }
  Status DecodePiece(const std::byte* source, size_t count, bool stream,
                     float* target) const override {
    TW_ASSIGN(const QChunk chunk, Parse(source));
    loops().decode(chunk, stream, count, target);
    return {};
  }
  Status ResidualPiece(const std::byte* source, size_t count, float* t) const override {
    TW_ASSIGN(const QChunk chunk, Parse(source));
    loops().residual(chunk, count, t);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    return Sum(sources, true, count, accumulator);
  }
  Status SumPieces(std::span<const std::byte* const> sources, size_t count,
                   float* sums) const override {
    return Sum(sources, false, count, sums);
  }

 private:
  static_assert(q::kChunk == kPiece);

  static const SimdLoops::Q& loops() { return F::kBits == 8 ? Simd().q8 : Simd().q4; }

  Status Sum(std::span<const std::byte* const> sources, bool add, size_t count, float* sums) const {
    std::array<QChunk, 16> chunks;
    while (!sources.empty()) {
      const auto some = sources.first(std::min(sources.size(), chunks.size()));
      for (size_t i = 0; i < some.size(); ++i) {
        TW_ASSIGN(chunks[i], Parse(some[i]));
      }
      loops().sum(chunks.data(), some.size(), add, count, sums);
      sources = sources.subspan(some.size());
      add = true;
    }
    return {};
  }

  Result<QChunk> Parse(const std::byte* source) const {
    const QChunk chunk = {.bytes = reinterpret_cast<const uint8_t*>(source),
                          .top = LoadLittle<uint16_t>(source),
                          .guarded = source[2] == std::byte{1}};
    const bool zero = std::all_of(source + 3, source + q::kHeadBytes,
                                  [](std::byte byte) { return byte == std::byte{0}; });
    if (!zero || source[2] > std::byte{1}) {
      return RemoteError(
          "codec {}: a chunk's head sets bits this version does not know; the bytes are corrupt or "
          "of another version",
          spec());
    }
    if (chunk.top < q::kMinScale || chunk.top > q::MaxScale<F>(chunk.guarded)) {
      return RemoteError(
          "codec {}: a chunk's largest scale is {}, outside {} to {}; the bytes are corrupt or of "
          "another codec",
          spec(), chunk.top, q::kMinScale, q::MaxScale<F>(chunk.guarded));
    }
    return chunk;
  }

  const bool noisy_;
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeQ8(const CodecOptions& options) {
  return std::unique_ptr<const Codec>(std::make_unique<Q<q::Q8>>(options));
}
Result<std::unique_ptr<const Codec>> MakeQ4(const CodecOptions& options) {
  return std::unique_ptr<const Codec>(std::make_unique<Q<q::Q4>>(options));
}

}  // namespace thinwire
