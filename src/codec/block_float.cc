// SPDX-License-Identifier: Apache-2.0
//
// Codecs `fp8`, `mxfp8`, `mxfp6`, `mxfp4` and `nvfp4`: narrow floats under a shared scale.
// Formulas: block_float_math.h; layout and error: docs/codecs.md.

#include <algorithm>
#include <optional>
#include <type_traits>

#include "base/checked.h"
#include "codec/block_float_math.h"
#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"

namespace thinwire {
namespace {

using Loops = BlockFloatLoops SimdLoops::*;
using block_float::Fp8;
using block_float::Mx;
using block_float::Nvfp4;

Status BadStep(const std::string& spec, const char* whose, float step, float least, float most) {
  return RemoteError(
      "codec {}: {} scale is {}, outside {} to {}; the bytes are corrupt or of another codec", spec,
      whose, step, least, most);
}

template <typename Format>
Status CheckScales(const Fp8<Format>&, const std::string& spec, const std::byte* chunk,
                   size_t count) {
  using L = Fp8<Format>;
  for (size_t i = 0; i < count; i += L::kBlock) {
    const auto step = BitCast<float>(LoadLittle<uint32_t>(chunk + i / L::kBlock * sizeof(float)));
    if (L::IsScale(step)) continue;
    return BadStep(spec, "a block's", step, L::kMinStep, L::kMaxStep);
  }
  return {};
}

// Every byte is a scale.
template <typename Format>
Status CheckScales(const Mx<Format>&, const std::string&, const std::byte*, size_t) {
  return {};
}

Status CheckScales(const Nvfp4&, const std::string& spec, const std::byte* chunk, size_t) {
  const auto step = BitCast<float>(LoadLittle<uint32_t>(chunk));
  if (!Nvfp4::IsChunkStep(step)) {
    return BadStep(spec, "a chunk's", step, Nvfp4::kMinChunkStep, Nvfp4::kMaxChunkStep);
  }
  const bool zero = std::all_of(chunk + sizeof(float), chunk + Nvfp4::kHeadBytes,
                                [](std::byte byte) { return byte == std::byte{0}; });
  if (zero) return {};
  return RemoteError(
      "codec {}: a chunk's head sets bits this version does not know; the bytes are corrupt or of "
      "another version",
      spec);
}

template <typename L>
class BlockFloat final : public FloatCodec {
 public:
  BlockFloat(std::string spec, CodecId id, Loops loops, const ErrorBound& bound)
      : FloatCodec(std::move(spec)), id_(id), loops_(loops), bound_(bound) {}

  CodecId id() const override { return id_; }
  CodecShape shape() const override {
    using E = typename L::Element;
    return {.id = id_, .second_format = std::is_same_v<E, Float8e5m2> || std::is_same_v<E, Float6e3m2>};
  }
  size_t granule() const override { return block_float::kChunk; }
  size_t block() const override { return L::kBlock; }
  ErrorBound bound() const override { return bound_; }
  // No element's error exceeds it, since 0 is a code, and that of a chunk's largest is a quarter of
  // it at most, or less than it under the smallest scale.
  bool contractive() const override { return true; }
  bool spreads_specials() const override { return !L::Element::kHasNan; }
  bool keeps_infinity() const override { return L::Element::kHasInf; }

  size_t PieceBytes(size_t count) const override { return L::ChunkBytes(count); }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    auto* const chunk = reinterpret_cast<uint8_t*>(target);
    (Simd().*loops_).encode(source, count, options.stream, chunk);
  }
  Status DecodePiece(const std::byte* source, size_t count, bool stream,
                     float* target) const override {
    TW_TRY(CheckScales(L(), spec(), source, count));
    (Simd().*loops_).decode(reinterpret_cast<const uint8_t*>(source), count, stream, target);
    return {};
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    for (const std::byte* source : sources) {
      TW_TRY(CheckScales(L(), spec(), source, count));
      (Simd().*loops_).decode_add(reinterpret_cast<const uint8_t*>(source), count, accumulator);
    }
    return {};
  }

 private:
  static_assert(block_float::kChunk == kPiece);

  const CodecId id_;
  const Loops loops_;
  const ErrorBound bound_;
};

template <typename L>
Result<std::unique_ptr<const Codec>> Make(std::string spec, CodecId id, Loops loops,
                                          const Codec::ErrorBound& bound) {
  return std::unique_ptr<const Codec>(
      std::make_unique<BlockFloat<L>>(std::move(spec), id, loops, bound));
}

// Which of two element formats the argument names; the first if there is none.
Result<bool> IsSecondFormat(const CodecOptions& options, const char* first, const char* second) {
  if (options.arguments.empty()) return false;
  const CodecSpec::Argument& argument = options.arguments.front();
  const auto* format = std::get_if<CodecSpec>(&argument.value);
  const bool plain = format != nullptr && format->arguments.empty() && format->modifiers.empty();
  if (plain && format->name == first) return false;
  if (plain && format->name == second) return true;
  return InvalidArgument("codec '{}' takes the format of its elements, {} or {}, at position {}",
                         options.name, first, second, argument.position);
}

}  // namespace

// Bounds. Relative: half a unit just above a power of two, 1 / (2^(mantissa bits + 1) + 1), with
// the rounding of scales and products. Block: half the smallest step of the elements. Absolute: the
// same under the smallest scale.
Result<std::unique_ptr<const Codec>> MakeFp8(const CodecOptions& options) {
  TW_ASSIGN(const bool e5m2, IsSecondFormat(options, "e4m3", "e5m2"));
  if (e5m2) {
    return Make<Fp8<Float8e5m2>>(
        "fp8(e5m2)", CodecId::kFp8, &SimdLoops::fp8_e5m2,
        {.relative = 0.11112, .of_block = 1.3306e-10, .absolute = 0x1p-143});
  }
  return Make<Fp8<Float8e4m3>>("fp8", CodecId::kFp8, &SimdLoops::fp8_e4m3,
                               {.relative = 0.058825, .of_block = 2.1799e-6, .absolute = 0x1p-136});
}

// Bounds. A block's largest element, scaled, lies under 2^(emax + 1) and saturates: that is the
// relative error, less what the other term gives there. Products are exact.
Result<std::unique_ptr<const Codec>> MakeMxfp8(const CodecOptions& options) {
  TW_ASSIGN(const bool e5m2, IsSecondFormat(options, "e4m3", "e5m2"));
  if (e5m2) {
    return Make<Mx<Float8e5m2>>("mxfp8(e5m2)", CodecId::kMxfp8, &SimdLoops::mxfp8_e5m2,
                                {.relative = 0.125, .of_block = 0x1p-32, .absolute = 0x1p-144});
  }
  return Make<Mx<Float8e4m3>>("mxfp8", CodecId::kMxfp8, &SimdLoops::mxfp8_e4m3,
                              {.relative = 0.125, .of_block = 0x1p-18, .absolute = 0x1p-137});
}

Result<std::unique_ptr<const Codec>> MakeMxfp6(const CodecOptions& options) {
  TW_ASSIGN(const bool e3m2, IsSecondFormat(options, "e2m3", "e3m2"));
  if (e3m2) {
    return Make<Mx<Float6e3m2>>("mxfp6(e3m2)", CodecId::kMxfp6, &SimdLoops::mxfp6_e3m2,
                                {.relative = 63.0 / 512, .of_block = 0x1p-9, .absolute = 0x1p-132});
  }
  return Make<Mx<Float6e2m3>>("mxfp6", CodecId::kMxfp6, &SimdLoops::mxfp6_e2m3,
                              {.relative = 3.0 / 64, .of_block = 0x1p-6, .absolute = 0x1p-131});
}

Result<std::unique_ptr<const Codec>> MakeMxfp4(const CodecOptions&) {
  return Make<Mx<Float4e2m1>>("mxfp4", CodecId::kMxfp4, &SimdLoops::mxfp4,
                              {.relative = 3.0 / 16, .of_block = 1.0 / 16, .absolute = 0x1p-129});
}

// Bounds. The scale is rounded too, so the largest element becomes 5.66 to 6.38 units: a quarter
// unit is 0.0442 of it. Blocks under 2^-6 of the smallest normal scale know their scale less well,
// or not at all: that is the term of the chunk, 3 * 2^-9 / 2688.
Result<std::unique_ptr<const Codec>> MakeNvfp4(const CodecOptions&) {
  return Make<Nvfp4>(
      "nvfp4", CodecId::kNvfp4, &SimdLoops::nvfp4,
      {.relative = 0.1501, .of_block = 0.0442, .of_chunk = 2.1799e-6, .absolute = 3 * 0x1p-126});
}

}  // namespace thinwire
