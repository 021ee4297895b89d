// SPDX-License-Identifier: Apache-2.0
//
// Codec `tk`: of each chunk the k elements of largest magnitude. Formulas: tk_math.h; layout and
// error: docs/codecs.md.

#include <array>
#include <cmath>

#include "base/checked.h"
#include "codec/builtin_codecs.h"
#include "codec/float_codec.h"
#include "codec/tk_math.h"

namespace thinwire {
namespace {

// How values are kept, by the codecs that keep them so.
struct ValueName {
  tk::Value value;
  std::string_view name;
};
constexpr auto kValues = std::to_array<ValueName>({
    {tk::Value::kQ4, "q4"},
    {tk::Value::kQ8, "q8"},
    {tk::Value::kBf16, "bf16"},
    {tk::Value::kRaw, "raw"},
});

class Tk final : public FloatCodec {
 public:
  Tk(std::string spec, size_t k, tk::Value value, const Codec* dense)
      : FloatCodec(std::move(spec)), k_(k), value_(value), dense_(dense) {}

  CodecId id() const override { return CodecId::kTk; }
  CodecShape shape() const override {
    return {.id = id(), .kept = static_cast<uint16_t>(k_), .value = value_};
  }
  size_t granule() const override { return tk::kChunk; }
  size_t block() const override { return tk::HasStep(value_) ? tk::kChunk : 1; }
  size_t kept(size_t count) const override {
    return count / tk::kChunk * k_ + tk::Kept(k_, count % tk::kChunk);
  }
  const Codec& ForSums(int ranks) const override {
    return dense_ != nullptr && ranks > 1 ? *dense_ : *this;
  }
  // What is dropped errs by itself; what is kept never by more, but for the rounding of the inverse
  // of the step, which can carry a value just under half a step upwards.
  ErrorBound bound() const override { return {.relative = 1 + 0x1p-20}; }

  // With M the largest magnitude of a chunk and s its step, every element's squared error is at
  // most x^2 (1 + 2^-20), and only values near s / 2 exceed x^2, so all together by k s^2 2^-22 <=
  // s^2 / 1024. M is always kept; M >= 5.9 s, so its own error, at most s / 2, is M^2 (1 - 0.992)
  // or less. The sum over the chunk is therefore smaller by at least 0.99 M^2 >= 0.99 / 4096 of the
  // energy. bf16 and raw values err by at most 2^-8 of each. As with all formats of bounded
  // exponent, chunks whose largest is under the smallest step that there is (2^-126) may become
  // zeros, and then the error is the input.
  bool contractive() const override { return true; }

  size_t PieceBytes(size_t count) const override {
    return tk::ChunkBytes(tk::Kept(k_, count), value_);
  }

  void EncodePiece(const float* source, size_t count, const PieceOptions& options,
                   std::byte* target) const override {
    uint32_t none = 0;
    uint32_t* const hint = options.hint != nullptr ? options.hint : &none;
    Simd().tk_encode(source, count, tk::Kept(k_, count), value_, hint,
                     reinterpret_cast<uint8_t*>(target));
  }
  Status DecodePiece(const std::byte* source, size_t count, bool /*stream*/,
                     float* target) const override {
    return Run(Simd().tk_decode, source, count, target);
  }
  Status DecodeAddPieces(std::span<const std::byte* const> sources, size_t count,
                         float* accumulator) const override {
    for (const std::byte* source : sources) {
      TW_TRY(Run(Simd().tk_decode_add, source, count, accumulator));
    }
    return {};
  }

 private:
  static_assert(tk::kChunk == kPiece);

  Status Run(decltype(SimdLoops::tk_decode) loop, const std::byte* source, size_t count,
             float* target) const {
    if (tk::HasStep(value_)) {
      const uint32_t step = LoadLittle<uint16_t>(source);
      if (!tk::IsStored(step)) {
        return RemoteError(
            "codec {}: a chunk's step is {:#06x}, outside {:#06x} to {:#06x}; the bytes are "
            "corrupt "
            "or of another codec",
            spec(), step & ~tk::kGuarded, tk::kMinStep, tk::kMaxStep);
      }
    }
    const auto* const chunk = reinterpret_cast<const uint8_t*>(source);
    if (loop(chunk, count, tk::Kept(k_, count), value_, target)) return {};
    return RemoteError(
        "codec {}: the indices of a chunk do not ascend below {}; the bytes are corrupt or of "
        "another codec",
        spec(), count);
  }

  const size_t k_;
  const tk::Value value_;
  const Codec* const dense_;
};

// ---- Arguments ----

Result<size_t> ParseK(const CodecSpec::Argument& argument) {
  const auto* number = std::get_if<CodecSpec::Number>(&argument.value);
  if (number == nullptr) {
    return InvalidArgument(
        "tk takes first how many of each 4096 elements it keeps, a count or a percentage such as "
        "tk(41,q4) or tk(1%,q4) (position {})",
        argument.position);
  }
  if (number->value <= 0) {
    return InvalidArgument(
        "tk would send nothing of {}{} (position {}); write at least 1 of 4096, such as tk(1%)",
        number->value, number->percent ? "%" : "", argument.position);
  }
  if (number->percent && number->value > 100) {
    return InvalidArgument("tk can't keep {}% (position {}); write a small share, such as tk(1%)",
                           number->value, argument.position);
  }
  if (!number->percent && number->value > static_cast<double>(tk::kChunk)) {
    return InvalidArgument(
        "tk counts what it keeps of each 4096 elements, and {} are more (position {}); write a "
        "small count or a percentage, such as tk(41) or tk(1%)",
        number->value, argument.position);
  }
  if (!number->percent && number->value != std::floor(number->value)) {
    return InvalidArgument(
        "tk keeps a whole number of each 4096 elements, not {} (position {}); write {} or {}%",
        number->value, argument.position, std::ceil(number->value), number->value);
  }
  // Exact where the share of 4096 is whole: such percentages have few binary digits.
  return number->percent ? static_cast<size_t>(std::ceil(number->value * double{tk::kChunk} / 100))
                         : static_cast<size_t>(number->value);
}

Result<ValueName> ParseValue(const CodecSpec::Argument& argument) {
  const auto* spec = std::get_if<CodecSpec>(&argument.value);
  if (spec != nullptr && spec->arguments.empty() && spec->modifiers.empty()) {
    for (const ValueName& known : kValues) {
      if (spec->name == known.name) return known;
    }
  }
  return InvalidArgument(
      "tk takes second how it keeps values: q4, q8, bf16 or raw (position {}); what carries sums "
      "stands third, such as tk(1%,q4,q8)",
      argument.position);
}

Status CheckSaving(size_t k, const ValueName& value, size_t position) {
  const size_t bytes = tk::ChunkBytes(k, value.value);
  const size_t dense_bytes = tk::DenseBytes(value.value);
  if (bytes < dense_bytes) return {};
  return InvalidArgument(
      "tk saves nothing with {} of 4096 elements in {} (position {}): a chunk takes {} bytes, and "
      "'{}' sends all elements in {}; use '{}' or keep fewer, such as tk(1%)",
      k, value.name, position, bytes, value.name, dense_bytes, value.name);
}

Result<const Codec*> FindDense(const CodecOptions& options, const CodecSpec::Argument& argument) {
  const auto* spec = std::get_if<CodecSpec>(&argument.value);
  if (spec == nullptr) {
    return InvalidArgument(
        "tk takes third the codec of sums, such as q8, not a number (position {})",
        argument.position);
  }
  TW_ASSIGN(const Codec* dense, options.find(*spec));
  if (dense->feedback() != Feedback::kNone) {
    return InvalidArgument(
        "the sums of tk can't be sent as '{}' (position {}): its state belongs outside, such as "
        "tk(1%,q4,q8)+ef",
        dense->spec(), argument.position);
  }
  return dense;
}

}  // namespace

Result<std::unique_ptr<const Codec>> MakeTk(const CodecOptions& options) {
  const auto& arguments = options.arguments;
  size_t k = 41;
  std::string share = "1%";
  ValueName value = kValues.front();
  const Codec* dense = nullptr;
  if (!arguments.empty()) {
    TW_ASSIGN(k, ParseK(arguments[0]));
    const auto& number = std::get<CodecSpec::Number>(arguments[0].value);
    share = fmt::format("{}{}", number.value, number.percent ? "%" : "");
  }
  if (arguments.size() > 1) {
    TW_ASSIGN(value, ParseValue(arguments[1]));
  }
  if (!arguments.empty()) TW_TRY(CheckSaving(k, value, arguments[0].position));
  if (arguments.size() > 2) {
    TW_ASSIGN(dense, FindDense(options, arguments[2]));
  }
  std::string spec = fmt::format("tk({},{}{})", share, value.name,
                                 dense == nullptr ? "" : fmt::format(",{}", dense->spec()));
  return std::unique_ptr<const Codec>(std::make_unique<Tk>(std::move(spec), k, value.value, dense));
}

}  // namespace thinwire
