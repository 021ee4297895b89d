// SPDX-License-Identifier: Apache-2.0
//
// Element types, reductions and operations, as NCCL numbers them, with their sizes and names.

#ifndef THINWIRE_BASE_TYPES_H_
#define THINWIRE_BASE_TYPES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace thinwire {

// Values equal those of ncclDataType_t.
enum class DataType : uint8_t {
  kInt8 = 0,
  kUint8 = 1,
  kInt32 = 2,
  kUint32 = 3,
  kInt64 = 4,
  kUint64 = 5,
  kFloat16 = 6,
  kFloat32 = 7,
  kFloat64 = 8,
  kBfloat16 = 9,
  kFloat8e4m3 = 10,
  kFloat8e5m2 = 11,
};
inline constexpr int kDataTypes = 12;

// Values equal those of ncclRedOp_t.
enum class Reduction : uint8_t { kSum = 0, kProd = 1, kMax = 2, kMin = 3, kAvg = 4 };
inline constexpr int kReductions = 5;

enum class Operation : uint8_t {
  kBarrier = 0,
  kAllReduce = 1,
  kReduceScatter = 2,
  kAllGather = 3,
  kBroadcast = 4,
  kReduce = 5,
  kSend = 6,
  kRecv = 7,
  kAllToAll = 8,
};
inline constexpr int kOperations = 9;

struct DataTypeInfo {
  std::string_view name;  // nccl-tests' spelling
  size_t bytes;
  bool floating;
};

inline constexpr std::array<DataTypeInfo, kDataTypes> kDataTypeInfo = {{
    {"int8", 1, false},
    {"uint8", 1, false},
    {"int32", 4, false},
    {"uint32", 4, false},
    {"int64", 8, false},
    {"uint64", 8, false},
    {"half", 2, true},
    {"float", 4, true},
    {"double", 8, true},
    {"bfloat16", 2, true},
    {"f8e4m3", 1, true},
    {"f8e5m2", 1, true},
}};
inline constexpr std::array<std::string_view, kReductions> kReductionNames = {"sum", "prod", "max",
                                                                              "min", "avg"};
inline constexpr std::array<std::string_view, kOperations> kOperationNames = {
    "barrier", "all_reduce", "reduce_scatter", "all_gather", "broadcast",
    "reduce",  "send",       "recv",           "all_to_all"};

constexpr size_t SizeOf(DataType dtype) { return kDataTypeInfo[static_cast<size_t>(dtype)].bytes; }
constexpr bool IsFloating(DataType dtype) {
  return kDataTypeInfo[static_cast<size_t>(dtype)].floating;
}
constexpr std::string_view NameOf(DataType dtype) {
  return kDataTypeInfo[static_cast<size_t>(dtype)].name;
}
constexpr std::string_view NameOf(Reduction reduction) {
  return kReductionNames[static_cast<size_t>(reduction)];
}
constexpr std::string_view NameOf(Operation operation) {
  return kOperationNames[static_cast<size_t>(operation)];
}

std::optional<DataType> DataTypeFromName(std::string_view name);
std::optional<Reduction> ReductionFromName(std::string_view name);
std::optional<Operation> OperationFromName(std::string_view name);

}  // namespace thinwire

#endif  // THINWIRE_BASE_TYPES_H_
