// SPDX-License-Identifier: Apache-2.0
//
// Reduce against a slow reference, for every type, reduction and codec.
#include "codec/passes.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "codec/float_formats.h"
#include "codec/inputs.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
__extension__ typedef __int128 Wide128;
__extension__ typedef unsigned __int128 Unsigned128;

// One element of any type as what the reference computes in.
struct Element {
  double real = 0;      // floating types
  Wide128 integer = 0;  // integers
};

template <typename T>
T LoadAs(const Bytes& bytes, size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

Element Load(DataType dtype, const Bytes& bytes, size_t i) {
  switch (dtype) {
    case DataType::kInt8:
      return {0, LoadAs<int8_t>(bytes, i)};
    case DataType::kUint8:
      return {0, LoadAs<uint8_t>(bytes, i)};
    case DataType::kInt32:
      return {0, LoadAs<int32_t>(bytes, i)};
    case DataType::kUint32:
      return {0, LoadAs<uint32_t>(bytes, i)};
    case DataType::kInt64:
      return {0, LoadAs<int64_t>(bytes, i)};
    case DataType::kUint64:
      return {0, LoadAs<uint64_t>(bytes, i)};
    case DataType::kFloat16:
      return {Widen<Half>(LoadAs<uint16_t>(bytes, i)), 0};
    case DataType::kBfloat16:
      return {Widen<Bfloat16>(LoadAs<uint16_t>(bytes, i)), 0};
    case DataType::kFloat8e4m3:
      return {Widen<Float8e4m3>(LoadAs<uint8_t>(bytes, i)), 0};
    case DataType::kFloat8e5m2:
      return {Widen<Float8e5m2>(LoadAs<uint8_t>(bytes, i)), 0};
    case DataType::kFloat32:
      return {LoadAs<float>(bytes, i), 0};
    case DataType::kFloat64:
      return {LoadAs<double>(bytes, i), 0};
  }
  return {};
}

// Wraps an integer into the type's range.
Wide128 Wrapped(DataType dtype, Wide128 value) {
  const bool is_signed =
      dtype == DataType::kInt8 || dtype == DataType::kInt32 || dtype == DataType::kInt64;
  const Wide128 modulus = Wide128{1} << (8 * SizeOf(dtype));
  value = ((value % modulus) + modulus) % modulus;
  return is_signed && value >= modulus / 2 ? value - modulus : value;
}

// binary64 rounds twice where binary32 rounds once; innocuous for one sum or product of binary32.
double Rounded(DataType dtype, double value) {
  return dtype == DataType::kFloat64 ? value : static_cast<double>(static_cast<float>(value));
}

Element Apply(DataType dtype, Reduction op, Element a, Element b) {
  if (!IsFloating(dtype)) {
    switch (op) {
      case Reduction::kProd:
        return {0, Wrapped(dtype, static_cast<Wide128>(static_cast<Unsigned128>(a.integer) *
                                                       static_cast<Unsigned128>(b.integer)))};
      case Reduction::kMin:
        return {0, std::min(a.integer, b.integer)};
      case Reduction::kMax:
        return {0, std::max(a.integer, b.integer)};
      default:
        return {0, Wrapped(dtype, a.integer + b.integer)};
    }
  }
  const bool nan = std::isnan(a.real) || std::isnan(b.real);
  switch (op) {
    case Reduction::kProd:
      return {Rounded(dtype, a.real * b.real), 0};
    case Reduction::kMin:
      return {nan ? NAN : std::min(a.real, b.real), 0};
    case Reduction::kMax:
      return {nan ? NAN : std::max(a.real, b.real), 0};
    default:
      return {Rounded(dtype, a.real + b.real), 0};
  }
}

// What the result stored in `dtype` reads back as.
double Stored(DataType dtype, double x) {
  const auto f = static_cast<float>(x);
  switch (dtype) {
    case DataType::kFloat16:
      return Widen<Half>(Narrow<Half>(f));
    case DataType::kBfloat16:
      return Widen<Bfloat16>(Narrow<Bfloat16>(f));
    case DataType::kFloat8e4m3:
      return Widen<Float8e4m3>(Narrow<Float8e4m3>(f));
    case DataType::kFloat8e5m2:
      return Widen<Float8e5m2>(Narrow<Float8e5m2>(f));
    default:
      return Rounded(dtype, x);
  }
}

Element Average(DataType dtype, Element sum, int divisor) {
  if (!IsFloating(dtype)) return {0, sum.integer / divisor};
  return {Rounded(dtype, sum.real * Rounded(dtype, 1.0 / divisor)), 0};
}

class ReduceTest : public testing::TestWithParam<std::tuple<int, int>> {
 protected:
  const DataType dtype_ = static_cast<DataType>(std::get<0>(GetParam()));
  const Reduction op_ = static_cast<Reduction>(std::get<1>(GetParam()));
  std::mt19937 random_{11};

  Bytes RandomElements(size_t count) {
    Bytes bytes(count * SizeOf(dtype_));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    return bytes;
  }
  void ExpectResult(const Element& want, const Bytes& got, size_t i) {
    const Element element = Load(dtype_, got, i);
    if (!IsFloating(dtype_)) {
      ASSERT_TRUE(element.integer == want.integer) << "element " << i;
      return;
    }
    const double stored = Stored(dtype_, want.real);
    ASSERT_TRUE(element.real == stored || (std::isnan(element.real) && std::isnan(stored)))
        << "element " << i << ": " << element.real << ", not " << stored;
  }
};

TEST_P(ReduceTest, DenseTermsOfArbitraryBitsMatchTheReference) {
  const size_t count = 4096 + 333;
  for (const size_t n : {1, 2, 5}) {
    std::vector<Bytes> inputs;
    std::vector<Term> terms;
    for (size_t t = 0; t < n; ++t) inputs.push_back(RandomElements(count));
    for (const Bytes& input : inputs) terms.push_back({nullptr, input});
    terms.front().codec = &RawCodec();
    Bytes output(inputs[0].size());
    ASSERT_TRUE(Reduce({.terms = terms,
                        .dtype = dtype_,
                        .reduction = op_,
                        .divisor = 3,
                        .count = count,
                        .dense = output.data()})
                    .ok());
    for (size_t i = 0; i < count; ++i) {
      Element want = Load(dtype_, inputs[0], i);
      for (size_t t = 1; t < n; ++t) want = Apply(dtype_, op_, want, Load(dtype_, inputs[t], i));
      if (op_ == Reduction::kAvg) want = Average(dtype_, want, 3);
      ExpectResult(want, output, i);
    }
    // In place, over each of the terms, and encoded as raw.
    for (size_t t = 0; t < n; ++t) {
      std::vector<Bytes> copies = inputs;
      std::vector<Term> over;
      for (const Bytes& copy : copies) over.push_back({nullptr, copy});
      ASSERT_TRUE(Reduce({.terms = over,
                          .dtype = dtype_,
                          .reduction = op_,
                          .divisor = 3,
                          .count = count,
                          .dense = copies[t].data()})
                      .ok());
      EXPECT_TRUE(copies[t] == output) << t;
    }
    Bytes encoded(output.size());
    ASSERT_TRUE(Reduce({.terms = terms,
                        .dtype = dtype_,
                        .reduction = op_,
                        .divisor = 3,
                        .count = count,
                        .encoder = &RawCodec(),
                        .encoded = encoded.data()})
                    .ok());
    EXPECT_TRUE(encoded == output);
  }
}

TEST_P(ReduceTest, TermsAreMultipliedByTheirFactors) {
  const size_t count = 4096 + 333;
  const std::vector<Bytes> inputs = {RandomElements(count), RandomElements(count),
                                     RandomElements(count)};
  const Bytes scalars = RandomElements(2);
  Factor by_value;
  std::memcpy(by_value.value.data(), scalars.data(), SizeOf(dtype_));
  const Factor in_memory = {.value = {}, .at = scalars.data() + SizeOf(dtype_)};
  // The first, an inner one and a single one; what has no factor stays as it is.
  const std::vector<std::vector<const Factor*>> factors = {
      {&by_value, nullptr, &in_memory}, {nullptr, &in_memory, nullptr}, {&by_value}};
  for (const auto& of : factors) {
    std::vector<Term> terms;
    for (size_t t = 0; t < of.size(); ++t) {
      terms.push_back({.codec = nullptr, .bytes = inputs[t], .factor = of[t]});
    }
    Bytes output(inputs[0].size());
    ASSERT_TRUE(Reduce({.terms = terms,
                        .dtype = dtype_,
                        .reduction = op_,
                        .divisor = 3,
                        .count = count,
                        .dense = output.data()})
                    .ok());
    for (size_t i = 0; i < count; ++i) {
      const auto product = [&](size_t t) {
        const Element x = Load(dtype_, inputs[t], i);
        if (of[t] == nullptr) return x;
        return Apply(dtype_, Reduction::kProd, x,
                     Load(dtype_, scalars, of[t] == &by_value ? 0 : 1));
      };
      Element want = product(0);
      for (size_t t = 1; t < of.size(); ++t) want = Apply(dtype_, op_, want, product(t));
      if (op_ == Reduction::kAvg) want = Average(dtype_, want, 3);
      ExpectResult(want, output, i);
    }
  }
}

TEST_P(ReduceTest, EncodedTermsMatchTheReferenceOrAreRefused) {
  const size_t count = 2 * 4096 + 55;
  const auto x = test::FiniteInputs(count)[2].second;
  for (const std::string_view name : CodecSpecs()) {
    const Codec& codec = *FindCodec(std::string(name)).value();
    if (codec.exact()) continue;
    Bytes encoded(codec.EncodedBytes(count, DataType::kFloat32));
    codec.Encode(x.data(), DataType::kFloat32, count, encoded.data());
    std::vector<float> y(count);
    ASSERT_TRUE(codec.Decode(encoded, DataType::kFloat32, count, y.data()).ok());
    const Bytes dense = RandomElements(count);
    const Term terms[] = {{&codec, encoded}, {nullptr, dense}, {&codec, encoded}};
    Bytes output(dense.size());
    const Status status = Reduce({.terms = terms,
                                  .dtype = dtype_,
                                  .reduction = op_,
                                  .divisor = 7,
                                  .count = count,
                                  .dense = output.data()});
    const bool sum = op_ == Reduction::kSum || op_ == Reduction::kAvg;
    if (!IsFloating(dtype_) || !sum) {
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(status.ok()) << status.message();
    std::vector<double> sums(count);
    for (size_t i = 0; i < count; ++i) {
      Element want = Apply(dtype_, op_, {y[i], 0}, Load(dtype_, dense, i));
      want = Apply(dtype_, op_, want, {y[i], 0});
      if (op_ == Reduction::kAvg) want = Average(dtype_, want, 7);
      sums[i] = want.real;
      ExpectResult(want, output, i);
    }
    // Encoded output is the encoding of the wide sums, not of their rounding to the type.
    Bytes result(encoded.size()), want_bytes(encoded.size());
    ASSERT_TRUE(Reduce({.terms = terms,
                        .dtype = dtype_,
                        .reduction = op_,
                        .divisor = 7,
                        .count = count,
                        .encoder = &codec,
                        .encoded = result.data()})
                    .ok());
    std::vector<float> floats(count), got(count), want(count);
    for (size_t i = 0; i < count; ++i) floats[i] = static_cast<float>(sums[i]);
    codec.Encode(floats.data(), DataType::kFloat32, count, want_bytes.data());
    ASSERT_TRUE(codec.Decode(want_bytes, DataType::kFloat32, count, want.data()).ok());
    ASSERT_TRUE(codec.Decode(result, DataType::kFloat32, count, got.data()).ok());
    for (size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i]))) << i;
    }
  }
}

TEST_P(ReduceTest, PackedExactTermsAreTheirElements) {
  const Codec& codec = *FindCodec("x3").value();
  for (const size_t count : {size_t{300}, size_t{2 * 4096 + 55}}) {
    std::vector<Bytes> dense, encoded;
    for (int t = 0; t < 3; ++t) {
      // Narrow and wide ranges of exponents in turn, so that chunks are packed, escaped and raw.
      dense.push_back(RandomElements(count));
      if (t != 1) {
        for (size_t i = SizeOf(dtype_) - 1; i < dense.back().size(); i += SizeOf(dtype_)) {
          dense.back()[i] = (dense.back()[i] & std::byte{0x80}) | std::byte{0x3f};
        }
      }
      encoded.emplace_back(codec.EncodedBytes(count, dtype_));
      if (!codec.Supports(dtype_)) continue;
      codec.Encode(dense.back().data(), dtype_, count, encoded.back().data());
      encoded.back().resize(codec.UsedBytes(encoded.back().data(), count, dtype_));
    }
    const Term terms[] = {{&codec, encoded[0]}, {nullptr, dense[1]}, {&codec, encoded[2]}};
    Bytes output(dense[0].size());
    ReducePass pass = {.terms = terms,
                       .dtype = dtype_,
                       .reduction = op_,
                       .divisor = 3,
                       .count = count,
                       .dense = output.data()};
    const Status status = Reduce(pass);
    if (!codec.Supports(dtype_)) {
      EXPECT_EQ(status.code(), Code::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < count; ++i) {
      Element want = Load(dtype_, dense[0], i);
      for (size_t t = 1; t < 3; ++t) want = Apply(dtype_, op_, want, Load(dtype_, dense[t], i));
      if (op_ == Reduction::kAvg) want = Average(dtype_, want, 3);
      ExpectResult(want, output, i);
    }
    // Encoded, the result is the dense one, bit for bit.
    Bytes result(codec.EncodedBytes(count, dtype_)), decoded(output.size());
    pass.dense = nullptr;
    pass.encoder = &codec;
    pass.encoded = result.data();
    ASSERT_TRUE(Reduce(pass).ok());
    result.resize(codec.UsedBytes(result.data(), count, dtype_));
    ASSERT_TRUE(codec.Decode(result, dtype_, count, decoded.data()).ok());
    EXPECT_TRUE(decoded == output);
    // A byte less is an error, and so is a byte more.
    for (const size_t size : {encoded[2].size() - 1, encoded[2].size() + 1}) {
      Bytes wrong = encoded[2];
      wrong.resize(size);
      const Term bad[] = {{nullptr, dense[1]}, {&codec, wrong}};
      pass.terms = bad;
      result.resize(codec.EncodedBytes(count, dtype_));
      pass.encoded = result.data();
      EXPECT_EQ(Reduce(pass).code(), Code::kRemote);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ReduceTest,
                         testing::Combine(testing::Range(0, kDataTypes),
                                          testing::Range(0, kReductions)),
                         [](const auto& tested) {
                           const int dtype = std::get<0>(tested.param);
                           const int op = std::get<1>(tested.param);
                           return std::string(NameOf(static_cast<DataType>(dtype))) + "_" +
                                  std::string(NameOf(static_cast<Reduction>(op)));
                         });

// Many terms of one codec are decoded and added together; the bits are those of one after another.
TEST(ReduceEncodedTest, TermsEncodedAlikeAreAddedInTurn) {
  const size_t count = 2 * 4096 + 555;
  for (const std::string_view name : CodecSpecs()) {
    const Codec& codec = *FindCodec(std::string(name)).value();
    if (codec.exact()) continue;
    std::vector<Bytes> encoded;
    std::vector<Term> terms;
    std::vector<float> want(count), y(count), got(count);
    for (size_t t = 0; t < 20; ++t) {
      // Every fifth term holds special values.
      const auto inputs = test::AllInputs(count);
      const auto& x = t % 5 == 4 ? inputs[10].second : inputs[2 + 2 * (t % 2)].second;
      encoded.emplace_back(codec.EncodedBytes(count, DataType::kFloat32));
      codec.Encode(x.data(), DataType::kFloat32, count, encoded.back().data());
    }
    for (size_t n = 1; n <= encoded.size(); ++n) {
      ASSERT_TRUE(codec.Decode(encoded[n - 1], DataType::kFloat32, count, y.data()).ok());
      for (size_t i = 0; i < count; ++i) want[i] = n == 1 ? y[i] : want[i] + y[i];
      terms.push_back({&codec, encoded[n - 1]});
      ASSERT_TRUE(Reduce({.terms = terms, .count = count, .dense = got.data()}).ok());
      for (size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(want[i]) ||
                    (std::isnan(got[i]) && std::isnan(want[i])))
            << name << " " << n << " terms, element " << i;
      }
    }
  }
}

TEST(ReduceEncodedTest, OutputsLargerThanTheCachesAreTheSame) {
  const size_t count = (size_t{1} << 20) + 45;
  const auto x = test::FiniteInputs(count)[2].second;
  const Codec& codec = *FindCodec("q8").value();
  Bytes encoded(codec.EncodedBytes(count, DataType::kFloat32)), result(encoded.size());
  codec.Encode(x.data(), DataType::kFloat32, count, encoded.data());
  std::vector<float> sums(count);
  ASSERT_TRUE(codec.Decode(encoded, DataType::kFloat32, count, sums.data()).ok());
  for (float& sum : sums) sum += sum;
  const Term terms[] = {{&codec, encoded}, {&codec, encoded}};
  ASSERT_TRUE(
      Reduce({.terms = terms, .count = count, .encoder = &codec, .encoded = result.data()}).ok());
  codec.Encode(sums.data(), DataType::kFloat32, count, encoded.data());
  EXPECT_TRUE(result == encoded);
}

TEST(ReduceErrorTest, WrongSizesAndMissingOutputsAreErrors) {
  std::vector<float> x(10);
  const Bytes bytes(40), few(39);
  const Term good[] = {{nullptr, bytes}};
  const Term bad[] = {{nullptr, bytes}, {nullptr, few}};
  EXPECT_EQ(Reduce({.terms = bad, .count = 10, .dense = x.data()}).code(), Code::kRemote);
  EXPECT_EQ(Reduce({.terms = good, .count = 10}).code(), Code::kInternal);
  EXPECT_EQ(Reduce({.terms = {}, .count = 10, .dense = x.data()}).code(), Code::kInternal);
  EXPECT_EQ(Reduce({.terms = good, .divisor = 0, .count = 10, .dense = x.data()}).code(),
            Code::kInternal);
}

TEST(ReduceErrorTest, CorruptTermsAreErrorsNotResults) {
  const Codec& codec = *FindCodec("q8").value();
  const Bytes zeros(codec.EncodedBytes(100, DataType::kFloat32));  // scale 0 is no scale
  const Term terms[] = {{&codec, zeros}};
  std::vector<float> y(100);
  EXPECT_EQ(Reduce({.terms = terms, .count = 100, .dense = y.data()}).code(), Code::kRemote);
}

TEST(MeasureErrorTest, SumsTheSquaresOfAllPieces) {
  const Codec& codec = *FindCodec("q8").value();
  const auto x = test::FiniteInputs(9001)[2].second;
  Bytes encoded(codec.EncodedBytes(x.size(), DataType::kFloat32));
  codec.Encode(x.data(), DataType::kFloat32, x.size(), encoded.data());
  std::vector<float> y(x.size());
  ASSERT_TRUE(codec.Decode(encoded, DataType::kFloat32, x.size(), y.data()).ok());
  double error = 0, energy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    energy += std::pow(static_cast<double>(x[i]), 2);
  }
  auto measured = MeasureError(codec, x.data(), DataType::kFloat32, x.size(), encoded);
  ASSERT_TRUE(measured.ok());
  EXPECT_DOUBLE_EQ(measured->error, error);
  EXPECT_DOUBLE_EQ(measured->energy, energy);
  EXPECT_NEAR(error / energy, 3.25e-5, 0.25e-5);  // Gaussian input, docs/codecs.md
  EXPECT_FALSE(MeasureError(codec, x.data(), DataType::kInt32, x.size(), encoded).ok());
  EXPECT_FALSE(MeasureError(codec, x.data(), DataType::kFloat32, 3, encoded).ok());
}

}  // namespace
}  // namespace thinwire
