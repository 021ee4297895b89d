// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/cast_codec.cuh"
#include "cuda/codec/pass_kernels.cuh"

namespace thinwire::cuda {

CodecKernels CastKernels() { return KernelsFor<CastCodec>(); }

}  // namespace thinwire::cuda
