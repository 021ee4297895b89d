// SPDX-License-Identifier: Apache-2.0
//
// The fused passes (codec/passes.h) as kernels, for any codec: each reads its inputs once and
// writes its outputs once. A thread block takes a chunk at a time; what lies between is a tile in
// its registers.

#ifndef THINWIRE_CUDA_CODEC_PASS_KERNELS_CUH_
#define THINWIRE_CUDA_CODEC_PASS_KERNELS_CUH_

#include "codec/reduce_math.h"
#include "codec/state_math.h"
#include "cuda/codec/kernels.h"
#include "cuda/codec/launch.cuh"
#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

template <typename Formula>
__device__ inline void ForEach(Tile& x, const Tile& y, Formula formula) {
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
#pragma unroll
    for (int i = 0; i < 4; ++i) x.quads[q][i] = formula(x.quads[q][i], y.quads[q][i]);
  }
}

__device__ inline void Round(DataType dtype, Tile& x) {
  if (dtype == DataType::kFloat32) return;
  ForEach(x, x, [=](float element, float) { return Rounded(element, dtype); });
}

// x is encoded, and the state advanced.
template <typename Codec, bool kState>
__device__ inline void EncodeChunk(const EncoderArguments& to, size_t chunk, int size, Tile& x,
                                   typename Codec::Shared& shared) {
  const size_t begin = chunk * kChunk;
  const bool residual = to.state.kind == Feedback::kResidual;
  const bool kept = kState && to.state.kind != Feedback::kNone && to.state.before != nullptr;
  // What the next state is made of: the reference before, or what a residual is left of. One tile
  // for both, since registers are few.
  Tile basis;
  if (kept) {
    LoadTile(to.state.before, to.state.dtype, begin, size, basis);
    ForEach(x, basis, [=](float element, float state) {
      return residual ? state::WithResidual(element, state) : state::Difference(element, state);
    });
  }
  if (kState && residual) basis = x;
  Tile y;
  if constexpr (Codec::kElements) {
    StoreTile(x, to.dtype, begin, size, to.target);
    if (!kState || to.state.kind == Feedback::kNone) return;
    y = x;
    Round(to.dtype, y);
  } else {
    const ChunkContext context = {
        .shape = to.shape,
        .noise = {to.noise.key, to.noise.first + begin},
        .steps = to.steps == nullptr ? nullptr : to.steps + begin / kStepElements};
    Codec::Encode(x, size, context, to.target + Codec::Offset(context, chunk), shared);
    if (!kState || to.state.kind == Feedback::kNone) return;
    Codec::Decode(size, context, shared, y);
  }
  if (residual) {
    ForEach(y, basis, [](float came, float sent) { return state::Residual(sent, came); });
  } else if (kept) {
    ForEach(y, basis, [](float came, float state) { return state::Advanced(state, came); });
  }
  StoreTile(y, to.state.dtype, begin, size, to.state.after);
}

template <typename Codec>
__device__ inline void FetchTerm(const CodecShape& shape, const TermArguments& term, size_t chunk,
                                 int size, typename Codec::InFlight& bytes) {
  if (!term.coded) return;
  const ChunkContext context = {.shape = shape};
  Codec::Fetch(term.bytes + Codec::Offset(context, chunk), size, context, bytes);
}

// y = the elements of a term that was fetched; false: no encoder wrote its bytes. `next` fetches
// another, as soon as there is room.
template <typename Codec, typename Next>
__device__ inline bool ReadTerm(const ChunkContext& context, const TermArguments& term,
                                size_t chunk, int size, const typename Codec::InFlight& bytes,
                                Next next, typename Codec::Shared& shared, Tile& y) {
  if (term.coded) Codec::Deposit(bytes, size, context, shared);
  next();
  if (!term.coded) {
    LoadTile(term.bytes, term.dtype, chunk * kChunk, size, y);
    return true;
  }
  const bool good = Codec::Decode(size, context, shared, y);
  ClearFrom(size, y);
  return good;
}

// What came advances the reference, which stands for the elements from then on.
template <bool kState>
__device__ inline void AdvanceReference(const StateArguments& state, size_t chunk, int size,
                                        Tile& y) {
  if (!kState || state.kind == Feedback::kNone) return;
  const size_t begin = chunk * kChunk;
  if (state.before != nullptr) {
    Tile before;
    LoadTile(state.before, state.dtype, begin, size, before);
    ForEach(y, before, [](float came, float m) { return state::Advanced(m, came); });
  }
  StoreTile(y, state.dtype, begin, size, state.after);
  Round(state.dtype, y);
}

template <typename Codec, bool kState>
__global__ void __launch_bounds__(kThreads, ResidentBlocks(kState))
    EncodeKernel(const __grid_constant__ EncodeArguments arguments) {
  __shared__ typename Codec::Shared shared;
  const size_t chunks = ChunksOf(arguments.count);
  for (size_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int size = SizeOfChunk(arguments.count, chunk);
    Tile x;
    LoadTile(arguments.source, arguments.dtype, chunk * kChunk, size, x);
    EncodeChunk<Codec, kState>(arguments.encoder, chunk, size, x, shared);
    __syncthreads();
  }
}

template <typename Codec, bool kState>
__global__ void __launch_bounds__(kThreads, ResidentBlocks(kState))
    DecodeKernel(const __grid_constant__ DecodeArguments arguments) {
  __shared__ typename Codec::Shared shared;
  const size_t chunks = ChunksOf(arguments.count);
  const TermArguments& term = arguments.term;
  for (size_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int size = SizeOfChunk(arguments.count, chunk);
    typename Codec::InFlight bytes;
    FetchTerm<Codec>(arguments.shape, term, chunk, size, bytes);
    Tile y;
    const bool good = ReadTerm<Codec>(
        {.shape = arguments.shape}, term, chunk, size, bytes, [] {}, shared, y);
    if (!good) *arguments.fault = 1;
    AdvanceReference<kState>(term.state, chunk, size, y);
    if (arguments.divisor != 1) {
      ForEach(y, y, [&](float sum, float) { return reduce::Averaged(sum, arguments.divisor); });
    }
    StoreTile(y, arguments.dtype, chunk * kChunk, size, arguments.target);
    __syncthreads();
  }
}

template <typename Codec, bool kState>
__global__ void __launch_bounds__(kThreads, ResidentBlocks(kState))
    ReduceKernel(const __grid_constant__ ReduceArguments arguments) {
  __shared__ typename Codec::Shared shared;
  const size_t chunks = ChunksOf(arguments.count);
  for (size_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int size = SizeOfChunk(arguments.count, chunk);
    typename Codec::InFlight bytes;
    FetchTerm<Codec>(arguments.shape, arguments.terms[0], chunk, size, bytes);
    Tile sums;
    for (int i = 0; i < arguments.count_of_terms; ++i) {
      const TermArguments& term = arguments.terms[i];
      const auto next = [&] {
        if (i + 1 == arguments.count_of_terms) return;
        FetchTerm<Codec>(arguments.shape, arguments.terms[i + 1], chunk, size, bytes);
      };
      // What a term does not send leaves the sum as it is, a sum of -0 as well.
      const bool adds = i > 0 && term.state.kind == Feedback::kNone;
      const ChunkContext context = {.shape = arguments.shape, .absent = adds ? -0.0f : 0.0f};
      Tile y;
      const bool good = ReadTerm<Codec>(context, term, chunk, size, bytes, next, shared, y);
      if (!good) *arguments.fault = 1;
      AdvanceReference<kState>(term.state, chunk, size, y);
      ForEach(sums, y, [=](float sum, float x) {
        return i == 0 ? x : reduce::Combined<Reduction::kSum>(sum, x);
      });
      __syncthreads();
    }
    if (arguments.reduction == Reduction::kAvg) {
      ForEach(sums, sums,
              [&](float sum, float) { return reduce::Averaged(sum, arguments.divisor); });
    }
    if (arguments.encodes) {
      EncodeChunk<Codec, kState>(arguments.encoder, chunk, size, sums, shared);
    } else {
      StoreTile(sums, arguments.dtype, chunk * kChunk, size, arguments.dense);
    }
    __syncthreads();
  }
}

inline bool KeepsState(const EncodeArguments& arguments) {
  return arguments.encoder.state.kind != Feedback::kNone;
}
inline bool KeepsState(const DecodeArguments& arguments) {
  return arguments.term.state.kind != Feedback::kNone;
}
inline bool KeepsState(const ReduceArguments& arguments) {
  bool any = arguments.encoder.state.kind != Feedback::kNone;
  for (int i = 0; i < arguments.count_of_terms; ++i) {
    any = any || arguments.terms[i].state.kind != Feedback::kNone;
  }
  return any;
}

// The kernel with state, or the lighter one without.
template <typename Arguments>
cudaError_t Launch(void (*with_state)(Arguments), void (*without)(Arguments),
                   const Arguments& arguments, const Queue& queue) {
  return LaunchEither(queue, ChunksOf(arguments.count), KeepsState(arguments), with_state, without,
                      arguments);
}

template <typename Codec>
CodecKernels KernelsFor() {
  return {.encode =
              [](const EncodeArguments& arguments, const Queue& queue) {
                return Launch<EncodeArguments>(EncodeKernel<Codec, true>,
                                               EncodeKernel<Codec, false>, arguments, queue);
              },
          .decode =
              [](const DecodeArguments& arguments, const Queue& queue) {
                return Launch<DecodeArguments>(DecodeKernel<Codec, true>,
                                               DecodeKernel<Codec, false>, arguments, queue);
              },
          .reduce =
              [](const ReduceArguments& arguments, const Queue& queue) {
                return Launch<ReduceArguments>(ReduceKernel<Codec, true>,
                                               ReduceKernel<Codec, false>, arguments, queue);
              }};
}

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_PASS_KERNELS_CUH_
