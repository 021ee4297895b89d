// SPDX-License-Identifier: Apache-2.0
#include "pattern.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace thinwire::perf {
namespace {

// Large enough for every test of placement, small enough that no sum of ranks leaves binary32.
constexpr double kLargestInteger = 1 << 20;

// splitmix64 (Steele, Lea, Flood 2014), on the pair.
uint64_t Random(uint64_t rank, uint64_t index) {
  uint64_t z = (rank << 32) + index + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// A rank's share is so small that every partial sum is exact; where the type can't count to the
// number of ranks, only some of them contribute.
double IntegerForSum(const ElementType& type, size_t index, int rank, int ranks) {
  const double largest = std::min(type.largest_exact_integer(), kLargestInteger);
  const int contributing = std::min(ranks, static_cast<int>(largest));
  if ((static_cast<size_t>(rank) + index) % static_cast<size_t>(ranks) >=
      static_cast<size_t>(contributing)) {
    return 0;
  }
  const auto share = static_cast<uint64_t>(largest / contributing);
  const auto magnitude = static_cast<double>(1 + Random(static_cast<uint64_t>(rank), index) %
                                                     std::max<uint64_t>(share, 1));
  return type.has_sign && index % 3 == 1 ? -magnitude : magnitude;
}

// Powers of two in one rank, signs in all.
double IntegerForProduct(const ElementType& type, size_t index, int rank, int ranks) {
  const size_t r = static_cast<size_t>(rank);
  const double magnitude = index % static_cast<size_t>(ranks) == r ? 2 : 1;
  return type.has_sign && (index / 2 + r) % 3 == 1 ? -magnitude : magnitude;
}

double RealValue(const ElementType& type, size_t index, int rank) {
  const double uniform =
      static_cast<double>(Random(static_cast<uint64_t>(rank), index) >> 11) * 0x1p-52 - 1;
  std::array<std::byte, 8> element;
  type.Store(uniform, element.data());
  return type.Load(element.data());
}

double Combine(thinwireRedOp_t op, double a, double b) {
  switch (op) {
    case thinwireProd:
      return a * b;
    case thinwireMax:
      return std::max(a, b);
    case thinwireMin:
      return std::min(a, b);
    case thinwireSum:
    case thinwireAvg:
      return a + b;
    case thinwireMaxRedOp:
      break;
  }
  return 0;
}

// As documented: floats multiply by the reciprocal in binary32 (double: binary64), integers
// truncate.
double Average(const ElementType& type, Values values, double sum, int ranks) {
  if (values == Values::kReal) return sum / ranks;
  if (!type.floating()) return std::trunc(sum / ranks);
  if (type.dtype == thinwireFloat64) return sum * (1.0 / ranks);
  return static_cast<float>(sum) * (1.0f / static_cast<float>(ranks));
}

}  // namespace

Pattern Pattern::Input(const ElementType& type, thinwireRedOp_t op, Values values, int rank,
                       int ranks) {
  Pattern pattern;
  pattern.values_.reserve(kPeriod);
  for (size_t i = 0; i < kPeriod; ++i) {
    if (values == Values::kReal && type.floating()) {
      pattern.values_.push_back(RealValue(type, i, rank));
    } else if (op == thinwireProd) {
      pattern.values_.push_back(IntegerForProduct(type, i, rank, ranks));
    } else {
      pattern.values_.push_back(IntegerForSum(type, i, rank, ranks));
    }
  }
  return pattern;
}

Pattern Pattern::Reduced(const ElementType& type, thinwireRedOp_t op, Values values, int ranks) {
  Pattern result = Input(type, op, values, 0, ranks);
  for (int rank = 1; rank < ranks; ++rank) {
    const Pattern input = Input(type, op, values, rank, ranks);
    for (size_t i = 0; i < kPeriod; ++i) {
      result.values_[i] = Combine(op, result.values_[i], input.values_[i]);
    }
  }
  if (op == thinwireAvg) {
    for (double& value : result.values_) value = Average(type, values, value, ranks);
  }
  return result;
}

std::vector<std::byte> Pattern::Elements(const ElementType& type) const {
  std::vector<std::byte> elements(kPeriod * type.bytes);
  for (size_t i = 0; i < kPeriod; ++i) type.Store(values_[i], &elements[i * type.bytes]);
  return elements;
}

void Pattern::Write(const ElementType& type, size_t first, size_t count, std::byte* target) const {
  const std::vector<std::byte> elements = Elements(type);
  for (size_t done = 0; done < count;) {
    const size_t at = (first + done) % kPeriod;
    const size_t run = std::min(kPeriod - at, count - done);
    std::memcpy(target + done * type.bytes, &elements[at * type.bytes], run * type.bytes);
    done += run;
  }
}

size_t Pattern::CountDifferent(const ElementType& type, size_t first, size_t count,
                               const std::byte* source) const {
  const std::vector<std::byte> elements = Elements(type);
  size_t different = 0;
  for (size_t i = 0; i < count; ++i) {
    const std::byte* expected = &elements[(first + i) % kPeriod * type.bytes];
    if (std::memcmp(source + i * type.bytes, expected, type.bytes) != 0) ++different;
  }
  return different;
}

}  // namespace thinwire::perf
