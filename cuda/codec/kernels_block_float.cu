// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/block_float_format.cuh"
#include "cuda/codec/pass_kernels.cuh"

namespace thinwire::cuda {
namespace {

using block_float::Fp8;
using block_float::Mx;
using block_float::Nvfp4;

template <typename L>
CodecKernels KernelsOfLayout() {
  return KernelsFor<Staged<BlockFloatFormat<L>>>();
}
template <typename First, typename Second>
CodecKernels KernelsOfEither(bool second) {
  return second ? KernelsOfLayout<Second>() : KernelsOfLayout<First>();
}

}  // namespace

CodecKernels BlockFloatKernels(const CodecShape& shape) {
  switch (shape.id) {
    case CodecId::kFp8:
      return KernelsOfEither<Fp8<Float8e4m3>, Fp8<Float8e5m2>>(shape.second_format);
    case CodecId::kMxfp8:
      return KernelsOfEither<Mx<Float8e4m3>, Mx<Float8e5m2>>(shape.second_format);
    case CodecId::kMxfp6:
      return KernelsOfEither<Mx<Float6e2m3>, Mx<Float6e3m2>>(shape.second_format);
    case CodecId::kMxfp4:
      return KernelsOfLayout<Mx<Float4e2m1>>();
    default:
      return KernelsOfLayout<Nvfp4>();
  }
}

}  // namespace thinwire::cuda
