// SPDX-License-Identifier: Apache-2.0
//
// What ranks put in, and what must come out. Values repeat with a prime period, so the expected
// result repeats too and costs nothing to keep, while no rank's share starts at a period.

#ifndef THINWIRE_BENCH_PERF_PATTERN_H_
#define THINWIRE_BENCH_PERF_PATTERN_H_

#include <cstddef>
#include <vector>

#include "element_type.h"

namespace thinwire::perf {

enum class Values {
  kExact,  // small integers whose reduction is the same bits in any order
  kReal,   // in [-1, 1), as lossy codecs expect
};
inline constexpr double kLargestReal = 1;  // no kReal value is larger in magnitude

class Pattern {
 public:
  static constexpr size_t kPeriod = 8191;

  // The input of one rank.
  static Pattern Input(const ElementType& type, thinwireRedOp_t op, Values values, int rank,
                       int ranks);
  // The reduction of all ranks' inputs: for kExact as the library documents it, bit by bit; for
  // kReal without any rounding.
  static Pattern Reduced(const ElementType& type, thinwireRedOp_t op, Values values, int ranks);

  double value(size_t index) const { return values_[index % kPeriod]; }
  // target[count] = elements [first, first + count).
  void Write(const ElementType& type, size_t first, size_t count, std::byte* target) const;
  // Elements of source[count] that differ in any bit from [first, first + count).
  size_t CountDifferent(const ElementType& type, size_t first, size_t count,
                        const std::byte* source) const;

 private:
  std::vector<std::byte> Elements(const ElementType& type) const;

  std::vector<double> values_;
};

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_PATTERN_H_
