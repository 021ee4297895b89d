// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/launch_passes.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace thinwire::cuda {
namespace {

constexpr auto kFloat = DataType::kFloat32;

bool IsRaw(const Codec* codec) { return codec == nullptr || codec->id() == CodecId::kRaw; }

// The type whose elements are the codec's bytes, if they are.
std::optional<DataType> ElementsOf(const Codec* codec, DataType dtype) {
  if (IsRaw(codec)) return dtype;
  if (codec->id() == CodecId::kBf16) return DataType::kBfloat16;
  if (codec->id() == CodecId::kFp16) return DataType::kFloat16;
  return std::nullopt;
}

CodecShape ShapeOf(const Codec* codec) {
  return codec == nullptr ? RawCodec().shape() : codec->shape();
}

// The type that elements are reduced in.
DataType WideOf(DataType dtype) {
  return IsFloating(dtype) && dtype != DataType::kFloat64 ? kFloat : dtype;
}

// One pass on its way: what it needs besides its kernel.
class Preparation {
 public:
  explicit Preparation(const PassTarget& on) : on_(on) {}

  Result<void*> Room(size_t bytes) {
    void* const room = on_.scratch->Take(bytes);
    if (room != nullptr) return room;
    return Status(Code::kCuda, fmt::format("the device has no {} bytes of scratch memory", bytes));
  }

  // Elements as they are where tiles hold such, else as binary32 in scratch memory.
  Status Fit(size_t count, const void** elements, DataType* dtype) {
    if (FitsTiles(*dtype)) return {};
    TW_ASSIGN(void* const converted, Room(count * sizeof(float)));
    TW_TRY(Convert(*elements, *dtype, converted, kFloat, count));
    *elements = converted;
    *dtype = kFloat;
    return {};
  }

  // Where elements of `dtype` are to be stored: there, or in scratch memory to be converted later.
  Status FitTarget(size_t count, void** elements, DataType* dtype) {
    if (FitsTiles(*dtype)) return {};
    TW_ASSIGN(void* const room, Room(count * sizeof(float)));
    later_.push_back([this, room, count, to = *elements, type = *dtype] {
      return Convert(room, kFloat, to, type, count);
    });
    *elements = room;
    *dtype = kFloat;
    return {};
  }

  // State in the form that kernels advance; what is kept as bytes of a codec stands in scratch
  // memory meanwhile.
  Result<StateArguments> Fit(const StateSpan& state, size_t count) {
    StateArguments fit = {.kind = state.kind, .before = state.before, .after = state.after};
    if (state.kind == Feedback::kNone) return fit;
    const auto elements = ElementsOf(state.storage, kFloat);
    if (elements) {
      fit.dtype = *elements;
      return fit;
    }
    if (state.before != nullptr) {
      TW_ASSIGN(void* const before, Room(count * sizeof(float)));
      TW_TRY(DecodeTo(*state.storage, state.before, count, before));
      fit.before = before;
    }
    TW_ASSIGN(void* const after, Room(count * sizeof(float)));
    fit.after = after;
    later_.push_back([this, after, state, count] {
      EncodeArguments arguments = {.source = after, .count = count};
      arguments.encoder = {.shape = state.storage->shape(),
                           .target = reinterpret_cast<uint8_t*>(state.after)};
      return RunEncode(arguments);
    });
    return fit;
  }

  Result<EncoderArguments> Encoder(const Codec* codec, DataType dtype, size_t count,
                                   std::byte* target, const Noise& noise, const StateSpan& state,
                                   const uint16_t* steps) {
    EncoderArguments encoder = {.shape = ShapeOf(codec),
                                .dtype = ElementsOf(codec, dtype).value_or(kFloat),
                                .target = reinterpret_cast<uint8_t*>(target),
                                .noise = noise,
                                .steps = steps};
    TW_ASSIGN(encoder.state, Fit(state, count));
    return encoder;
  }

  // A contribution in the form that the kernels of `family` read. One of another codec is decoded
  // to scratch memory first. `tiles`: elements that no tile holds are converted.
  Result<TermArguments> Contribution(const Term& term, DataType dtype, size_t count,
                                     const CodecShape& family, bool tiles = true) {
    TermArguments fit = {.bytes = reinterpret_cast<const uint8_t*>(term.bytes.data()),
                         .run_bytes = term.bytes.size()};
    if (IsStanding(term)) return Reference(term.state, count);
    if (term.factor != nullptr) return Product(term, dtype, count);
    TW_ASSIGN(fit.state, Fit(term.state, count));
    const auto elements = ElementsOf(term.codec, dtype);
    if (elements) {
      fit.dtype = *elements;
      const void* data = fit.bytes;
      if (tiles) TW_TRY(Fit(count, &data, &fit.dtype));
      fit.bytes = static_cast<const uint8_t*>(data);
    }
    fit.coded = !elements;
    if (term.state.kind != Feedback::kNone && !ElementsOf(term.state.storage, kFloat)) {
      // Its elements are what they are kept as.
      TW_ASSIGN(void* const unused, Room(count * sizeof(float)));
      TW_TRY(RunDecode(ShapeOf(term.codec), fit, count, unused));
      TW_TRY(Finish());
      return Reference({Feedback::kReference, term.state.storage, term.state.after, nullptr},
                       count);
    }
    if (elements || ShapeOf(term.codec) == family) return fit;
    return Decoded(term.codec, fit, dtype, count);
  }

  // What is multiplied stands in scratch memory, so that no other kernel need know of factors.
  Result<TermArguments> Product(const Term& term, DataType dtype, size_t count) {
    const DataType wide = WideOf(dtype);
    TW_ASSIGN(void* const product, Room(count * SizeOf(wide)));
    TW_TRY(CheckCuda(ScaleElements({.source = term.bytes.data(),
                                    .dtype = dtype,
                                    .factor = *term.factor,
                                    .count = count,
                                    .target = product},
                                   on_.queue),
                     "multiplying elements"));
    return TermArguments{.bytes = static_cast<const uint8_t*>(product), .dtype = wide};
  }

  // Exact codecs give elements of `dtype`, others binary32.
  Result<TermArguments> Decoded(const Codec* codec, const TermArguments& term, DataType dtype,
                                size_t count) {
    const DataType given = codec->exact() ? dtype : kFloat;
    TW_ASSIGN(void* const decoded, Room(count * SizeOf(given)));
    TW_TRY(RunDecode(codec->shape(), term, count, decoded, given));
    return TermArguments{.bytes = static_cast<const uint8_t*>(decoded), .dtype = given};
  }

  // A reference that stands for the elements.
  static bool IsStanding(const Term& term) {
    return term.codec == nullptr && term.state.kind == Feedback::kReference &&
           term.state.after == nullptr;
  }
  Result<TermArguments> Reference(const StateSpan& state, size_t count) {
    const auto elements = ElementsOf(state.storage, kFloat);
    if (elements) {
      return TermArguments{.bytes = reinterpret_cast<const uint8_t*>(state.before),
                           .dtype = *elements};
    }
    TW_ASSIGN(void* const decoded, Room(count * sizeof(float)));
    TW_TRY(DecodeTo(*state.storage, state.before, count, decoded));
    return TermArguments{.bytes = static_cast<const uint8_t*>(decoded)};
  }

  // What was put off until the pass itself is launched.
  Status Finish() {
    for (const auto& launch : std::exchange(later_, {})) TW_TRY(launch());
    return {};
  }

  Status Convert(const void* from, DataType from_dtype, void* to, DataType to_dtype, size_t count) {
    return CheckCuda(ConvertElements({from, from_dtype, to, to_dtype, count}, on_.queue),
                     "converting elements");
  }

  Status RunEncode(EncodeArguments arguments) {
    const CodecKernels kernels = KernelsOf(arguments.encoder.shape);
    if (kernels.encode_scratch_bytes != nullptr) {
      const size_t bytes = kernels.encode_scratch_bytes(arguments.count);
      TW_ASSIGN(arguments.scratch, Room(bytes));
      TW_TRY(CheckCuda(cudaMemsetAsync(arguments.scratch, 0, bytes, on_.queue.stream),
                       "clearing scratch memory"));
    }
    return CheckCuda(kernels.encode(arguments, on_.queue), "encoding");
  }

  // Bytes of any codec to elements of `dtype`, in place of a kernel that reads them itself.
  Status RunDecode(const CodecShape& shape, const TermArguments& term, size_t count, void* target,
                   DataType dtype = kFloat, int divisor = 1) {
    const DecodeArguments arguments = {.shape = shape,
                                       .term = term,
                                       .dtype = dtype,
                                       .count = count,
                                       .target = target,
                                       .divisor = divisor,
                                       .fault = on_.fault};
    return CheckCuda(KernelsOf(shape).decode(arguments, on_.queue), "decoding");
  }

 private:
  Status DecodeTo(const Codec& codec, const std::byte* bytes, size_t count, void* target) {
    const TermArguments term = {.bytes = reinterpret_cast<const uint8_t*>(bytes), .coded = true};
    return RunDecode(codec.shape(), term, count, target);
  }

  const PassTarget& on_;
  std::vector<std::function<Status()>> later_;
};

Status Copy(const void* from, void* to, size_t bytes, const PassTarget& on) {
  if (from == to) return {};
  return CheckCuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, on.queue.stream), "a copy");
}

// ---- Reductions ----

// More terms than a launch takes: all but the last ones are reduced to scratch memory first, in
// order, in the type that reductions are carried out in.
template <typename Launch>
Status InPortions(ReduceArguments* arguments, std::vector<TermArguments> terms, DataType wide,
                  size_t wide_bytes, Preparation* preparation, Launch launch) {
  size_t from = 0;
  while (terms.size() - from > kMaxTerms) {
    ReduceArguments portion = *arguments;
    portion.encodes = false;
    portion.reduction =
        arguments->reduction == Reduction::kAvg ? Reduction::kSum : arguments->reduction;
    portion.dtype = wide;
    TW_ASSIGN(portion.dense, preparation->Room(arguments->count * wide_bytes));
    portion.count_of_terms = kMaxTerms;
    std::copy_n(terms.begin() + static_cast<long>(from), kMaxTerms, portion.terms);
    TW_TRY(launch(portion));
    from += kMaxTerms - 1;
    terms[from] = {.bytes = static_cast<const uint8_t*>(portion.dense), .dtype = wide};
  }
  arguments->count_of_terms = static_cast<int>(terms.size() - from);
  std::copy(terms.begin() + static_cast<long>(from), terms.end(), arguments->terms);
  return launch(*arguments);
}

// The codec that a reduction's kernel codes by: its result's, or that of its terms.
const Codec* FamilyOf(const ReducePass& pass) {
  if (!ElementsOf(pass.encoder, pass.dtype)) return pass.encoder;
  for (const Term& term : pass.terms) {
    if (!ElementsOf(term.codec, pass.dtype)) return term.codec;
  }
  return nullptr;
}

bool AnyState(const ReducePass& pass) {
  if (pass.state.kind != Feedback::kNone) return true;
  for (const Term& term : pass.terms) {
    if (term.state.kind != Feedback::kNone && !Preparation::IsStanding(term)) return true;
  }
  return false;
}

// Elements to elements, of any type.
Status ReduceDense(const ReducePass& pass, const PassTarget& on, void* target) {
  Preparation preparation(on);
  std::vector<TermArguments> terms;
  for (const Term& term : pass.terms) {
    TW_ASSIGN(const TermArguments fit,
              preparation.Contribution(term, pass.dtype, pass.count, RawCodec().shape(), false));
    terms.push_back(fit);
  }
  ReduceArguments arguments = {.reduction = pass.reduction,
                               .divisor = pass.divisor,
                               .count = pass.count,
                               .dense = target,
                               .dtype = pass.dtype};
  const DataType wide = WideOf(pass.dtype);
  const auto launch = [&](const ReduceArguments& portion) {
    return CheckCuda(ReduceElements(portion, on.queue), "reducing elements");
  };
  TW_TRY(InPortions(&arguments, std::move(terms), wide, SizeOf(wide), &preparation, launch));
  return preparation.Finish();
}

bool SameKernels(const CodecShape& a, const CodecShape& b) {
  return KernelsOf(a).reduce == KernelsOf(b).reduce;
}

// By the kernels of `family`.
Status ReduceCoded(const ReducePass& pass, const Codec* family, const PassTarget& on) {
  Preparation preparation(on);
  ReduceArguments arguments = {.reduction = pass.reduction,
                               .divisor = pass.divisor,
                               .count = pass.count,
                               .dense = pass.dense,
                               .dtype = pass.dtype,
                               .fault = on.fault};
  std::vector<TermArguments> terms;
  for (const Term& term : pass.terms) {
    if (!ElementsOf(term.codec, pass.dtype) && arguments.shape == CodecShape{} &&
        SameKernels(term.codec->shape(), family->shape())) {
      arguments.shape = term.codec->shape();
    }
    TW_ASSIGN(const TermArguments fit,
              preparation.Contribution(term, pass.dtype, pass.count, arguments.shape));
    terms.push_back(fit);
  }
  if (pass.encoder != nullptr) {
    arguments.encodes = true;
    TW_ASSIGN(arguments.encoder,
              preparation.Encoder(pass.encoder, pass.dtype, pass.count, pass.encoded, pass.noise,
                                  pass.state, pass.steps));
  } else {
    TW_TRY(preparation.FitTarget(pass.count, &arguments.dense, &arguments.dtype));
  }
  const CodecKernels kernels = KernelsOf(ShapeOf(family));
  const auto launch = [&](const ReduceArguments& portion) {
    return CheckCuda(kernels.reduce(portion, on.queue), "reducing");
  };
  TW_TRY(InPortions(&arguments, std::move(terms), kFloat, sizeof(float), &preparation, launch));
  return preparation.Finish();
}

}  // namespace

Status CheckCuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  return Status(Code::kCuda,
                fmt::format("{} failed on the device: {}", what, cudaGetErrorString(error)));
}

Status LaunchEncode(const EncodePass& pass, const PassTarget& on) {
  if (pass.count == 0) return {};
  const bool raw = IsRaw(pass.codec);
  const bool exact = !raw && pass.codec->exact();
  if (raw && (pass.state.kind == Feedback::kNone || !FitsTiles(pass.dtype))) {
    TW_TRY(Copy(pass.source, pass.target, pass.count * SizeOf(pass.dtype), on));
    if (pass.state.kind == Feedback::kNone) return {};
  }
  Preparation preparation(on);
  EncodeArguments arguments = {
      .source = pass.source, .dtype = pass.dtype, .count = pass.count, .encoder = {}};
  if (!exact) TW_TRY(preparation.Fit(pass.count, &arguments.source, &arguments.dtype));
  std::byte* target = pass.target;
  if (raw && !FitsTiles(pass.dtype)) {  // copied above; what is made here is for the state alone
    TW_ASSIGN(void* const room, preparation.Room(pass.count * sizeof(float)));
    target = static_cast<std::byte*>(room);
  }
  TW_ASSIGN(arguments.encoder, preparation.Encoder(pass.codec, arguments.dtype, pass.count, target,
                                                   pass.noise, pass.state, pass.steps));
  TW_TRY(preparation.RunEncode(arguments));
  return preparation.Finish();
}

Status LaunchDecode(const DecodePass& pass, const PassTarget& on) {
  if (pass.count == 0) return {};
  if (IsRaw(pass.codec) && pass.state.kind == Feedback::kNone && pass.divisor == 1) {
    return Copy(pass.bytes.data(), pass.target, pass.count * SizeOf(pass.dtype), on);
  }
  Preparation preparation(on);
  DecodeArguments arguments = {.shape = ShapeOf(pass.codec),
                               .dtype = pass.dtype,
                               .count = pass.count,
                               .target = pass.target,
                               .divisor = pass.divisor,
                               .fault = on.fault};
  const bool exact = !IsRaw(pass.codec) && pass.codec->exact();
  TW_ASSIGN(arguments.term, preparation.Contribution({pass.codec, pass.bytes, pass.state},
                                                     pass.dtype, pass.count, arguments.shape));
  if (!exact) TW_TRY(preparation.FitTarget(pass.count, &arguments.target, &arguments.dtype));
  TW_TRY(CheckCuda(KernelsOf(arguments.shape).decode(arguments, on.queue), "decoding"));
  return preparation.Finish();
}

Status LaunchReduce(const ReducePass& pass, const PassTarget& on) {
  if (pass.count == 0) return {};
  const Codec* const family = FamilyOf(pass);
  const bool sums = pass.reduction == Reduction::kSum || pass.reduction == Reduction::kAvg;
  const bool exact = family != nullptr && family->exact();
  const bool fused = IsFloating(pass.dtype) && pass.dtype != DataType::kFloat64 && sums && !exact;
  const bool to_raw = IsRaw(pass.encoder) && pass.state.kind == Feedback::kNone;
  void* const elements = pass.encoder == nullptr ? pass.dense : pass.encoded;
  if (fused && (family != nullptr || !to_raw || AnyState(pass))) {
    return ReduceCoded(pass, family, on);
  }
  if (to_raw) return ReduceDense(pass, on, elements);
  // Elements first, then their encoding.
  void* const reduced = on.scratch->Take(pass.count * SizeOf(pass.dtype));
  if (reduced == nullptr) return Status(Code::kCuda, "the device has no scratch memory left");
  TW_TRY(ReduceDense(pass, on, reduced));
  return LaunchEncode({.codec = pass.encoder,
                       .source = reduced,
                       .dtype = pass.dtype,
                       .count = pass.count,
                       .target = pass.encoded,
                       .noise = pass.noise,
                       .state = pass.state,
                       .steps = pass.steps},
                      on);
}

Status LaunchMeasureSteps(const Codec& codec, const void* source, DataType dtype, size_t count,
                          uint16_t* steps, const PassTarget& on) {
  if (count == 0) return {};
  Preparation preparation(on);
  MeasureArguments arguments = {
      .id = codec.id(), .source = source, .dtype = dtype, .count = count, .steps = steps};
  TW_TRY(preparation.Fit(count, &arguments.source, &arguments.dtype));
  return CheckCuda(MeasureSteps(arguments, on.queue), "measuring steps");
}

}  // namespace thinwire::cuda
