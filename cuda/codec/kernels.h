// SPDX-License-Identifier: Apache-2.0
//
// The kernels of one codec, and what they take. All pointers are such as the device may follow:
// device memory, or host memory that is mapped. Nothing here allocates or waits.

#ifndef THINWIRE_CUDA_CODEC_KERNELS_H_
#define THINWIRE_CUDA_CODEC_KERNELS_H_

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "codec/codec_shape.h"
#include "codec/factor.h"
#include "codec/noise.h"

namespace thinwire::cuda {

// The types that tiles are made of and kept as (tile.cuh).
constexpr bool FitsTiles(DataType dtype) {
  return dtype == DataType::kFloat32 || dtype == DataType::kBfloat16 || dtype == DataType::kFloat16;
}

// The state a kernel advances (codec/passes.h, StateSpan), kept as elements of `dtype`.
struct StateArguments {
  Feedback kind = Feedback::kNone;
  DataType dtype = DataType::kFloat32;
  const void* before = nullptr;
  void* after = nullptr;
};

struct EncoderArguments {
  CodecShape shape = {};
  DataType dtype = DataType::kFloat32;  // of codecs whose bytes are elements
  uint8_t* target = nullptr;
  Noise noise = {};
  StateArguments state = {};
  const uint16_t* steps = nullptr;
};

struct EncodeArguments {
  const void* source = nullptr;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  EncoderArguments encoder = {};
  void* scratch = nullptr;  // CodecKernels::encode_scratch_bytes of zeros
};

// One contribution: encoded bytes or elements of `dtype`.
struct TermArguments {
  const uint8_t* bytes = nullptr;
  size_t run_bytes = 0;  // how many, if encoded
  bool coded = false;
  DataType dtype = DataType::kFloat32;
  StateArguments state = {};  // a reference
};

struct DecodeArguments {
  CodecShape shape = {};
  TermArguments term = {};
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  void* target = nullptr;
  int divisor = 1;
  uint32_t* fault = nullptr;  // set to 1 where bytes were not written by an encoder
};

// More terms go through a launch each for as many.
inline constexpr int kMaxTerms = 32;

struct ReduceArguments {
  CodecShape shape = {};  // of coded terms
  int count_of_terms = 0;
  TermArguments terms[kMaxTerms] = {};
  Reduction reduction = Reduction::kSum;
  int divisor = 1;
  size_t count = 0;
  // The result: encoded, or elements of `dtype`.
  bool encodes = false;
  EncoderArguments encoder = {};
  void* dense = nullptr;
  DataType dtype = DataType::kFloat32;
  uint32_t* fault = nullptr;
};

// Where a launch goes.
struct Queue {
  cudaStream_t stream = nullptr;
  int multiprocessors = 1;
  bool only_loads = false;  // kernels are brought to the device, and not run
};

// Elements are of the types that fit tiles (tile.cuh), and so are states. Null where a codec has no
// such kernel.
struct CodecKernels {
  cudaError_t (*encode)(const EncodeArguments&, const Queue&) = nullptr;
  // Device memory that encoding takes besides; null: none.
  size_t (*encode_scratch_bytes)(size_t count) = nullptr;
  cudaError_t (*decode)(const DecodeArguments&, const Queue&) = nullptr;
  // Sums and averages.
  cudaError_t (*reduce)(const ReduceArguments&, const Queue&) = nullptr;
};
CodecKernels KernelsOf(const CodecShape& shape);

// Brings all kernels to the device. CUDA does that by itself when a kernel is first launched, but
// may wait for all streams then, among them those that wait for that kernel.
cudaError_t LoadKernels();

// Elements without a codec: any reduction of any type. Terms are of the result's type or, where
// that is floating, of any floating type.
cudaError_t ReduceElements(const ReduceArguments& arguments, const Queue& queue);

// target = source, rounded to the type of the target by way of binary32. Floating types.
struct ConvertArguments {
  const void* source = nullptr;
  DataType source_dtype = DataType::kFloat32;
  void* target = nullptr;
  DataType target_dtype = DataType::kFloat32;
  size_t count = 0;
};
cudaError_t ConvertElements(const ConvertArguments& arguments, const Queue& queue);

// target[i] = factor * source[i], in the type that elements of `dtype` are reduced in: binary32 for
// narrow floats, else their own.
struct ScaleArguments {
  const void* source = nullptr;
  DataType dtype = DataType::kFloat32;
  Factor factor = {};
  size_t count = 0;
  void* target = nullptr;
};
cudaError_t ScaleElements(const ScaleArguments& arguments, const Queue& queue);

// steps[b] = what block b of kStepElements elements needs (Codec::MeasureSteps), of iq8 or iq4.
struct MeasureArguments {
  CodecId id{};
  const void* source = nullptr;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  uint16_t* steps = nullptr;
};
cudaError_t MeasureSteps(const MeasureArguments& arguments, const Queue& queue);

// The kernels of each family, by kernels_<family>.cu.
CodecKernels CastKernels();
CodecKernels QKernels(const CodecShape& shape);
CodecKernels RqKernels(const CodecShape& shape);
CodecKernels IqKernels(const CodecShape& shape);
CodecKernels BlockFloatKernels(const CodecShape& shape);
CodecKernels TkKernels(const CodecShape& shape);
CodecKernels X3Kernels();

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_KERNELS_H_
