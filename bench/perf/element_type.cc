// SPDX-License-Identifier: Apache-2.0
#include "element_type.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace thinwire::perf {
namespace {

constexpr ElementType kTypes[] = {
    {"int8", thinwireInt8, 1, 0, 7, false, true},
    {"uint8", thinwireUint8, 1, 0, 8, false, false},
    {"int32", thinwireInt32, 4, 0, 31, false, true},
    {"uint32", thinwireUint32, 4, 0, 32, false, false},
    {"int64", thinwireInt64, 8, 0, 63, false, true},
    {"uint64", thinwireUint64, 8, 0, 64, false, false},
    {"half", thinwireFloat16, 2, 5, 10, true, true},
    {"float", thinwireFloat32, 4, 8, 23, true, true},
    {"double", thinwireFloat64, 8, 11, 52, true, true},
    {"bfloat16", thinwireBfloat16, 2, 8, 7, true, true},
    {"f8e4m3", thinwireFloat8e4m3, 1, 4, 3, false, true},
    {"f8e5m2", thinwireFloat8e5m2, 1, 5, 2, true, true},
};

template <typename T>
void Put(T value, std::byte* target) {
  std::memcpy(target, &value, sizeof(value));
}

template <typename T>
T Get(const std::byte* source) {
  T value;
  std::memcpy(&value, source, sizeof(value));
  return value;
}

int Bias(const ElementType& type) { return (1 << (type.exponent_bits - 1)) - 1; }

// Bits of a float narrower than binary32. A carry out of the mantissa moves the exponent by itself.
uint64_t NarrowBits(const ElementType& type, double value) {
  const uint64_t sign = std::signbit(value) ? 1 : 0;
  const double magnitude = std::abs(value);
  uint64_t bits = 0;
  if (magnitude > 0) {
    const int exponent = std::max(std::ilogb(magnitude), 1 - Bias(type));
    const double scaled = std::nearbyint(std::ldexp(magnitude, type.mantissa_bits - exponent));
    bits = static_cast<uint64_t>(scaled) +
           (static_cast<uint64_t>(exponent + Bias(type) - 1) << type.mantissa_bits);
  }
  return bits | sign << (type.exponent_bits + type.mantissa_bits);
}

double NarrowValue(const ElementType& type, uint64_t bits) {
  const uint64_t mantissa = bits & ((uint64_t{1} << type.mantissa_bits) - 1);
  const int top = (1 << type.exponent_bits) - 1;
  const int exponent = static_cast<int>(bits >> type.mantissa_bits) & top;
  const double sign = bits >> (type.exponent_bits + type.mantissa_bits) != 0 ? -1 : 1;
  const bool all_ones = mantissa == (uint64_t{1} << type.mantissa_bits) - 1;
  if (exponent == top && (type.has_inf || all_ones)) {
    return type.has_inf && mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                                         : std::numeric_limits<double>::quiet_NaN();
  }
  const uint64_t hidden = exponent == 0 ? 0 : uint64_t{1} << type.mantissa_bits;
  return sign * std::ldexp(static_cast<double>(mantissa + hidden),
                           std::max(exponent, 1) - Bias(type) - type.mantissa_bits);
}

}  // namespace

std::span<const ElementType> ElementTypes() { return kTypes; }

double ElementType::largest_exact_integer() const {
  return floating() ? std::ldexp(1, mantissa_bits + 1) : std::ldexp(1, mantissa_bits) - 1;
}

double ElementType::rounding() const { return floating() ? std::ldexp(1, -mantissa_bits - 1) : 0; }

void ElementType::Store(double value, std::byte* target) const {
  if (dtype == thinwireFloat64) return Put(value, target);
  if (dtype == thinwireFloat32) return Put(static_cast<float>(value), target);
  const uint64_t bits =
      floating() ? NarrowBits(*this, value) : static_cast<uint64_t>(static_cast<int64_t>(value));
  std::memcpy(target, &bits, bytes);  // little-endian, as all of the library
}

double ElementType::Load(const std::byte* source) const {
  if (dtype == thinwireFloat64) return Get<double>(source);
  if (dtype == thinwireFloat32) return Get<float>(source);
  uint64_t bits = 0;
  std::memcpy(&bits, source, bytes);
  if (floating()) return NarrowValue(*this, bits);
  if (!has_sign) return static_cast<double>(bits);
  const size_t unused = 64 - 8 * bytes;
  return static_cast<double>(static_cast<int64_t>(bits << unused) >> unused);
}

ElementReader::ElementReader(const ElementType& type) : type_(type) {
  if (type.bytes > 2) return;
  table_.resize(size_t{1} << (8 * type.bytes));
  for (size_t bits = 0; bits < table_.size(); ++bits) {
    std::byte element[8] = {};
    std::memcpy(element, &bits, type.bytes);
    table_[bits] = type.Load(element);
  }
}

double ElementReader::operator()(const std::byte* source) const {
  if (table_.empty()) return type_.Load(source);
  return table_[type_.bytes == 1 ? Get<uint8_t>(source) : Get<uint16_t>(source)];
}

}  // namespace thinwire::perf
