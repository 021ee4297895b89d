// SPDX-License-Identifier: Apache-2.0
#include "error_tolerance.h"

#include "rank.h"

namespace thinwire::perf {
namespace {

// Of the sum, by how often which magnitudes are encoded.
double SumTolerance(const CodecBound& bound, const std::string& algorithm, int ranks,
                    double largest) {
  double error = ranks * bound.ErrorOf(largest);
  if (algorithm == "one-shot" || algorithm == "direct") return error;
  if (algorithm == "sra" || algorithm == "uneven-sra") {
    return error + bound.ErrorOf(ranks * largest + error);  // the sum is encoded again
  }
  // Every hop encodes a partial sum: most round a ring, where it grows by one term a hop.
  error = 0;
  for (int terms = 1; terms <= ranks; ++terms) error += bound.ErrorOf(terms * largest + error);
  return error;
}

}  // namespace

CodecBound CodecBound::Of(const std::string& codec) {
  double relative = 0;
  double of_block = 0;
  double of_chunk = 0;
  double absolute = 0;
  Check(thinwireCodecErrorBound(codec.c_str(), &relative, &of_block, &of_chunk, &absolute),
        nullptr);
  return {relative + of_block + of_chunk, absolute};
}

double ErrorTolerance(const CodecBound& bound, const Operation& operation,
                      const std::string& algorithm, const ElementType& type, thinwireRedOp_t op,
                      int ranks, double largest) {
  constexpr double kBinary32 = 0x1p-24;  // codecs and sums work in binary32
  if (!operation.reduces) {
    return bound.ErrorOf(largest) + (kBinary32 + type.rounding()) * largest * (1 + bound.relative);
  }
  const double sum = ranks * largest;
  const double encodes = SumTolerance(bound, algorithm, ranks, largest);
  const double roundings = ((ranks + 2) * kBinary32 + type.rounding()) * (sum + encodes);
  const double total = encodes + roundings;
  return op == thinwireAvg ? total / ranks + bound.absolute : total;
}

}  // namespace thinwire::perf
