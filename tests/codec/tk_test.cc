// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "codec/float_codec.h"
#include "codec/inputs.h"
#include "codec/simd.h"
#include "codec/tk_math.h"

namespace thinwire {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::byte>;
using test::Floats;
constexpr auto kFloat = DataType::kFloat32;

const Codec& Find(const std::string& spec) { return *FindCodec(spec).value(); }

Bytes Encode(const Codec& codec, const Floats& x) {
  Bytes bytes(codec.EncodedBytes(x.size(), kFloat), std::byte{0xa5});
  codec.Encode(x.data(), kFloat, x.size(), bytes.data());
  return bytes;
}
Floats RoundTrip(const Codec& codec, const Floats& x) {
  Floats y(x.size());
  EXPECT_TRUE(codec.Decode(Encode(codec, x), kFloat, x.size(), y.data()).ok());
  return y;
}

// ---- Specs and sizes ----

TEST(TkTest, SizesAreThoseOfTheLayout) {
  const std::pair<const char*, size_t> cases[] = {
      {"tk", 96},          {"tk(41)", 96},         {"tk(1%,q8)", 112},     {"tk(1%,bf16)", 144},
      {"tk(1%,raw)", 240}, {"tk(1)", 16},          {"tk(2)", 16},          {"tk(1,raw)", 16},
      {"tk(7,q4)", 32},    {"tk(10%,q8)", 1040},   {"tk(25%,q8)", 2576},   {"tk(0.1%,q4)", 16},
      {"tk(3%,q4)", 256},  {"tk(12.5%,q4)", 1040}, {"tk(0.025%,raw)", 16}, {"tk(50%,bf16)", 7168},
  };
  for (const auto& [spec, bytes] : cases) {
    EXPECT_EQ(Find(spec).EncodedBytes(4096, kFloat), bytes) << spec;
    EXPECT_EQ(Find(spec).EncodedBytes(8192, kFloat), 2 * bytes) << spec;
  }
  // A short chunk keeps its share, rounded up.
  const Codec& tk = Find("tk");
  EXPECT_EQ(tk.kept(1), 1u);
  EXPECT_EQ(tk.kept(99), 1u);
  EXPECT_EQ(tk.kept(100), 2u);
  EXPECT_EQ(tk.kept(2048), 21u);
  EXPECT_EQ(tk.kept(4096 + 100), 43u);
  EXPECT_EQ(tk.EncodedBytes(1, kFloat), 16u);
  EXPECT_EQ(tk.EncodedBytes(4096 + 2048, kFloat), 96u + 48);
}

TEST(TkTest, SpecsHaveACanonicalForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"tk", "tk(1%,q4)"},
      {"tk(1%)", "tk(1%,q4)"},
      {"tk(41)", "tk(41,q4)"},
      {"tk( 2.50 % , bf16 )", "tk(2.5%,bf16)"},
      {"tk(1%,q4,q8)", "tk(1%,q4,q8)"},
      {"tk(1%,q4,tk(5%))+ef", "tk(1%,q4,tk(5%,q4))+ef"},
      {"tk+ef(bf16)", "tk(1%,q4)+ef(bf16)"},
      {"delta(tk)", "delta(tk(1%,q4))"},
  };
  for (const auto& [text, canonical] : cases) {
    EXPECT_EQ(Find(text).spec(), canonical);
    EXPECT_EQ(FindCodec(canonical).value(), FindCodec(text).value());
  }
}

TEST(TkTest, SpecsThatMakeNoSenseAreRefusedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"tk(0)", "send nothing of 0 (position 4)"},
      {"tk(0%)", "send nothing of 0% (position 4)"},
      {"tk(101%)", "can't keep 101%"},
      {"tk(4097)", "4097 are more"},
      {"tk(1.5)", "write 2 or 1.5%"},
      {"tk(q4)", "takes first how many"},
      {"tk(1%,3)", "q4, q8, bf16 or raw (position 7)"},
      {"tk(1%,q2)", "q4, q8, bf16 or raw"},
      {"tk(1%,q8(1))", "q4, q8, bf16 or raw"},
      {"tk(1%,q8+ef)", "q4, q8, bf16 or raw"},
      {"tk(1%,q4,3)", "not a number"},
      {"tk(1%,q4,nothing)", "no codec 'nothing'"},
      {"tk(1%,q4,q8+ef)", "state belongs outside"},
      {"tk(1%,q4,delta(q8))", "state belongs outside"},
      {"tk(1%,q4,q8,q8)", "at most 3 arguments"},
      {"tk(100%)", "saves nothing with 4096 of 4096 elements in q4"},
      {"tk(1100)", "'q4' sends all elements in 2192"},
      {"tk(1700,q8)", "use 'q8' or keep fewer"},
      {"tk(3000,raw)", "saves nothing"},
      {"tk+sr", "no modifier '+sr'"},
  };
  for (const auto& [spec, reason] : cases) {
    const auto codec = FindCodec(spec);
    ASSERT_FALSE(codec.ok()) << spec;
    EXPECT_EQ(codec.status().code(), Code::kInvalidArgument);
    EXPECT_THAT(codec.status().message(), HasSubstr(reason)) << spec;
  }
  EXPECT_TRUE(FindCodec("tk(2900,raw)").ok());
}

TEST(TkTest, SumsAreCarriedByTheThirdArgument) {
  const Codec& tk = Find("tk(1%,q4,q8)");
  EXPECT_EQ(&tk.ForSums(1), &tk);
  EXPECT_EQ(&tk.ForSums(2), &Find("q8"));
  EXPECT_EQ(&Find("tk").ForSums(8), &Find("tk"));
  EXPECT_EQ(Find("tk(1%,q4,q8)+ef").ForSums(2).spec(), "q8+ef");
  EXPECT_EQ(&Find("tk(1%,q4,raw)+ef").ForSums(2), &RawCodec());
}

// ---- Which elements ----

// By the definition: sorted by key, then index.
std::vector<size_t> ReferenceChoice(const float* x, size_t count, size_t k) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto key = [&](size_t i) { return tk::KeyOfBits(std::bit_cast<uint32_t>(x[i])); };
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return key(a) > key(b); });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

// With raw values and few zeros, what was chosen can be read from the bytes.
std::vector<size_t> ChosenIn(const std::byte* chunk, size_t k) {
  std::vector<size_t> indices;
  for (size_t j = 0; j < k; ++j) {
    const auto* at = reinterpret_cast<const uint8_t*>(chunk) + j / 2 * 3;
    indices.push_back(j % 2 == 0 ? at[0] | (at[1] & 0xfu) << 8 : at[1] >> 4u | at[2] << 4u);
  }
  return indices;
}

void ExpectReferenceChoice(const Codec& codec, const Floats& x, const std::string& what) {
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    const Bytes bytes = Encode(codec, x);
    const std::byte* chunk = bytes.data();
    for (size_t from = 0; from < x.size(); from += 4096) {
      const size_t count = std::min<size_t>(4096, x.size() - from);
      const size_t k = codec.kept(count);
      ASSERT_EQ(ChosenIn(chunk, k), ReferenceChoice(x.data() + from, count, k))
          << what << " from " << from << " on " << loops->name << " " << codec.spec();
      chunk += codec.EncodedBytes(count, kFloat);
    }
  }
  ForceSimd(nullptr);
}

TEST(TkTest, TheLargestAreChosenAndOfEqualsTheFirst) {
  for (const char* spec : {"tk(1,raw)", "tk(41,raw)", "tk(127,raw)", "tk(128,raw)", "tk(129,raw)",
                           "tk(1000,raw)", "tk(2900,raw)"}) {
    for (const size_t count : {1, 63, 64, 65, 4095, 3 * 4096 + 700}) {
      for (const auto& [name, x] : test::AllInputs(count)) {
        ExpectReferenceChoice(Find(spec), x, name);
      }
    }
  }
}

TEST(TkTest, ChoosesWellWhereScalesJumpBetweenChunks) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<Floats> kinds;
  for (const float scale : {1.0f, 1.1f, 0.9f, 1e-20f, 1e20f, 0.0f}) {
    kinds.push_back(test::Generate(4096, [&] { return scale * normal(random); }));
  }
  kinds.push_back(Floats(4096, 2.5f));
  kinds.push_back(Floats(4096, NAN));
  kinds.push_back(Floats(4096, -INFINITY));
  Floats few(4096), many(4096, INFINITY), halves = kinds[0];
  for (size_t i = 0; i < 20; ++i) few[200 * i] = 1e-40f;
  std::fill(halves.begin(), halves.begin() + 2048, 1e5f);  // half of all are equal and largest
  for (size_t i = 0; i < 4096; i += 31) many[i] = i % 2 == 0 ? -NAN : NAN;
  kinds.insert(kinds.end(), {few, many, halves});
  Floats column(4096, 1e-3f);  // the large ones share few groups
  for (size_t i = 0; i < 4096; i += 256) {
    for (size_t j = 0; j < 30; ++j) column[i + j] = static_cast<float>(i + j);
  }
  kinds.push_back(column);
  Floats run;
  for (int chunk = 0; chunk < 120; ++chunk) {
    const Floats& kind = kinds[random() % kinds.size()];
    run.insert(run.end(), kind.begin(), kind.end());
  }
  ExpectReferenceChoice(Find("tk(41,raw)"), run, "jumps");
  ExpectReferenceChoice(Find("tk(500,raw)"), run, "jumps");
}

TEST(TkTest, TheHintNeverChangesAByte) {
  std::mt19937 random(4);
  for (const char* spec : {"tk", "tk(10%,q8)"}) {
    const FloatCodec& codec = *Find(spec).AsFloatCodec();
    for (const size_t count : {4096, 1000}) {
      for (const auto& [name, x] : test::AllInputs(count)) {
        const Bytes want = Encode(codec, x);
        Bytes got(want.size());
        codec.EncodePiece(x.data(), count, {}, got.data());
        EXPECT_TRUE(got == want) << name << " without a hint";
        for (int round = 0; round < 50; ++round) {
          const auto anything = static_cast<uint32_t>(random());
          const uint32_t edges[] = {1, 0x7f800001u, 0x7f800002u, 0xffffffffu, anything >> 1};
          uint32_t hint = round < 4 ? edges[round] : edges[4];
          FloatCodec::PieceOptions options;
          options.hint = &hint;
          codec.EncodePiece(x.data(), count, options, got.data());
          ASSERT_TRUE(got == want) << name << " round " << round;
        }
      }
    }
  }
}

TEST(TkTest, EveryBfloat16IsSentTheSameOnEveryInstructionSet) {
  for (const char* spec : {"tk(1,q4)", "tk(1,q8)", "tk(1,bf16)", "tk(1,raw)"}) {
    const Codec& codec = Find(spec);
    Bytes plain;
    for (const SimdLoops* loops : SimdAvailable()) {
      ForceSimd(loops);
      Bytes all(65536 * 16);
      for (uint32_t i = 0; i < 65536; ++i) {
        const auto x = std::bit_cast<float>(i << 16);
        codec.Encode(&x, kFloat, 1, all.data() + i * 16);
      }
      ForceSimd(nullptr);
      if (plain.empty()) plain = all;
      EXPECT_TRUE(all == plain) << spec << " " << loops->name;
    }
  }
}

// ---- Values ----

TEST(TkTest, WhatIsSentErrsByHalfAStepAtMost) {
  const std::tuple<const char*, double, double> cases[] = {{"tk(5%,q4)", 0.0726, 0},
                                                           {"tk(5%,q8)", 0.00397, 0},
                                                           {"tk(5%,bf16)", 0, 0x1p-8},
                                                           {"tk(5%,raw)", 0, 0}};
  for (const auto& [spec, of_largest, relative] : cases) {
    const Codec& codec = Find(spec);
    for (const auto& [name, x] : test::FiniteInputs(4096)) {
      const Floats y = RoundTrip(codec, x);
      double largest = 0;
      for (const float value : x) largest = std::max(largest, std::fabs(double{value}));
      if (largest >= 0x1p127) continue;  // guarded, or may round to Inf
      for (const size_t i : ReferenceChoice(x.data(), 4096, codec.kept(4096))) {
        const double error = std::fabs(double{x[i]} - double{y[i]});
        ASSERT_LE(error, of_largest * largest + relative * std::fabs(double{x[i]}) + 0x1p-127)
            << spec << " " << name << " " << i;
      }
    }
  }
}

TEST(TkTest, NoMoreThanIsKeptArrives) {
  const Floats x = test::FiniteInputs(9000)[2].second;
  for (const std::string_view spec : CodecSpecs()) {
    if (spec.rfind("tk", 0) != 0) continue;
    const Codec& codec = Find(std::string(spec));
    const Floats y = RoundTrip(codec, x);
    const auto arrived =
        static_cast<size_t>(std::ranges::count_if(y, [](float value) { return value != 0; }));
    EXPECT_LE(arrived, codec.kept(x.size())) << spec;
    EXPECT_GE(arrived, codec.kept(x.size()) * 9 / 10) << spec;
  }
}

// The proof stands at Tk::contractive().
TEST(TkTest, TheErrorIsSmallerThanTheInput) {
  for (const char* spec : {"tk(1,q4)", "tk", "tk(20%,q4)", "tk(1%,q8)", "tk(1%,bf16)"}) {
    const Codec& codec = Find(spec);
    for (const auto& [name, x] : test::FiniteInputs(4096)) {
      const Floats y = RoundTrip(codec, x);
      double error = 0, energy = 0, largest = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        largest = std::max(largest, std::fabs(double{x[i]}));
        error += std::pow(double{x[i]} - double{y[i]}, 2);
        energy += std::pow(double{x[i]}, 2);
      }
      if (largest > 3.38e38) continue;  // may round to Inf
      EXPECT_LE(error, energy * (largest < 0x1p-127 ? 1 : 1 - 0.98 / 4096)) << spec << " " << name;
    }
  }
}

TEST(TkTest, SpecialValuesGoFirst) {
  Floats x = test::FiniteInputs(4096)[2].second;
  for (size_t i = 0; i < 30; ++i) x[i * 100] = i % 3 == 0 ? INFINITY : i % 3 == 1 ? -INFINITY : NAN;
  for (const char* spec : {"tk(41,q4)", "tk(41,q8)", "tk(41,bf16)", "tk(41,raw)"}) {
    const Floats y = RoundTrip(Find(spec), x);
    for (size_t i = 0; i < 30; ++i) {
      if (i % 3 == 2) {
        EXPECT_TRUE(std::isnan(y[i * 100])) << spec;
      } else {
        EXPECT_EQ(y[i * 100], x[i * 100]) << spec;
      }
    }
    EXPECT_EQ(std::ranges::count_if(y, [](float v) { return std::isfinite(v) && v != 0; }), 11);
  }
  // More than there is room for: NaNs, then the first of the Infs.
  const Floats crowded = RoundTrip(Find("tk(15,q4)"), x);
  for (size_t i = 0; i < 30; ++i) {
    const float y = crowded[i * 100];
    EXPECT_TRUE(i % 3 == 2 ? std::isnan(y) : i < 7 ? y == x[i * 100] : y == 0) << i;
  }
}

TEST(TkTest, TheLargestNumbersStayFinite) {
  const float largest = std::numeric_limits<float>::max();
  const Floats x = {largest, -largest, largest / 2, 1e38f};
  for (const char* spec : {"tk(1000,q4)", "tk(1600,q8)"}) {
    for (const float y : RoundTrip(Find(spec), x)) EXPECT_TRUE(std::isfinite(y));
  }
  EXPECT_NEAR(RoundTrip(Find("tk(1,q8)"), x)[0] / largest, 1, 0.004);
}

TEST(TkTest, ZerosThatAreSentKeepTheirSignWhereTheFormatHasOne) {
  const Floats zeros(100, -0.0f);
  for (const char* spec : {"tk(2900,raw)", "tk(50%,bf16)", "tk(1000,q4)"}) {
    const Codec& codec = Find(spec);
    const Floats y = RoundTrip(codec, zeros);
    for (size_t i = 0; i < y.size(); ++i) {
      const bool sign = codec.block() == 1 && i < codec.kept(y.size());
      EXPECT_EQ(std::bit_cast<uint32_t>(y[i]), sign ? 0x80000000u : 0u) << spec << " " << i;
    }
  }
}

TEST(TkTest, AddingTouchesOnlyWhatWasSent) {
  const uint32_t untouched[] = {0x80000000u, 0x7f800001u, 0xffc01234u};  // -0, NaNs
  const Floats x = test::FiniteInputs(5000)[2].second;
  const Codec& codec = Find("tk");
  const Floats y = RoundTrip(codec, x);
  Floats sums(x.size());
  for (size_t i = 0; i < sums.size(); ++i) sums[i] = std::bit_cast<float>(untouched[i % 3]);
  ASSERT_TRUE(codec.DecodeAdd(Encode(codec, x), kFloat, x.size(), sums.data()).ok());
  for (size_t i = 0; i < sums.size(); ++i) {
    if (y[i] == 0) {
      ASSERT_EQ(std::bit_cast<uint32_t>(sums[i]), untouched[i % 3]) << i;
    }
  }
}

// ---- Hostile bytes ----

TEST(TkTest, BytesThatNoEncoderWritesAreErrorsAndTouchNothing) {
  const Codec& codec = Find("tk(2,q8)");  // of 4096: 2 bytes step, 3 indices, 2 codes
  Floats x(4096);
  x[5] = 127;
  x[4095] = -127;
  const Bytes good = Encode(codec, x);
  const auto expect_error = [&](const std::string& hex, size_t count) {
    Bytes bad = good;
    for (size_t i = 0; i < hex.size() / 2; ++i) {
      bad[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
    }
    Floats sums(count, 3.0f);
    EXPECT_EQ(codec.Decode(bad, kFloat, count, sums.data()).code(), Code::kRemote) << hex;
    EXPECT_EQ(codec.DecodeAdd(bad, kFloat, count, sums.data()).code(), Code::kRemote) << hex;
    EXPECT_EQ(sums, Floats(count, 3.0f)) << hex;
  };
  expect_error("7f0001f0ff", 4096);  // the step is too small
  expect_error("000001f0ff", 4096);
  expect_error("807f01f0ff", 4096);  // Inf
  expect_error("ffff01f0ff", 4096);  // NaN, guarded
  expect_error("803f055000", 4096);  // index 5 twice
  expect_error("803f066000", 4096);
  expect_error("803f065000", 4096);  // 6, then 5
  expect_error("803f0150ff", 4085);  // 1, then 4085
  Floats y(4096);
  EXPECT_TRUE(codec.Decode(good, kFloat, 4096, y.data()).ok());
  EXPECT_EQ(y, x);
}

}  // namespace
}  // namespace thinwire
