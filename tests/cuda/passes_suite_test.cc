// SPDX-License-Identifier: Apache-2.0
//
// Every pass on the device gives the bytes that the host gives: for every codec, type, size and
// alignment. Where there is no GPU, on the emulated runtime.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "codec/float_formats.h"
#include "codec/inputs.h"
#include "cuda/device_memory.h"

namespace thinwire::cuda::test {
namespace {

using thinwire::test::AllInputs;
using thinwire::test::FiniteInputs;
using thinwire::test::Floats;
using thinwire::test::TestName;
constexpr auto kFloat = DataType::kFloat32;
constexpr Noise kNoise = {.key = 0x1234567890abcdef, .first = 8192};

// x as elements of a floating type.
Bytes Elements(const Floats& x, DataType dtype) {
  Bytes bytes(x.size() * SizeOf(dtype));
  const auto store = [&](auto value, size_t i) {
    std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
  };
  for (size_t i = 0; i < x.size(); ++i) {
    if (dtype == DataType::kFloat16) store(Narrow<Half>(x[i]), i);
    if (dtype == DataType::kBfloat16) store(Narrow<Bfloat16>(x[i]), i);
    if (dtype == DataType::kFloat8e4m3) store(Narrow<Float8e4m3>(x[i]), i);
    if (dtype == DataType::kFloat8e5m2) store(Narrow<Float8e5m2>(x[i]), i);
    if (dtype == DataType::kFloat32) store(x[i], i);
    if (dtype == DataType::kFloat64) store(static_cast<double>(x[i]), i);
  }
  return bytes;
}

// What is equal up to what a NaN carries, which arithmetic on a GPU does not keep.
bool SameElements(const Bytes& a, const Bytes& b, DataType dtype) {
  if (a == b) return true;
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size() / SizeOf(dtype); ++i) {
    const auto is_nan = [&](const Bytes& bytes) {
      const std::byte* at = bytes.data() + i * SizeOf(dtype);
      double wide = 0;
      float narrow = 0;
      uint16_t half = 0;
      uint8_t quarter = 0;
      switch (dtype) {
        case DataType::kFloat64:
          return std::memcpy(&wide, at, 8), std::isnan(wide);
        case DataType::kFloat32:
          return std::memcpy(&narrow, at, 4), std::isnan(narrow);
        case DataType::kFloat16:
          return std::memcpy(&half, at, 2), std::isnan(Widen<Half>(half));
        case DataType::kBfloat16:
          return std::memcpy(&half, at, 2), std::isnan(Widen<Bfloat16>(half));
        case DataType::kFloat8e4m3:
          return std::memcpy(&quarter, at, 1), std::isnan(Widen<Float8e4m3>(quarter));
        default:
          return std::memcpy(&quarter, at, 1), std::isnan(Widen<Float8e5m2>(quarter));
      }
    };
    const size_t from = i * SizeOf(dtype);
    const bool same = std::memcmp(a.data() + from, b.data() + from, SizeOf(dtype)) == 0;
    if (!same && !(is_nan(a) && is_nan(b))) return false;
  }
  return true;
}

std::vector<std::string_view> SpecsThat(bool (Codec::*are)() const) {
  std::vector<std::string_view> specs;
  for (const std::string_view spec : CodecSpecs()) {
    if ((FindCodec(std::string(spec)).value()->*are)()) specs.push_back(spec);
  }
  return specs;
}

class PassesSuite : public testing::TestWithParam<std::string_view> {
 protected:
  Bytes HostEncode(const Bytes& elements, DataType dtype, size_t count) const {
    Bytes bytes(codec_.EncodedBytes(count, dtype));
    codec_.Encode(elements.data(), dtype, count, bytes.data(), kNoise);
    bytes.resize(codec_.UsedBytes(bytes.data(), count, dtype));
    return bytes;
  }
  // Of what a device wrote where EncodedBytes(count) bytes are free.
  Bytes Used(Bytes bytes, size_t count, DataType dtype) const {
    bytes.resize(codec_.UsedBytes(bytes.data(), count, dtype));
    return bytes;
  }

  const Codec& codec_ = *FindCodec(std::string(GetParam())).value();
  LaunchSite site_;
};
INSTANTIATE_TEST_SUITE_P(Codecs, PassesSuite,
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return TestName(tested.param); });

TEST_P(PassesSuite, EncodesAndDecodesLikeTheHost) {
  for (const size_t count : {1, 33, 1000, 4096, 3 * 4096 + 100}) {
    for (const auto& [name, x] : AllInputs(count)) {
      SCOPED_TRACE(testing::Message() << name << ", " << count << " elements");
      const Bytes want = HostEncode(Elements(x, kFloat), kFloat, count);
      const DeviceMemory source(std::span<const float>(x), 16);
      DeviceMemory encoded(codec_.EncodedBytes(count, kFloat));
      ASSERT_TRUE(LaunchEncode({.codec = &codec_,
                                .source = source.data(),
                                .count = count,
                                .target = encoded.data(),
                                .noise = kNoise},
                               site_.target())
                      .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(Used(encoded.Read(), count, kFloat) == want);

      Floats values(count);
      ASSERT_TRUE(codec_.Decode(want, kFloat, count, values.data()).ok());
      const DeviceMemory bytes{std::span<const std::byte>(want)};
      DeviceMemory decoded(count * sizeof(float));
      ASSERT_TRUE(
          LaunchDecode(
              {.codec = &codec_, .bytes = bytes.bytes(), .count = count, .target = decoded.data()},
              site_.target())
              .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(decoded.Read() == Elements(values, kFloat));
    }
  }
}

TEST_P(PassesSuite, TakesEveryTypeAtEveryElement) {
  const size_t count = 4096 + 333;
  const Floats x = AllInputs(count)[10].second;
  for (int i = 0; i < kDataTypes; ++i) {
    const auto dtype = static_cast<DataType>(i);
    if (!IsFloating(dtype) || !codec_.Supports(dtype)) continue;
    for (const size_t shift : {size_t{0}, SizeOf(dtype), 2 * SizeOf(dtype)}) {
      SCOPED_TRACE(testing::Message() << NameOf(dtype) << ", shifted by " << shift << " bytes");
      const Bytes elements = Elements(x, dtype);
      const Bytes want = HostEncode(elements, dtype, count);
      const DeviceMemory source(std::span<const std::byte>(elements), shift);
      // Bytes of elements stand where elements may.
      const size_t bytes_shift = codec_.block() == 1 ? 8 * shift : shift;
      DeviceMemory encoded(codec_.EncodedBytes(count, dtype), bytes_shift);
      ASSERT_TRUE(LaunchEncode({.codec = &codec_,
                                .source = source.data(),
                                .dtype = dtype,
                                .count = count,
                                .target = encoded.data(),
                                .noise = kNoise},
                               site_.target())
                      .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(Used(encoded.Read(), count, dtype) == want);

      Bytes values(count * SizeOf(dtype));
      ASSERT_TRUE(codec_.Decode(want, dtype, count, values.data()).ok());
      const DeviceMemory bytes(std::span<const std::byte>(want), bytes_shift);
      DeviceMemory decoded(count * SizeOf(dtype), shift);
      ASSERT_TRUE(LaunchDecode({.codec = &codec_,
                                .bytes = bytes.bytes(),
                                .dtype = dtype,
                                .count = count,
                                .target = decoded.data()},
                               site_.target())
                      .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(SameElements(decoded.Read(), values, dtype));
    }
  }
}

TEST_P(PassesSuite, SumsLikeTheHostAndEncodesTheSum) {
  const size_t count = 2 * 4096 + 700;
  const auto inputs = AllInputs(count);
  for (const DataType dtype :
       {kFloat, DataType::kBfloat16, DataType::kFloat64, DataType::kFloat8e5m2}) {
    if (!codec_.Supports(dtype)) continue;
    SCOPED_TRACE(NameOf(dtype));
    Factor factor;
    const Bytes scalar = Elements({-1.5f}, dtype);
    std::memcpy(factor.value.data(), scalar.data(), scalar.size());
    // Coded and dense contributions in turn, of which some are multiplied; more than one launch
    // takes.
    for (const int terms : {1, 4, kMaxTerms + 5}) {
      std::vector<Bytes> contents;
      std::vector<std::unique_ptr<DeviceMemory>> on_device;
      std::vector<Term> host_terms, device_terms;
      contents.reserve(static_cast<size_t>(terms));
      for (int t = 0; t < terms; ++t) {
        const Bytes elements =
            Elements(inputs[t == 2 ? 10 : 2 + 2 * static_cast<size_t>(t % 3)].second, dtype);
        const bool coded = t % 3 != 1;
        contents.push_back(coded ? HostEncode(elements, dtype, count) : elements);
        on_device.push_back(
            std::make_unique<DeviceMemory>(std::span<const std::byte>(contents.back())));
        const Codec* const codec = coded ? &codec_ : nullptr;
        const Factor* const by = coded || t % 2 == 0 ? nullptr : &factor;
        host_terms.push_back({.codec = codec, .bytes = contents.back(), .factor = by});
        device_terms.push_back({.codec = codec, .bytes = on_device.back()->bytes(), .factor = by});
      }
      for (const bool encode : {false, true}) {
        SCOPED_TRACE(testing::Message() << terms << " terms" << (encode ? ", encoded" : ""));
        const Codec& sums = codec_.ForSums(terms);
        Bytes want(encode ? sums.EncodedBytes(count, dtype) : count * SizeOf(dtype));
        DeviceMemory got(want.size());
        ReducePass pass = {.terms = host_terms,
                           .dtype = dtype,
                           .reduction = Reduction::kAvg,
                           .divisor = terms,
                           .count = count,
                           .noise = kNoise};
        if (encode) pass.encoder = &sums;
        (encode ? pass.encoded : *reinterpret_cast<std::byte**>(&pass.dense)) = want.data();
        ASSERT_TRUE(Reduce(pass).ok());
        pass.terms = device_terms;
        (encode ? pass.encoded : *reinterpret_cast<std::byte**>(&pass.dense)) = got.data();
        ASSERT_TRUE(LaunchReduce(pass, site_.target()).ok());
        ASSERT_FALSE(site_.Finish());
        if (encode) {
          want.resize(sums.UsedBytes(want.data(), count, dtype));
          Bytes bytes = got.Read();
          bytes.resize(want.size());
          ASSERT_TRUE(bytes == want);
        } else {
          ASSERT_TRUE(SameElements(got.Read(), want, dtype));
        }
      }
    }
  }
}

// Residuals and references, over three visits; kept in every way.
class StateSuite : public PassesSuite {};
INSTANTIATE_TEST_SUITE_P(Codecs, StateSuite, testing::ValuesIn(SpecsThat(&Codec::contractive)),
                         [](const auto& tested) { return TestName(tested.param); });

TEST_P(StateSuite, AdvancesResidualsLikeTheHost) {
  const size_t count = 4096 + 1000;
  const auto inputs = AllInputs(count);
  for (const char* kept : {"raw", "bf16", "q8"}) {
    const Codec& storage = *FindCodec(kept).value();
    const size_t state_bytes = storage.EncodedBytes(count, kFloat);
    Bytes before(state_bytes), after(state_bytes);
    DeviceMemory on_device(state_bytes);
    for (const size_t visit : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << "kept as " << kept << ", visit " << visit);
      const DataType dtype = visit == 1 ? DataType::kBfloat16 : kFloat;
      const Bytes x = Elements(inputs[visit == 2 ? 10 : 2 + visit].second, dtype);
      Bytes want(codec_.EncodedBytes(count, dtype));
      EncodePass pass = {.codec = &codec_,
                         .source = x.data(),
                         .dtype = dtype,
                         .count = count,
                         .target = want.data(),
                         .noise = kNoise,
                         .state = {Feedback::kResidual, &storage,
                                   visit == 0 ? nullptr : before.data(), after.data()}};
      ASSERT_TRUE(Encode(pass).ok());
      const DeviceMemory source{std::span<const std::byte>(x)};
      DeviceMemory encoded(want.size());
      pass.source = source.data();
      pass.target = encoded.data();
      pass.state.before = visit == 0 ? nullptr : on_device.data();
      pass.state.after = on_device.data();  // in place
      ASSERT_TRUE(LaunchEncode(pass, site_.target()).ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(encoded.Read() == want);
      ASSERT_TRUE(on_device.Read() == after);
      before = after;
    }
  }
}

TEST_P(StateSuite, AdvancesReferencesLikeTheHostAtBothEnds) {
  const size_t count = 4096 + 1000;
  const auto inputs = FiniteInputs(count);
  for (const char* kept : {"raw", "bf16", "q8"}) {
    const Codec& storage = *FindCodec(kept).value();
    const size_t state_bytes = storage.EncodedBytes(count, kFloat);
    Bytes before(state_bytes), after(state_bytes), came(state_bytes);
    DeviceMemory at_sender(state_bytes), at_receiver(state_bytes);
    for (const size_t visit : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << "kept as " << kept << ", visit " << visit);
      const DataType dtype = visit == 1 ? DataType::kFloat64 : kFloat;
      const Codec& codec = visit == 0 ? RawCodec() : codec_;
      const Bytes x = Elements(inputs[2 + visit % 2].second, dtype);
      Bytes bytes(codec.EncodedBytes(count, dtype));
      const std::byte* const old = visit == 0 ? nullptr : before.data();
      EncodePass pass = {.codec = &codec,
                         .source = x.data(),
                         .dtype = dtype,
                         .count = count,
                         .target = bytes.data(),
                         .noise = kNoise,
                         .state = {Feedback::kReference, &storage, old, after.data()}};
      ASSERT_TRUE(Encode(pass).ok());
      Bytes want(count * SizeOf(dtype));
      ASSERT_TRUE(Decode({.codec = &codec,
                          .bytes = bytes,
                          .dtype = dtype,
                          .count = count,
                          .target = want.data(),
                          .state = {Feedback::kReference, &storage, old, came.data()},
                          .divisor = 3})
                      .ok());

      const DeviceMemory source{std::span<const std::byte>(x)};
      DeviceMemory encoded(bytes.size());
      pass.source = source.data();
      pass.target = encoded.data();
      pass.state.before = visit == 0 ? nullptr : at_sender.data();
      pass.state.after = at_sender.data();
      ASSERT_TRUE(LaunchEncode(pass, site_.target()).ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(encoded.Read() == bytes);
      ASSERT_TRUE(at_sender.Read() == after);

      DeviceMemory decoded(want.size());
      ASSERT_TRUE(
          LaunchDecode({.codec = &codec,
                        .bytes = encoded.bytes(),
                        .dtype = dtype,
                        .count = count,
                        .target = decoded.data(),
                        .state = {Feedback::kReference, &storage,
                                  visit == 0 ? nullptr : at_receiver.data(), at_receiver.data()},
                        .divisor = 3},
                       site_.target())
              .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(SameElements(decoded.Read(), want, dtype));
      ASSERT_TRUE(at_receiver.Read() == came);
      ASSERT_TRUE(came == after);
      before = after;
    }
  }
}

TEST_P(StateSuite, SumsReferencesAndAdvancesItsOwn) {
  const size_t count = 2 * 4096 + 50;
  const auto inputs = FiniteInputs(count);
  const Codec& storage = *FindCodec("bf16").value();
  const size_t state_bytes = storage.EncodedBytes(count, kFloat);
  const Bytes coded = HostEncode(Elements(inputs[2].second, kFloat), kFloat, count);
  Bytes reference(state_bytes);
  storage.Encode(inputs[4].second.data(), kFloat, count, reference.data());
  Bytes advanced(state_bytes), residual(count * sizeof(float)), want(coded.size());
  const Term host_terms[] = {
      {.codec = &codec_,
       .bytes = coded,
       .state = {Feedback::kReference, &storage, reference.data(), advanced.data()}},
      {.codec = nullptr,
       .bytes = {},
       .state = {Feedback::kReference, &storage, reference.data(), nullptr}},
      {.codec = &codec_, .bytes = coded}};
  ReducePass pass = {.terms = host_terms, .count = count, .noise = kNoise};
  pass.encoder = &codec_;
  pass.encoded = want.data();
  pass.state = {Feedback::kResidual, &RawCodec(), nullptr, residual.data()};
  ASSERT_TRUE(Reduce(pass).ok());

  const DeviceMemory bytes{std::span<const std::byte>(coded)};
  const DeviceMemory before{std::span<const std::byte>(reference)};
  DeviceMemory after(state_bytes), got(want.size()), got_residual(residual.size());
  const Term terms[] = {{.codec = &codec_,
                         .bytes = bytes.bytes(),
                         .state = {Feedback::kReference, &storage, before.data(), after.data()}},
                        {.codec = nullptr,
                         .bytes = {},
                         .state = {Feedback::kReference, &storage, before.data(), nullptr}},
                        {.codec = &codec_, .bytes = bytes.bytes()}};
  pass.terms = terms;
  pass.encoded = got.data();
  pass.state.after = got_residual.data();
  ASSERT_TRUE(LaunchReduce(pass, site_.target()).ok());
  ASSERT_FALSE(site_.Finish());
  EXPECT_TRUE(got.Read() == want);
  EXPECT_TRUE(after.Read() == advanced);
  EXPECT_TRUE(got_residual.Read() == residual);
}

// ---- Agreed steps ----

class StepsSuite : public PassesSuite {};
INSTANTIATE_TEST_SUITE_P(Codecs, StepsSuite, testing::ValuesIn(SpecsThat(&Codec::sums_exactly)),
                         [](const auto& tested) { return TestName(tested.param); });

TEST_P(StepsSuite, MeasuresStepsLikeTheHost) {
  for (const size_t count : {1, 256, 257, 1000, 3 * 4096 + 100}) {
    for (const auto& [name, x] : AllInputs(count)) {
      for (const DataType dtype : {kFloat, DataType::kBfloat16, DataType::kFloat16,
                                   DataType::kFloat64, DataType::kFloat8e4m3}) {
        SCOPED_TRACE(testing::Message() << name << ", " << count << " of " << NameOf(dtype));
        const Bytes elements = Elements(x, dtype);
        std::vector<uint16_t> want((count + kStepElements - 1) / kStepElements);
        codec_.MeasureSteps(elements.data(), dtype, count, want.data());
        const DeviceMemory source(std::span<const std::byte>(elements), SizeOf(dtype));
        const DeviceMemory steps(want.size() * sizeof(uint16_t));
        ASSERT_TRUE(LaunchMeasureSteps(codec_, source.data(), dtype, count,
                                       reinterpret_cast<uint16_t*>(steps.data()), site_.target())
                        .ok());
        ASSERT_FALSE(site_.Finish());
        const auto bytes = std::as_bytes(std::span(want));
        ASSERT_TRUE(steps.Read() == Bytes(bytes.begin(), bytes.end()));
      }
    }
  }
}

TEST_P(StepsSuite, EncodesOnAgreedStepsLikeTheHost) {
  const size_t count = 3 * 4096 + 300;
  const auto inputs = AllInputs(count);
  // Larger ones than needed, smaller ones, those of NaN, and bits that are no step.
  std::vector<uint16_t> agreed((count + kStepElements - 1) / kStepElements);
  codec_.MeasureSteps(inputs[2].second.data(), kFloat, count, agreed.data());
  agreed[3] = 0x7fc0;
  agreed[7] = 0xffff;
  agreed[12] = 0;
  const DeviceMemory steps{std::span<const uint16_t>(agreed)};
  for (const int ranks : {1, 2, 3, 300, kMaxExactRanks}) {
    const Codec& codec = codec_.ForSums(ranks);
    for (const auto& [name, x] : inputs) {
      SCOPED_TRACE(testing::Message() << name << ", of " << ranks);
      Bytes want(codec.EncodedBytes(count, kFloat));
      EncodePass pass = {.codec = &codec,
                         .source = x.data(),
                         .count = count,
                         .target = want.data(),
                         .steps = agreed.data()};
      ASSERT_TRUE(Encode(pass).ok());
      const DeviceMemory source{std::span<const float>(x)};
      const DeviceMemory encoded(want.size());
      pass.source = source.data();
      pass.target = encoded.data();
      pass.steps = reinterpret_cast<const uint16_t*>(steps.data());
      ASSERT_TRUE(LaunchEncode(pass, site_.target()).ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(encoded.Read() == want);

      Floats values(count);
      ASSERT_TRUE(codec.Decode(want, kFloat, count, values.data()).ok());
      const DeviceMemory decoded(count * sizeof(float));
      ASSERT_TRUE(
          LaunchDecode(
              {.codec = &codec, .bytes = encoded.bytes(), .count = count, .target = decoded.data()},
              site_.target())
              .ok());
      ASSERT_FALSE(site_.Finish());
      ASSERT_TRUE(decoded.Read() == Elements(values, kFloat));
    }
  }
}

// ---- Elements without a codec ----

class ReductionSuite : public testing::TestWithParam<DataType> {};
INSTANTIATE_TEST_SUITE_P(Types, ReductionSuite, testing::ValuesIn([] {
                           std::vector<DataType> types;
                           for (int i = 0; i < kDataTypes; ++i) {
                             types.push_back(static_cast<DataType>(i));
                           }
                           return types;
                         }()),
                         [](const auto& tested) { return std::string(NameOf(tested.param)); });

TEST_P(ReductionSuite, ReducesLikeTheHost) {
  const DataType dtype = GetParam();
  const size_t count = 5000;
  LaunchSite site;
  for (int op = 0; op < kReductions; ++op) {
    for (const size_t terms : {size_t{1}, size_t{3}, size_t{kMaxTerms} + 2}) {
      SCOPED_TRACE(testing::Message() << NameOf(static_cast<Reduction>(op)) << " of " << terms);
      std::mt19937 random(5);
      std::vector<Bytes> contents(terms);
      std::vector<std::unique_ptr<DeviceMemory>> on_device;
      std::vector<Term> host_terms, device_terms;
      for (Bytes& content : contents) {
        content.resize(count * SizeOf(dtype));
        for (std::byte& byte : content) byte = static_cast<std::byte>(random());
        on_device.push_back(std::make_unique<DeviceMemory>(std::span<const std::byte>(content)));
        host_terms.push_back({.codec = nullptr, .bytes = content});
        device_terms.push_back({.codec = nullptr, .bytes = on_device.back()->bytes()});
      }
      // The first is multiplied by a value, the last by what stands in memory of the device.
      Factor by_value, on_host, in_memory;
      std::memcpy(by_value.value.data(), contents.back().data(), SizeOf(dtype));
      on_host.at = contents.front().data();
      in_memory.at = on_device.front()->bytes().data();
      if (terms > 1) {
        host_terms.front().factor = device_terms.front().factor = &by_value;
        host_terms.back().factor = &on_host;
        device_terms.back().factor = &in_memory;
      }
      Bytes want(count * SizeOf(dtype));
      DeviceMemory got(want.size());
      ReducePass pass = {.terms = host_terms,
                         .dtype = dtype,
                         .reduction = static_cast<Reduction>(op),
                         .divisor = 3,
                         .count = count,
                         .dense = want.data()};
      ASSERT_TRUE(Reduce(pass).ok());
      pass.terms = device_terms;
      pass.dense = got.data();
      ASSERT_TRUE(LaunchReduce(pass, site.target()).ok());
      ASSERT_FALSE(site.Finish());
      if (IsFloating(dtype)) {
        ASSERT_TRUE(SameElements(got.Read(), want, dtype));
      } else {
        ASSERT_TRUE(got.Read() == want);
      }
    }
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
