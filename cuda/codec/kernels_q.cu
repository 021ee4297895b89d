// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/pass_kernels.cuh"
#include "cuda/codec/q_format.cuh"

namespace thinwire::cuda {

CodecKernels QKernels(const CodecShape& shape) {
  return shape.id == CodecId::kQ8 ? KernelsFor<Staged<QFormat<q::Q8>>>()
                                  : KernelsFor<Staged<QFormat<q::Q4>>>();
}

}  // namespace thinwire::cuda
