// SPDX-License-Identifier: Apache-2.0
//
// Small integers as elements of every type, and what reductions of them must give exactly: every
// value, partial sum and product is representable in all types, so order doesn't matter.

#ifndef THINWIRE_TESTS_SUPPORT_ELEMENTS_H_
#define THINWIRE_TESTS_SUPPORT_ELEMENTS_H_

#include <cstring>
#include <string>
#include <vector>

#include "base/types.h"
#include "codec/float_formats.h"

namespace thinwire {

using Bytes = std::vector<std::byte>;

template <typename T>
void StoreAs(T value, void* target) {
  std::memcpy(target, &value, sizeof(T));
}

// One element; integers modulo 2^bits, floats rounded to nearest.
inline void StoreElement(DataType dtype, double value, void* target) {
  const auto whole = static_cast<int64_t>(value);
  const auto narrow = static_cast<float>(value);
  switch (dtype) {
    case DataType::kInt8:
    case DataType::kUint8:
      return StoreAs(static_cast<uint8_t>(whole), target);
    case DataType::kInt32:
    case DataType::kUint32:
      return StoreAs(static_cast<uint32_t>(whole), target);
    case DataType::kInt64:
    case DataType::kUint64:
      return StoreAs(whole, target);
    case DataType::kFloat16:
      return StoreAs(Narrow<Half>(narrow), target);
    case DataType::kFloat32:
      return StoreAs(narrow, target);
    case DataType::kFloat64:
      return StoreAs(value, target);
    case DataType::kBfloat16:
      return StoreAs(Narrow<Bfloat16>(narrow), target);
    case DataType::kFloat8e4m3:
      return StoreAs(Narrow<Float8e4m3>(narrow), target);
    case DataType::kFloat8e5m2:
      return StoreAs(Narrow<Float8e5m2>(narrow), target);
  }
}

inline bool IsSigned(DataType dtype) {
  return dtype != DataType::kUint8 && dtype != DataType::kUint32 && dtype != DataType::kUint64;
}

// Element `i` of what `rank` contributes.
inline int ContributionOf(DataType dtype, Reduction reduction, int rank, size_t i) {
  const size_t mixed = i * 7 + static_cast<size_t>(rank) * 13 + i / 64;
  if (reduction == Reduction::kProd) return mixed % 4 == 0 ? 2 : 1;
  if (SizeOf(dtype) == 1 && IsFloating(dtype)) return static_cast<int>(mixed % 2);
  const int small = static_cast<int>(mixed % 11);
  return IsSigned(dtype) ? small - 5 : small;
}

inline double ReducedOf(DataType dtype, Reduction reduction, int ranks, size_t i) {
  int value = ContributionOf(dtype, reduction, 0, i);
  for (int rank = 1; rank < ranks; ++rank) {
    const int term = ContributionOf(dtype, reduction, rank, i);
    switch (reduction) {
      case Reduction::kSum:
      case Reduction::kAvg:
        value += term;
        break;
      case Reduction::kProd:
        value *= term;
        break;
      case Reduction::kMax:
        value = std::max(value, term);
        break;
      case Reduction::kMin:
        value = std::min(value, term);
        break;
    }
  }
  if (reduction != Reduction::kAvg || ranks == 1) return value;
  if (!IsFloating(dtype)) return value / ranks;
  if (dtype == DataType::kFloat64) return value * (1.0 / ranks);
  return static_cast<float>(value) * (1.0f / static_cast<float>(ranks));
}

// `count` elements, the k-th being value(k).
template <typename Value>
Bytes Elements(DataType dtype, size_t count, Value value) {
  Bytes bytes(count * SizeOf(dtype));
  for (size_t i = 0; i < count; ++i) {
    StoreElement(dtype, value(i), bytes.data() + i * SizeOf(dtype));
  }
  return bytes;
}

// Floats as gradients are: centred, of very different sizes; the same for a rank everywhere.
inline std::vector<float> Gradient(int rank, size_t count) {
  std::vector<float> values(count);
  uint64_t state = static_cast<uint64_t>(rank) * 0x9e3779b97f4a7c15u + 1;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const float unit = static_cast<float>(static_cast<int32_t>(state >> 32)) / 2147483648.0f;
    value = unit * unit * unit;
  }
  return values;
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_ELEMENTS_H_
