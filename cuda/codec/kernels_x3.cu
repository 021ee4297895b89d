// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/kernels.h"

namespace thinwire::cuda {

CodecKernels X3Kernels() { return {}; }

}  // namespace thinwire::cuda
