// SPDX-License-Identifier: Apache-2.0
#include "codec/passes.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <vector>

#include "codec/float_environment.h"
#include "codec/piece_loops.h"
#include "codec/pieces.h"
#include "codec/reduce_math.h"

namespace thinwire {
namespace {

// ---- Arithmetic on accumulators: float, double or an integer ----

template <Reduction kOp, typename T>
void CombineLoop(const T* __restrict source, size_t count, T* __restrict accumulator) {
  for (size_t i = 0; i < count; ++i) {
    accumulator[i] = reduce::Combined<kOp>(accumulator[i], source[i]);
  }
}

template <typename T>
void Combine(Reduction reduction, const T* source, size_t count, T* accumulator) {
  switch (reduction) {
    case Reduction::kProd:
      return CombineLoop<Reduction::kProd>(source, count, accumulator);
    case Reduction::kMin:
      return CombineLoop<Reduction::kMin>(source, count, accumulator);
    case Reduction::kMax:
      return CombineLoop<Reduction::kMax>(source, count, accumulator);
    case Reduction::kSum:
    case Reduction::kAvg:
      if constexpr (std::is_same_v<T, float>) return Simd().add(source, count, accumulator);
      return CombineLoop<Reduction::kSum>(source, count, accumulator);
  }
}

template <typename T>
void Average(int divisor, size_t count, T* sums) {
  for (size_t i = 0; i < count; ++i) sums[i] = reduce::Averaged(sums[i], divisor);
}

Status CheckState(const StateSpan& state, DataType dtype) {
  if (state.kind == Feedback::kNone || (IsFloating(dtype) && state.after != nullptr)) return {};
  return InternalError("state of {} elements, or state without a place for the next",
                       NameOf(dtype));
}

Status CheckSize(const Codec& codec, size_t bytes, DataType dtype, size_t count) {
  const size_t most = codec.EncodedBytes(count, dtype);
  // Reading the pieces of a run of variable size finds the rest.
  if (bytes == most || (!codec.fixed_size() && bytes < most)) return {};
  return RemoteError("codec {}: {} bytes came for {} elements, which take {}{}", codec.spec(),
                     bytes, count, codec.fixed_size() ? "" : "at most ", most);
}

// Of what is decoded: it may also be a reference as it stands.
Status CheckDecoded(const Codec* codec, std::span<const std::byte> bytes, const StateSpan& state,
                    DataType dtype, size_t count) {
  const bool stands = codec == nullptr && state.kind == Feedback::kReference;
  if (stands && state.before != nullptr && state.after == nullptr && IsFloating(dtype)) return {};
  TW_TRY(CheckState(state, dtype));
  return CheckSize(codec == nullptr ? RawCodec() : *codec, bytes.size(), dtype, count);
}

// A factor as an accumulator.
template <typename T>
T FactorOf(const Factor& factor, DataType dtype) {
  const void* const scalar = factor.at != nullptr ? factor.at : factor.value.data();
  T value;
  if constexpr (std::is_same_v<T, float>) {
    float wide;
    value = *LoadFloats(scalar, dtype, 1, &wide);
  } else {
    std::memcpy(&value, scalar, sizeof(value));
  }
  return value;
}

// ---- One pass with accumulators of type T ----

bool IsDense(const Codec* codec) { return codec == nullptr || codec->id() == CodecId::kRaw; }
// Whether a term or result is its elements, bit for bit, in whatever form.
bool IsExact(const Codec* codec) { return codec == nullptr || codec->exact(); }
bool IsExact(const Term& term) { return IsExact(term.codec) && term.state.kind == Feedback::kNone; }

template <typename T>
class ReduceLoop {
 public:
  // Lossy codecs hand over and take elements of the accumulator's type.
  static constexpr bool kFloats = std::is_same_v<T, float>;

  explicit ReduceLoop(const ReducePass& pass) : pass_(pass) {
    for (const Term& term : pass.terms) {
      const Codec& codec = term.codec == nullptr ? RawCodec() : *term.codec;
      decoders_.emplace_back(codec, pass.dtype, term.state, term.bytes.data());
    }
    if (Encodes()) {
      encoder_.emplace(*pass.encoder, pass.dtype, pass.count, pass.noise, pass.state, pass.steps,
                       pass.encoded);
    }
  }

  Status Run() {
    Scratch<T> sums;
    for (size_t from = 0; from < pass_.count; from += kPiece) {
      const size_t size = std::min(kPiece, pass_.count - from);
      for (size_t term = 0; term < pass_.terms.size();) {
        TW_ASSIGN(const size_t included, Include(term, from, size, sums.data));
        term += included;
      }
      if (pass_.reduction == Reduction::kAvg) Average(pass_.divisor, size, sums.data);
      TW_TRY(Finish(sums.data, from, size));
    }
    return {};
  }

 private:
  bool Encodes() const {
    return !IsExact(pass_.encoder) ||
           (pass_.encoder != nullptr && pass_.state.kind != Feedback::kNone);
  }

  // The elements of a term as accumulators: in `scratch` or where they stand.
  Result<const T*> Load(size_t term, size_t from, size_t size, T* scratch) {
    if (IsExact(pass_.terms[term])) return LoadExact(pass_.terms[term], from, size, scratch);
    if constexpr (kFloats) {
      return decoders_[term].Decode(from, size, scratch);
    } else if constexpr (std::is_floating_point_v<T>) {
      Scratch<float> narrow;
      TW_ASSIGN(const float* values, decoders_[term].Decode(from, size, narrow.data));
      for (size_t i = 0; i < size; ++i) scratch[i] = static_cast<T>(values[i]);
      return scratch;
    } else {
      return InternalError("reduce: a lossy codec under integers");
    }
  }

  // sums = sums (+) term, or the first term, and further ones where a codec adds several at once;
  // how many it were.
  Result<size_t> Include(size_t term, size_t from, size_t size, T* sums) {
    if constexpr (kFloats) {
      if (const FloatCodec* codec = decoders_[term].additive()) {
        together_.clear();
        for (size_t i = term; i < decoders_.size() && decoders_[i].additive() == codec; ++i) {
          together_.push_back(decoders_[i].BytesAt(from));
        }
        TW_TRY(term == 0 ? codec->SumPieces(together_, size, sums)
                         : codec->DecodeAddPieces(together_, size, sums));
        return together_.size();
      }
    }
    Scratch<T> scratch;
    T* const room = term == 0 ? sums : scratch.data;
    TW_ASSIGN(const T* x, Load(term, from, size, room));
    if (const Factor* factor = pass_.terms[term].factor) {
      const T by = FactorOf<T>(*factor, pass_.dtype);
      for (size_t i = 0; i < size; ++i) room[i] = reduce::Scaled(x[i], by);
      x = room;
    }
    if (term > 0) {
      Combine(pass_.reduction, x, size, sums);
    } else if (x != sums) {
      std::copy_n(x, size, sums);
    }
    return 1;
  }

  Status Finish(const T* sums, size_t from, size_t size) {
    if (Encodes()) {
      if constexpr (kFloats) {
        return encoder_->Encode(sums, from, size);
      } else if constexpr (std::is_floating_point_v<T>) {
        Scratch<float> narrow;
        for (size_t i = 0; i < size; ++i) narrow.data[i] = static_cast<float>(sums[i]);
        return encoder_->Encode(narrow.data, from, size);
      }
    }
    std::byte* const dense =
        pass_.encoder == nullptr ? static_cast<std::byte*>(pass_.dense) : pass_.encoded;
    if (IsDense(pass_.encoder)) {
      StoreExact(sums, size, At(dense, pass_.dtype, from));
      return {};
    }
    Scratch<T> rounded;  // no type is wider than what it is reduced in
    StoreExact(sums, size, rounded.data);
    pass_.encoder->WritePiece(rounded.data, pass_.dtype, pass_.count, from / kPiece, pass_.encoded);
    return {};
  }

  void StoreExact(const T* sums, size_t size, void* elements) const {
    if constexpr (kFloats) {
      StoreFloats(sums, pass_.dtype, size, elements);
    } else {
      std::memcpy(elements, sums, size * sizeof(T));
    }
  }

  // The elements of an exact term as accumulators: in place if they are aligned ones, else in
  // `scratch`.
  Result<const T*> LoadExact(const Term& term, size_t from, size_t size, T* scratch) const {
    if (IsDense(term.codec)) {
      return LoadDense(At(term.bytes.data(), pass_.dtype, from), size, scratch);
    }
    Scratch<T> packed;
    T* const elements = SizeOf(pass_.dtype) == sizeof(T) ? scratch : packed.data;
    TW_TRY(term.codec->ReadPiece(term.bytes, pass_.dtype, pass_.count, from / kPiece, elements));
    return LoadDense(elements, size, scratch);
  }

  const T* LoadDense(const void* elements, size_t size, T* scratch) const {
    if constexpr (kFloats) {
      return LoadFloats(elements, pass_.dtype, size, scratch);
    } else {
      return static_cast<const T*>(Aligned(elements, pass_.dtype, size, scratch));
    }
  }

  const ReducePass& pass_;
  std::vector<PieceDecoder> decoders_;  // by term
  std::optional<PieceEncoder> encoder_;
  std::vector<const std::byte*> together_;  // scratch
};

// ---- Checks ----

Status CheckCodec(const Codec* codec, const ReducePass& pass) {
  if (IsDense(codec)) return {};
  if (!codec->Supports(pass.dtype)) {
    return InvalidArgument("reduce: codec {} can't code {} elements; use raw", codec->spec(),
                           NameOf(pass.dtype));
  }
  if (IsExact(codec)) return {};
  if (pass.reduction != Reduction::kSum && pass.reduction != Reduction::kAvg) {
    return InvalidArgument("reduce: codec {} is lossy and stands only under sum and avg, not {}",
                           codec->spec(), NameOf(pass.reduction));
  }
  return {};
}

Status CheckPass(const ReducePass& pass) {
  if (pass.terms.empty()) return InternalError("reduce: no terms");
  if (pass.divisor < 1) return InternalError("reduce: divisor {} is not positive", pass.divisor);
  const bool to_dense = pass.encoder == nullptr;
  if (pass.count != 0 && (pass.dense != nullptr) != to_dense) {
    return InternalError("reduce: exactly one of dense and encoded output must be given");
  }
  TW_TRY(CheckCodec(pass.encoder, pass));
  TW_TRY(CheckState(pass.state, pass.dtype));
  for (size_t i = 0; i < pass.terms.size(); ++i) {
    const Term& term = pass.terms[i];
    TW_TRY(CheckCodec(term.codec, pass));
    if (term.factor != nullptr && (term.codec != nullptr || term.state.kind != Feedback::kNone)) {
      return InternalError("reduce: term {} has a factor, but is not dense", i);
    }
    const Status fits = CheckDecoded(term.codec, term.bytes, term.state, pass.dtype, pass.count);
    if (!fits.ok()) return fits.WithContext(fmt::format("reduce: term {}", i));
  }
  return {};
}

}  // namespace

Status Encode(const EncodePass& pass) {
  TW_TRY(CheckState(pass.state, pass.dtype));
  if (pass.state.kind == Feedback::kNone && pass.steps == nullptr) {
    pass.codec->Encode(pass.source, pass.dtype, pass.count, pass.target, pass.noise);
    return {};
  }
  const FloatEnvironment environment;
  PieceEncoder encoder(*pass.codec, pass.dtype, pass.count, pass.noise, pass.state, pass.steps,
                       pass.target);
  Scratch<float> wide;
  for (size_t from = 0; from < pass.count; from += kPiece) {
    const size_t size = std::min(kPiece, pass.count - from);
    const float* x = LoadFloats(At(pass.source, pass.dtype, from), pass.dtype, size, wide.data);
    TW_TRY(encoder.Encode(x, from, size));
  }
  return {};
}

Status Decode(const DecodePass& pass) {
  if (pass.state.kind == Feedback::kNone && pass.divisor == 1) {
    return pass.codec->Decode(pass.bytes, pass.dtype, pass.count, pass.target);
  }
  TW_TRY(CheckDecoded(pass.codec, pass.bytes, pass.state, pass.dtype, pass.count));
  const FloatEnvironment environment;
  const Codec& codec = pass.codec == nullptr ? RawCodec() : *pass.codec;
  PieceDecoder decoder(codec, pass.dtype, pass.state, pass.bytes.data());
  Scratch<float> wide;
  for (size_t from = 0; from < pass.count; from += kPiece) {
    const size_t size = std::min(kPiece, pass.count - from);
    TW_ASSIGN(const float* values, decoder.Decode(from, size, wide.data));
    if (pass.divisor != 1) {
      if (values != wide.data) values = std::copy_n(values, size, wide.data) - size;
      Average(pass.divisor, size, wide.data);
    }
    StoreFloats(values, pass.dtype, size, At(pass.target, pass.dtype, from));
  }
  return {};
}

Status Reduce(const ReducePass& pass) {
  TW_TRY(CheckPass(pass));
  const FloatEnvironment environment;
  switch (pass.dtype) {
    case DataType::kInt8:
      return ReduceLoop<int8_t>(pass).Run();
    case DataType::kUint8:
      return ReduceLoop<uint8_t>(pass).Run();
    case DataType::kInt32:
      return ReduceLoop<int32_t>(pass).Run();
    case DataType::kUint32:
      return ReduceLoop<uint32_t>(pass).Run();
    case DataType::kInt64:
      return ReduceLoop<int64_t>(pass).Run();
    case DataType::kUint64:
      return ReduceLoop<uint64_t>(pass).Run();
    case DataType::kFloat64:
      return ReduceLoop<double>(pass).Run();
    case DataType::kFloat16:
    case DataType::kFloat32:
    case DataType::kBfloat16:
    case DataType::kFloat8e4m3:
    case DataType::kFloat8e5m2:
      return ReduceLoop<float>(pass).Run();
  }
  return InternalError("reduce: {} is no data type", static_cast<int>(pass.dtype));
}

Result<SquaredError> MeasureError(const Codec& codec, const void* source, DataType dtype,
                                  size_t count, std::span<const std::byte> encoded) {
  if (!IsFloating(dtype)) {
    return InvalidArgument("error is measured on floating-point elements, not {}", NameOf(dtype));
  }
  TW_TRY(CheckSize(codec, encoded.size(), dtype, count));
  SquaredError sums;
  Scratch<double> decoded;
  Scratch<double> copy;
  Scratch<float> x_wide;
  Scratch<float> y_wide;
  for (size_t from = 0; from < count; from += kPiece) {
    const size_t size = std::min(kPiece, count - from);
    TW_TRY(codec.ReadPiece(encoded, dtype, count, from / kPiece, decoded.data));
    const auto add = [&](const auto* x, const auto* y) {
      for (size_t i = 0; i < size; ++i) {
        const double value = x[i];
        const double error = value - y[i];
        sums.error += error * error;
        sums.energy += value * value;
      }
    };
    if (dtype == DataType::kFloat64) {
      const auto* x = Aligned(At(source, dtype, from), dtype, size, copy.data);
      add(static_cast<const double*>(x), decoded.data);
    } else {
      add(LoadFloats(At(source, dtype, from), dtype, size, x_wide.data),
          LoadFloats(decoded.data, dtype, size, y_wide.data));
    }
  }
  return sums;
}

}  // namespace thinwire
