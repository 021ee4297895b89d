// SPDX-License-Identifier: Apache-2.0
//
// Element types by nccl-tests' names, and their values as binary64. Written without the library's
// own conversions, so that the check of a result is independent of what it checks.

#ifndef THINWIRE_BENCH_PERF_ELEMENT_TYPE_H_
#define THINWIRE_BENCH_PERF_ELEMENT_TYPE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thinwire/thinwire.h"

namespace thinwire::perf {

struct ElementType {
  const char* name;
  thinwireDataType_t dtype;
  size_t bytes;
  int exponent_bits;  // 0: an integer
  int mantissa_bits;  // without the hidden one; of an integer: value bits
  bool has_inf;
  bool has_sign;

  bool floating() const { return exponent_bits > 0; }
  // Every integer up to this one is a value of the type.
  double largest_exact_integer() const;
  // Largest error, relative to the value, of rounding to the type; 0 for integers.
  double rounding() const;

  // target[bytes] = value, rounded to nearest, ties to even. REQUIRES: it is in range.
  void Store(double value, std::byte* target) const;
  double Load(const std::byte* source) const;
};

std::span<const ElementType> ElementTypes();

// Loads many elements: types of up to 16 bits through a table.
class ElementReader {
 public:
  explicit ElementReader(const ElementType& type);
  double operator()(const std::byte* source) const;

 private:
  const ElementType& type_;
  std::vector<double> table_;
};

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_ELEMENT_TYPE_H_
