// SPDX-License-Identifier: Apache-2.0
#include "base/types.h"

namespace thinwire {

std::optional<DataType> DataTypeFromName(std::string_view name) {
  for (int i = 0; i < kDataTypes; ++i) {
    if (kDataTypeInfo[static_cast<size_t>(i)].name == name) return static_cast<DataType>(i);
  }
  return std::nullopt;
}

std::optional<Reduction> ReductionFromName(std::string_view name) {
  for (int i = 0; i < kReductions; ++i) {
    if (kReductionNames[static_cast<size_t>(i)] == name) return static_cast<Reduction>(i);
  }
  return std::nullopt;
}

std::optional<Operation> OperationFromName(std::string_view name) {
  for (int i = 0; i < kOperations; ++i) {
    if (kOperationNames[static_cast<size_t>(i)] == name) return static_cast<Operation>(i);
  }
  return std::nullopt;
}

}  // namespace thinwire
