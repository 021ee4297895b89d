// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/pass_kernels.cuh"
#include "cuda/codec/rq_format.cuh"

namespace thinwire::cuda {

CodecKernels RqKernels(const CodecShape& shape) {
  switch (shape.id) {
    case CodecId::kRq4:
      return KernelsFor<Staged<RqFormat<4>>>();
    case CodecId::kRq3:
      return KernelsFor<Staged<RqFormat<3>>>();
    case CodecId::kRq2:
      return KernelsFor<Staged<RqFormat<2>>>();
    default:
      return KernelsFor<Staged<RqFormat<1>>>();
  }
}

}  // namespace thinwire::cuda
