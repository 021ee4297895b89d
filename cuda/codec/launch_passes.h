// SPDX-License-Identifier: Apache-2.0
//
// The passes of codec/passes.h as launches on a stream. What kernels take in one go (kernels.h)
// goes in one go; the rest, such as elements of 8 or 64 bits, states kept as `q8`, or terms of
// several codecs, is put together from several launches, with scratch memory between.

#ifndef THINWIRE_CUDA_CODEC_LAUNCH_PASSES_H_
#define THINWIRE_CUDA_CODEC_LAUNCH_PASSES_H_

#include <functional>

#include "base/status.h"
#include "codec/passes.h"
#include "cuda/codec/kernels.h"

namespace thinwire::cuda {

// Device memory until the work that was launched before it is freed is done. Null: there is none.
class Scratch {
 public:
  virtual ~Scratch() = default;
  virtual void* Take(size_t bytes) = 0;
};

// All pointers are such as the device may follow, and elements are aligned to their size. `fault`
// becomes 1 where bytes turn out not to be an encoder's: what was decoded from them means nothing.
struct PassTarget {
  Queue queue;
  Scratch* scratch = nullptr;
  uint32_t* fault = nullptr;
};
Status LaunchEncode(const EncodePass& pass, const PassTarget& on);
Status LaunchDecode(const DecodePass& pass, const PassTarget& on);
Status LaunchReduce(const ReducePass& pass, const PassTarget& on);
Status LaunchMeasureSteps(const Codec& codec, const void* source, DataType dtype, size_t count,
                          uint16_t* steps, const PassTarget& on);

// A CUDA error as a status that says what was tried.
Status CheckCuda(cudaError_t error, const char* what);

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_LAUNCH_PASSES_H_
