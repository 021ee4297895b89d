// SPDX-License-Identifier: Apache-2.0
//
// Codec `x3`: chunks of varying size behind a table of their ends. Without loss: elements are
// words, and there is no state to advance and nothing to divide.
#include "codec/x3_math.h"
#include "cuda/codec/chained_ends.cuh"
#include "cuda/codec/kernels.h"
#include "cuda/codec/launch.cuh"
#include "cuda/codec/x3_chunk.cuh"

namespace thinwire::cuda {
namespace {

// Registers are capped so that a multiprocessor holds this many thread blocks: as many as go
// without spills. Decoders of binary32 have the most on their way.
constexpr int kResidentEncoders = 4;
template <typename Word>
inline constexpr int kResidentDecoders = sizeof(Word) == 4 ? 3 : 4;

// ---- The table of ends ----

__device__ inline size_t EndAt(size_t chunk) { return chunk * sizeof(uint64_t); }

__device__ inline void StoreEnd(uint64_t end, size_t chunk, uint8_t* run) {
  StoreWord(static_cast<uint32_t>(end), 4, run + EndAt(chunk));
  StoreWord(static_cast<uint32_t>(end >> 32), 4, run + EndAt(chunk) + 4);
}
__device__ inline uint64_t LoadEnd(const uint8_t* run, size_t chunk) {
  return LoadWord(run + EndAt(chunk), 4) |
         static_cast<uint64_t>(LoadWord(run + EndAt(chunk) + 4, 4)) << 32;
}

// A chunk of a run that came, and whether its place and length make sense.
struct ChunkSpan {
  const uint8_t* bytes = nullptr;
  int size = 0;
  bool good = false;
};
template <typename Word>
__device__ inline ChunkSpan FindChunk(const TermArguments& run, size_t count, size_t chunk) {
  const size_t chunks = ChunksOf(count);
  const size_t table = x3::TableBytes(chunks);
  if (run.run_bytes < table || run.run_bytes > table + count * sizeof(Word)) return {};
  const size_t room = run.run_bytes - table;
  const uint64_t begin = chunk == 0 ? 0 : LoadEnd(run.bytes, chunk - 1);
  const uint64_t end = LoadEnd(run.bytes, chunk);
  const bool padded = EndAt(chunks) == table || LoadEnd(run.bytes, chunks) == 0;
  if (begin > end || end > room || !padded) return {};
  if (chunk + 1 == chunks && end != room) return {};
  const auto elements = static_cast<size_t>(SizeOfChunk(count, chunk));
  const size_t raw = elements * sizeof(Word);
  const uint64_t bytes = end - begin;
  if (bytes > raw || (bytes < raw && bytes < x3::FixedBytes(elements, sizeof(Word)))) return {};
  return {run.bytes + table + begin, static_cast<int>(bytes), true};
}

// ---- Kernels ----

template <typename Word>
__global__ void __launch_bounds__(kThreads, kResidentEncoders)
    EncodeX3(const __grid_constant__ EncodeArguments arguments) {
  __shared__ x3_chunk::Shared<Word> shared;
  __shared__ ChainedEnds::Room room;
  const size_t chunks = ChunksOf(arguments.count);
  uint8_t* const run = arguments.encoder.target;
  ChainedEnds ends(arguments.scratch, room);
  for (size_t chunk = ends.Take(); chunk < chunks; chunk = ends.Take()) {
    const int size = SizeOfChunk(arguments.count, chunk);
    x3_chunk::Words<Word> x;
    x3_chunk::Load(static_cast<const Word*>(arguments.source) + chunk * kChunk, size, x);
    const auto announce = [&](int bytes) { ends.Announce(chunk, bytes); };
    const int bytes = x3_chunk::Encode(x, size, announce, shared);
    const uint64_t begin = ends.Begin(chunk, bytes);
    if (threadIdx.x == 0) {
      StoreEnd(begin + static_cast<uint64_t>(bytes), chunk, run);
      if (chunk + 1 == chunks && EndAt(chunks) < x3::TableBytes(chunks)) StoreEnd(0, chunks, run);
    }
    CopyOut(shared.chunk, bytes, run + x3::TableBytes(chunks) + begin);
  }
}

template <typename Word>
__global__ void __launch_bounds__(kThreads, kResidentDecoders<Word>)
    DecodeX3(const __grid_constant__ DecodeArguments arguments) {
  __shared__ x3_chunk::Shared<Word> shared;
  const size_t chunks = ChunksOf(arguments.count);
  for (size_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const ChunkSpan span = FindChunk<Word>(arguments.term, arguments.count, chunk);
    if (!span.good) {
      *arguments.fault = 1;
      continue;  // all threads
    }
    BytesInFlight<kChunk * sizeof(Word)> bytes;
    bytes.Fetch(span.bytes, span.size);
    bytes.Deposit(span.size, shared.chunk);
    __syncthreads();
    const int size = SizeOfChunk(arguments.count, chunk);
    x3_chunk::Words<Word> x;
    if (span.size == size * static_cast<int>(sizeof(Word))) {
      x3_chunk::LoadRaw(shared, x);
    } else if (!x3_chunk::Decode(span.size, size, shared, x)) {
      *arguments.fault = 1;
    }
    x3_chunk::Store(x, size, static_cast<Word*>(arguments.target) + chunk * kChunk);
    __syncthreads();
  }
}

template <typename Arguments>
cudaError_t Launch(void (*of_floats)(Arguments), void (*of_bfloat16s)(Arguments),
                   const Arguments& arguments, const Queue& queue) {
  const bool wide = arguments.dtype == DataType::kFloat32;
  return LaunchEither(queue, ChunksOf(arguments.count), wide, of_floats, of_bfloat16s, arguments);
}

cudaError_t LaunchEncodeX3(const EncodeArguments& arguments, const Queue& queue) {
  return Launch<EncodeArguments>(EncodeX3<uint32_t>, EncodeX3<uint16_t>, arguments, queue);
}
cudaError_t LaunchDecodeX3(const DecodeArguments& arguments, const Queue& queue) {
  return Launch<DecodeArguments>(DecodeX3<uint32_t>, DecodeX3<uint16_t>, arguments, queue);
}
size_t ScratchBytes(size_t count) { return ChainedEnds::ScratchBytes(ChunksOf(count)); }

}  // namespace

CodecKernels X3Kernels() {
  return {.encode = LaunchEncodeX3, .encode_scratch_bytes = ScratchBytes, .decode = LaunchDecodeX3};
}

}  // namespace thinwire::cuda
