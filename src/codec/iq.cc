// SPDX-License-Identifier: Apache-2.0
//
// Codecs `iq8` and `iq4`: integers on agreed steps. Formulas: iq_math.h; layout and error:
// docs/codecs.md.

#include <map>
#include <memory>
#include <mutex>

#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/iq_math.h"
#include "codec/pieces.h"

namespace thinwire {
namespace {

class Iq final : public FloatCodec {
 public:
  // Of sums of `ranks` contributions of `bits` bits.
  Iq(std::string spec, int bits, int ranks)
      : FloatCodec(std::move(spec)),
        bits_(bits),
        ranks_(ranks),
        offset_(iq::Offset(bits, ranks)),
        width_(iq::Width(offset_)) {}

  CodecId id() const override { return bits_ == 8 ? CodecId::kIq8 : CodecId::kIq4; }
  CodecShape shape() const override { return {.id = id(), .ranks = ranks_}; }
  size_t granule() const override { return iq::kChunk; }
  size_t block() const override { return iq::kBlock; }
  bool spreads_specials() const override { return true; }
  bool sums_exactly() const override { return true; }
  // Half a step, of the block's own: at most 9/8 of maximum / levels, plus the rounding of the
  // inverse; or the smallest step there is.
  ErrorBound bound() const override {
    return {.of_block = bits_ == 8 ? 0.004432 : 0.08036, .absolute = 0x1p-127};
  }

  const Codec& ForSums(int ranks) const override {
    if (ranks == 1) return *this;
    const std::lock_guard lock(mutex_);
    auto& made = for_sums_[ranks];
    if (made == nullptr) {
      made = std::make_unique<Iq>(fmt::format("{}, sum of {}", spec(), ranks), bits_, ranks);
    }
    return *made;
  }

  void MeasureSteps(const void* source, DataType dtype, size_t count,
                    uint16_t* steps) const override {
    Scratch<float> wide;
    for (size_t from = 0; from < count; from += kPiece) {
      const size_t size = std::min(kPiece, count - from);
      const float* x = LoadFloats(At(source, dtype, from), dtype, size, wide.data);
      MeasurePiece(x, size, steps + from / iq::kBlock);
    }
  }

  size_t PieceBytes(size_t count) const override { return iq::ChunkBytes(count, width_); }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    uint16_t own[iq::kChunk / iq::kBlock];
    if (options.steps == nullptr) MeasurePiece(source, count, own);
    Simd().iq_encode(source, count, options.steps == nullptr ? own : options.steps, offset_, width_,
                     reinterpret_cast<uint8_t*>(target));
  }
  Status DecodePiece(const std::byte* source, size_t count, bool /*stream*/,
                     float* target) const override {
    Simd().iq_decode(reinterpret_cast<const uint8_t*>(source), count, offset_, width_, target);
    return {};
  }

 private:
  static_assert(iq::kChunk == kPiece && iq::kBlock == kStepElements);

  void MeasurePiece(const float* x, size_t count, uint16_t* steps) const {
    (bits_ == 8 ? Simd().iq8_steps : Simd().iq4_steps)(x, count, steps);
  }

  const int bits_;
  const int ranks_;
  const uint32_t offset_;
  const int width_;
  mutable std::mutex mutex_;
  mutable std::map<int, std::unique_ptr<const Iq>> for_sums_;
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeIq(const CodecOptions& options) {
  const int bits = options.name == "iq8" ? 8 : 4;
  return std::unique_ptr<const Codec>(std::make_unique<Iq>(options.name, bits, 1));
}

}  // namespace thinwire
