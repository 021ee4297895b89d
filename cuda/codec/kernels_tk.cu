// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/pass_kernels.cuh"
#include "cuda/codec/tk_format.cuh"

namespace thinwire::cuda {
namespace {

// Chunks that keep a small share, as they should, get by with less shared memory.
constexpr int kFew = 256;

}  // namespace

CodecKernels TkKernels(const CodecShape& shape) {
  return shape.kept <= kFew ? KernelsFor<Staged<TkFormat<kFew>>>()
                            : KernelsFor<Staged<TkFormat<kMostTkKept>>>();
}

}  // namespace thinwire::cuda
