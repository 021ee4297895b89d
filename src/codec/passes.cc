// SPDX-License-Identifier: Apache-2.0
#include "codec/passes.h"

#include <algorithm>
#include <type_traits>

#include "codec/float_codec.h"
#include "codec/float_environment.h"
#include "codec/pieces.h"

namespace thinwire {
namespace {

// ---- Arithmetic on accumulators: float, double or an integer ----

// Integers wrap; unsigned arithmetic keeps that defined.
template <Reduction kOp, typename T>
T Combined(T a, T b) {
  if constexpr (kOp == Reduction::kMin || kOp == Reduction::kMax) {
    if (a != a || b != b) return a != a ? a : b;
    const bool second = kOp == Reduction::kMin ? b < a : a < b;
    return second ? b : a;
  } else if constexpr (std::is_floating_point_v<T>) {
    return kOp == Reduction::kProd ? a * b : a + b;
  } else {
    const auto x = static_cast<uint64_t>(a);
    const auto y = static_cast<uint64_t>(b);
    return static_cast<T>(kOp == Reduction::kProd ? x * y : x + y);
  }
}

template <Reduction kOp, typename T>
void CombineLoop(const T* __restrict source, size_t count, T* __restrict accumulator) {
  for (size_t i = 0; i < count; ++i) accumulator[i] = Combined<kOp>(accumulator[i], source[i]);
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
  if constexpr (std::is_floating_point_v<T>) {
    const T factor = T{1} / static_cast<T>(divisor);
    for (size_t i = 0; i < count; ++i) sums[i] *= factor;
  } else {
    using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
    const Wide wide = static_cast<Wide>(divisor);
    for (size_t i = 0; i < count; ++i) sums[i] = static_cast<T>(static_cast<Wide>(sums[i]) / wide);
  }
}

// ---- One pass with accumulators of type T ----

bool IsDense(const Codec* codec) { return codec == nullptr || codec->id() == CodecId::kRaw; }

template <typename T>
class ReduceLoop {
 public:
  // Lossy codecs hand over and take elements of the accumulator's type.
  static constexpr DataType kWide =
      std::is_same_v<T, double> ? DataType::kFloat64 : DataType::kFloat32;

  explicit ReduceLoop(const ReducePass& pass) : pass_(pass) {}

  Status Run() const {
    Scratch<T> sums;
    for (size_t from = 0; from < pass_.count; from += kPiece) {
      const size_t size = std::min(kPiece, pass_.count - from);
      for (size_t i = 0; i < pass_.terms.size();) {
        const std::span<const Term> alike = Alike(pass_.terms.subspan(i));
        TW_TRY(alike.size() > 1 ? IncludeAll(alike, i == 0, from, size, sums.data)
               : i == 0         ? Start(alike.front(), from, size, sums.data)
                                : Include(alike.front(), from, size, sums.data));
        i += alike.size();
      }
      if (pass_.reduction == Reduction::kAvg) Average(pass_.divisor, size, sums.data);
      Finish(sums.data, from, size);
    }
    if (Streams()) StreamFence();
    return {};
  }

 private:
  // The first term and those behind it that are encoded like it, up to kAlike; alone where loops
  // over pieces can't take them.
  static constexpr size_t kAlike = 16;
  static std::span<const Term> Alike(std::span<const Term> terms) {
    const auto loops = [](const Term& term) {
      return IsDense(term.codec) ? nullptr : term.codec->AsFloatCodec();
    };
    const FloatCodec* const codec = std::is_same_v<T, float> ? loops(terms.front()) : nullptr;
    size_t count = 1;
    while (codec != nullptr && count < std::min(terms.size(), kAlike) &&
           loops(terms[count]) == codec) {
      ++count;
    }
    return terms.first(count);
  }
  Status IncludeAll(std::span<const Term> alike, bool start, size_t from, size_t size,
                    T* sums) const {
    const std::byte* room[kAlike];
    for (size_t i = 0; i < alike.size(); ++i) {
      room[i] = EncodedPiece(alike[i], from, size).data();
    }
    if constexpr (std::is_same_v<T, float>) {
      const FloatCodec& codec = *alike.front().codec->AsFloatCodec();
      const std::span<const std::byte* const> pieces(room, alike.size());
      return start ? codec.SumPieces(pieces, size, sums)
                   : codec.DecodeAddPieces(pieces, size, sums);
    }
    return InternalError("reduce: {} pieces of doubles at once", alike.size());
  }

  // Whether encoded output goes past the caches.
  bool Streams() const {
    return !IsDense(pass_.encoder) && pass_.encoder->AsFloatCodec() != nullptr &&
           pass_.encoder->EncodedBytes(pass_.count, kWide) >= size_t{1} << 20;
  }

  // sums = term
  Status Start(const Term& term, size_t from, size_t size, T* sums) const {
    if (!IsDense(term.codec)) {
      return term.codec->Decode(EncodedPiece(term, from, size), kWide, size, sums);
    }
    const T* x = LoadDense(term, from, size, sums);
    if (x != sums) std::copy_n(x, size, sums);
    return {};
  }

  // sums = sums (+) term
  Status Include(const Term& term, size_t from, size_t size, T* sums) const {
    Scratch<T> scratch;
    if (IsDense(term.codec)) {
      Combine(pass_.reduction, LoadDense(term, from, size, scratch.data), size, sums);
      return {};
    }
    const auto bytes = EncodedPiece(term, from, size);
    if constexpr (std::is_same_v<T, float>) {
      return term.codec->DecodeAdd(bytes, kWide, size, sums);
    } else {
      TW_TRY(term.codec->Decode(bytes, kWide, size, scratch.data));
      Combine(pass_.reduction, scratch.data, size, sums);
      return {};
    }
  }

  void Finish(const T* sums, size_t from, size_t size) const {
    std::byte* const dense =
        pass_.encoder == nullptr ? static_cast<std::byte*>(pass_.dense) : pass_.encoded;
    if (!IsDense(pass_.encoder)) {
      const size_t offset = pass_.encoder->EncodedBytes(from, kWide);
      if constexpr (std::is_same_v<T, float>) {
        if (const FloatCodec* codec = pass_.encoder->AsFloatCodec(); codec != nullptr) {
          return codec->EncodePiece(sums, size, {.stream = Streams(), .noise = {.first = from}},
                                    pass_.encoded + offset);
        }
      }
      pass_.encoder->Encode(sums, kWide, size, pass_.encoded + offset, {.first = from});
    } else if constexpr (std::is_same_v<T, float>) {
      StoreFloats(sums, pass_.dtype, size, At(dense, pass_.dtype, from));
    } else {
      std::memcpy(At(dense, pass_.dtype, from), sums, size * sizeof(T));
    }
  }

  std::span<const std::byte> EncodedPiece(const Term& term, size_t from, size_t size) const {
    const size_t offset = term.codec->EncodedBytes(from, kWide);
    return term.bytes.subspan(offset, term.codec->EncodedBytes(size, kWide));
  }

  // Dense elements as accumulators: in place if they are aligned ones, else in `scratch`.
  const T* LoadDense(const Term& term, size_t from, size_t size, T* scratch) const {
    const std::byte* elements = At(term.bytes.data(), pass_.dtype, from);
    if constexpr (std::is_same_v<T, float>) {
      return LoadFloats(elements, pass_.dtype, size, scratch);
    } else {
      return static_cast<const T*>(Aligned(elements, pass_.dtype, size, scratch));
    }
  }

  const ReducePass& pass_;
};

// ---- Checks ----

Status CheckCodec(const Codec* codec, const ReducePass& pass) {
  if (IsDense(codec)) return {};
  if (!codec->Supports(pass.dtype)) {
    return InvalidArgument("reduce: codec {} can't code {} elements; use raw", codec->spec(),
                           NameOf(pass.dtype));
  }
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
  for (size_t i = 0; i < pass.terms.size(); ++i) {
    const Term& term = pass.terms[i];
    TW_TRY(CheckCodec(term.codec, pass));
    const size_t want = term.codec == nullptr ? pass.count * SizeOf(pass.dtype)
                                              : term.codec->EncodedBytes(pass.count, pass.dtype);
    if (term.bytes.size() != want) {
      return RemoteError("reduce: term {} has {} bytes; {} elements of {} take {}", i,
                         term.bytes.size(), pass.count, NameOf(pass.dtype), want);
    }
  }
  return {};
}

}  // namespace

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
  if (encoded.size() != codec.EncodedBytes(count, dtype)) {
    return RemoteError("codec {}: {} bytes came for {} elements, which take {}", codec.spec(),
                       encoded.size(), count, codec.EncodedBytes(count, dtype));
  }
  SquaredError sums;
  Scratch<double> decoded;
  Scratch<double> copy;
  Scratch<float> x_wide;
  Scratch<float> y_wide;
  for (size_t from = 0; from < count; from += kPiece) {
    const size_t size = std::min(kPiece, count - from);
    const auto bytes =
        encoded.subspan(codec.EncodedBytes(from, dtype), codec.EncodedBytes(size, dtype));
    TW_TRY(codec.Decode(bytes, dtype, size, decoded.data));
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
