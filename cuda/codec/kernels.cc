// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/kernels.h"

namespace thinwire::cuda {

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

}  // namespace thinwire::cuda
