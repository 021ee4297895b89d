// SPDX-License-Identifier: Apache-2.0
//
// Inputs the codec tests share: distributions from tame to hostile, all deterministic.

#ifndef THINWIRE_TESTS_CODEC_INPUTS_H_
#define THINWIRE_TESTS_CODEC_INPUTS_H_

#include <bit>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thinwire::test {

using Floats = std::vector<float>;

template <typename Next>
Floats Generate(size_t count, Next next) {
  Floats values(count);
  for (float& x : values) x = next();
  return values;
}

// Named finite inputs of about `count` elements.
inline std::vector<std::pair<std::string, Floats>> FiniteInputs(size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(1.5f);
  std::uniform_int_distribution<int> exponent(-149, 126);
  const auto finite = [&] {
    uint32_t bits = 0;
    do bits = static_cast<uint32_t>(random());
    while ((bits & 0x7f800000u) == 0x7f800000u);
    return std::bit_cast<float>(bits);
  };
  return {
      {"zeros", Floats(count, 0.0f)},
      {"equal", Floats(count, -0.3f)},
      {"normal", Generate(count, [&] { return normal(random); })},
      {"tiny_normal", Generate(count, [&] { return 1e-30f * normal(random); })},
      {"heavy_tail", Generate(count, [&] { return heavy(random); })},
      {"huge_range",
       Generate(count, [&] { return std::ldexp(normal(random) / 8, exponent(random)); })},
      {"subnormal",
       Generate(count, [&] { return std::bit_cast<float>(static_cast<uint32_t>(random()) >> 9); })},
      {"any_finite", Generate(count, finite)},
      {"lattice", Generate(count, [&] { return std::round(normal(random) * 8) / 16; })},
  };
}

// The same and inputs with every kind of special value.
inline std::vector<std::pair<std::string, Floats>> AllInputs(size_t count) {
  auto inputs = FiniteInputs(count);
  std::mt19937 random(8);
  const auto any = [&] { return std::bit_cast<float>(static_cast<uint32_t>(random())); };
  inputs.emplace_back("any_bits", Generate(count, any));
  Floats sparse = inputs[2].second;
  for (size_t i = 0; i < count; i += 97) sparse[i] = i % 2 == 0 ? INFINITY : NAN;
  inputs.emplace_back("sparse_specials", sparse);
  Floats largest(count, 3.4028235e38f);
  for (size_t i = 0; i < count; i += 3) largest[i] = -2e38f;
  inputs.emplace_back("largest", largest);
  return inputs;
}

// A codec spec as the name of a test: letters and digits.
inline std::string TestName(std::string_view spec) {
  std::string name(spec);
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

inline std::vector<uint32_t> Bits(const Floats& values) {
  std::vector<uint32_t> bits(values.size());
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = std::bit_cast<uint32_t>(values[i]);
  return bits;
}

}  // namespace thinwire::test

#endif  // THINWIRE_TESTS_CODEC_INPUTS_H_
