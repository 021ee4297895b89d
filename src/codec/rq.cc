// SPDX-License-Identifier: Apache-2.0
//
// Codecs `rq4`, `rq3`, `rq2`, `rq1`: blocks rotated by signs and a Walsh-Hadamard transform, then
// quantized. Formulas: rq_math.h; layout and error: docs/codecs.md.

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/rq_math.h"

namespace thinwire {
namespace {

struct alignas(64) Flips {
  std::array<float, rq::kRows> of_row;
};

constexpr Flips FlipsOf(const rq::Signs& signs) {
  Flips flips = {};
  for (size_t word = 0; word < 8; ++word) {
    for (size_t bit = 0; bit < 32; ++bit) {
      flips.of_row[32 * word + bit] = rq::Flip(signs.words[word] >> bit);
    }
  }
  return flips;
}
constexpr Flips kConstantFlips = FlipsOf(rq::kSigns);

class Rq final : public FloatCodec {
 public:
  Rq(int bits, bool unbiased)
      : FloatCodec(fmt::format("rq{}{}", bits, unbiased ? "+unbiased" : "")),
        bits_(bits),
        unbiased_(unbiased) {}

  CodecId id() const override {
    return static_cast<CodecId>(static_cast<int>(CodecId::kRq4) + 4 - bits_);
  }
  CodecShape shape() const override { return {.id = id(), .random = unbiased_}; }
  size_t granule() const override { return rq::kChunk; }
  size_t block() const override { return rq::kChunk; }
  bool spreads_specials() const override { return true; }
  // The least-squares scale makes what is lost orthogonal to what is kept.
  bool contractive() const override { return !unbiased_; }
  // Worst cases over all blocks: docs/codecs.md derives them.
  ErrorBound bound() const override {
    constexpr double kNearest[] = {16.1, 16.1, 14.2, 10.2};
    constexpr double kUnbiased[] = {275, 83, 32, 16.1};
    return {.of_block = (unbiased_ ? kUnbiased : kNearest)[bits_ - 1], .absolute = 0x1p-110};
  }

  size_t PieceBytes(size_t count) const override {
    return HeadBytes() + rq::PlaneBytes(count, bits_);
  }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    auto* const planes = reinterpret_cast<uint8_t*>(target) + HeadBytes();
    if (!unbiased_) {
      return Simd().rq_encode(bits_, false, source, count, kConstantFlips.of_row.data(), planes);
    }
    const uint32_t seed = rq::SeedOf(options.noise.key, options.noise.first);
    std::fill_n(target, rq::kHeadBytes, std::byte{0});
    StoreLittle(seed, target);
    const Flips flips = FlipsOf(rq::SignsOf(seed));
    Simd().rq_encode(bits_, true, source, count, flips.of_row.data(), planes);
  }
  Status DecodePiece(const std::byte* source, size_t count, bool stream,
                     float* target) const override {
    Flips random;
    TW_ASSIGN(const float* flips, ReadHead(source, &random));
    const auto* planes = reinterpret_cast<const uint8_t*>(source) + HeadBytes();
    Simd().rq_decode(bits_, planes, count, flips, stream, target);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    Flips random;
    for (const std::byte* source : sources) {
      TW_ASSIGN(const float* flips, ReadHead(source, &random));
      const auto* planes = reinterpret_cast<const uint8_t*>(source) + HeadBytes();
      Simd().rq_decode_add(bits_, planes, count, flips, accumulator);
    }
    return {};
  }

 private:
  size_t HeadBytes() const { return unbiased_ ? rq::kHeadBytes : 0; }

  // The signs to undo; `random` is room for those of a seed.
  Result<const float*> ReadHead(const std::byte* chunk, Flips* random) const {
    if (!unbiased_) return kConstantFlips.of_row.data();
    const bool zero = std::all_of(chunk + sizeof(uint32_t), chunk + rq::kHeadBytes,
                                  [](std::byte byte) { return byte == std::byte{0}; });
    if (!zero) {
      return RemoteError(
          "codec {}: a chunk's head sets bits this version does not know; the bytes are corrupt or "
          "of another version",
          spec());
    }
    *random = FlipsOf(rq::SignsOf(LoadLittle<uint32_t>(chunk)));
    return random->of_row.data();
  }

  const int bits_;
  const bool unbiased_;
  static_assert(rq::kChunk == kPiece);
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeRq(const CodecOptions& options) {
  const int bits = options.name.back() - '0';
  return std::unique_ptr<const Codec>(
      std::make_unique<Rq>(bits, options.rounding == Rounding::kUnbiased));
}

}  // namespace thinwire
