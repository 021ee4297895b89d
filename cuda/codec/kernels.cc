// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/kernels.h"

#include <vector>

namespace thinwire::cuda {
namespace {

// A shape for each set of kernels that there is.
std::vector<CodecShape> ShapesOfAllKernels() {
  std::vector<CodecShape> shapes;
  for (int id = 0; id <= static_cast<int>(CodecId::kX3); ++id) {
    for (const bool second_format : {false, true}) {
      for (const uint16_t kept : {uint16_t{1}, uint16_t{tk::kChunk / 2}}) {
        shapes.push_back({.id = static_cast<CodecId>(id),
                          .second_format = second_format,
                          .random = false,
                          .kept = kept,
                          .value = {},
                          .ranks = 1});
      }
    }
  }
  return shapes;
}

}  // namespace

CodecKernels KernelsOf(const CodecShape& shape) {
  switch (shape.id) {
    case CodecId::kRaw:
    case CodecId::kBf16:
    case CodecId::kFp16:
      return CastKernels();
    case CodecId::kQ8:
    case CodecId::kQ4:
      return QKernels(shape);
    case CodecId::kRq4:
    case CodecId::kRq3:
    case CodecId::kRq2:
    case CodecId::kRq1:
      return RqKernels(shape);
    case CodecId::kIq8:
    case CodecId::kIq4:
      return IqKernels(shape);
    case CodecId::kFp8:
    case CodecId::kMxfp8:
    case CodecId::kMxfp6:
    case CodecId::kMxfp4:
    case CodecId::kNvfp4:
      return BlockFloatKernels(shape);
    case CodecId::kTk:
      return TkKernels(shape);
    case CodecId::kX3:
      return X3Kernels();
  }
  return {};
}

cudaError_t LoadKernels() {
  const Queue queue = {.stream = nullptr, .multiprocessors = 1, .only_loads = true};
  cudaError_t first = cudaSuccess;
  const auto note = [&](cudaError_t error) {
    if (first == cudaSuccess) first = error;
  };
  for (const CodecShape& shape : ShapesOfAllKernels()) {
    const CodecKernels kernels = KernelsOf(shape);
    note(kernels.encode(EncodeArguments(), queue));
    note(kernels.decode(DecodeArguments(), queue));
    if (kernels.reduce != nullptr) note(kernels.reduce(ReduceArguments(), queue));
  }
  for (int type = 0; type < kDataTypes; ++type) {
    const auto dtype = static_cast<DataType>(type);
    ReduceArguments reduction;
    reduction.dtype = dtype;
    note(ReduceElements(reduction, queue));
    if (IsFloating(dtype)) note(ConvertElements({.source_dtype = dtype}, queue));
  }
  for (const CodecId id : {CodecId::kIq8, CodecId::kIq4}) note(MeasureSteps({.id = id}, queue));
  return first;
}

}  // namespace thinwire::cuda
