// SPDX-License-Identifier: Apache-2.0
//
// How far a result may be from the exact one: the codec's stated bound, carried through the
// algorithm.

#ifndef THINWIRE_BENCH_PERF_ERROR_TOLERANCE_H_
#define THINWIRE_BENCH_PERF_ERROR_TOLERANCE_H_

#include <string>

#include "element_type.h"
#include "workload.h"

namespace thinwire::perf {

struct CodecBound {
  double relative = 0;  // of |x|, largest x of its block, of its chunk: all taken of the largest x
  double absolute = 0;

  static CodecBound Of(const std::string& codec);
  bool exact() const { return relative == 0 && absolute == 0; }
  // Error of one encode of elements no larger than `largest`.
  double ErrorOf(double largest) const { return relative * largest + absolute; }
};

// Largest error of an element of the result, for inputs no larger than `largest`.
double ErrorTolerance(const CodecBound& bound, const Operation& operation,
                      const std::string& algorithm, const ElementType& type, thinwireRedOp_t op,
                      int ranks, double largest);

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_ERROR_TOLERANCE_H_
