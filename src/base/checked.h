// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes that come from callers and peers, and little-endian loads and stores.

#ifndef THINWIRE_BASE_CHECKED_H_
#define THINWIRE_BASE_CHECKED_H_

#include <bit>
#include <cstddef>
#include <cstring>
#include <optional>
#include <type_traits>

namespace thinwire {

static_assert(std::endian::native == std::endian::little,
              "The wire is little endian; a big-endian host needs byte swaps in checked.h");

template <typename T>
std::optional<T> CheckedMultiply(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

template <typename T>
constexpr T CeilDivide(T a, T b) {
  return a / b + (a % b != 0);
}
template <typename T>
constexpr T RoundUp(T a, T multiple) {
  return CeilDivide(a, multiple) * multiple;
}

template <typename T>
T LoadLittle(const std::byte* source) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, source, sizeof(T));
  return value;
}
template <typename T>
void StoreLittle(T value, std::byte* target) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(target, &value, sizeof(T));
}

}  // namespace thinwire

#endif  // THINWIRE_BASE_CHECKED_H_
