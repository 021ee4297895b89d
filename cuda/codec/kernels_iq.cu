// SPDX-License-Identifier: Apache-2.0
#include "cuda/codec/iq_format.cuh"
#include "cuda/codec/pass_kernels.cuh"

namespace thinwire::cuda {
namespace {

template <typename F>
__global__ void __launch_bounds__(kThreads)
    MeasureKernel(const __grid_constant__ MeasureArguments arguments) {
  __shared__ IqMaxima maxima;
  const size_t chunks = ChunksOf(arguments.count);
  for (size_t chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
    const int size = SizeOfChunk(arguments.count, chunk);
    Tile x;
    LoadTile(arguments.source, arguments.dtype, chunk * kChunk, size, x);
    IqMeasure(x, maxima);
    __syncthreads();
    const int block = static_cast<int>(threadIdx.x);
    if (block < IqBlocks(size)) {
      arguments.steps[chunk * kIqBlocks + threadIdx.x] = IqStepOf<F>(maxima, block);
    }
    __syncthreads();
  }
}

}  // namespace

CodecKernels IqKernels(const CodecShape& shape) {
  return shape.id == CodecId::kIq8 ? KernelsFor<Staged<IqFormat<q::Q8>>>()
                                   : KernelsFor<Staged<IqFormat<q::Q4>>>();
}

cudaError_t MeasureSteps(const MeasureArguments& arguments, const Queue& queue) {
  const bool eight = arguments.id == CodecId::kIq8;
  return LaunchOn(queue, ChunksOf(arguments.count),
                  eight ? MeasureKernel<q::Q8> : MeasureKernel<q::Q4>, arguments);
}

}  // namespace thinwire::cuda
