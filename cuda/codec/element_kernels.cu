// SPDX-License-Identifier: Apache-2.0
//
// Passes over elements that no codec touches: reductions and products of any type, and conversions
// between floating types.

#include "codec/reduce_math.h"
#include "cuda/codec/kernels.h"
#include "cuda/codec/launch.cuh"
#include "cuda/codec/tile.cuh"

namespace thinwire::cuda {
namespace {

// Calls body with the type of `dtype`, a floating one.
template <typename Body>
__host__ __device__ inline void WithFloating(DataType dtype, Body&& body) {
  switch (dtype) {
    case DataType::kFloat16:
      return body(NarrowElements<Half>());
    case DataType::kBfloat16:
      return body(NarrowElements<Bfloat16>());
    case DataType::kFloat8e4m3:
      return body(NarrowElements<Float8e4m3>());
    case DataType::kFloat8e5m2:
      return body(NarrowElements<Float8e5m2>());
    case DataType::kFloat64:
      return body(OwnElements<double>());
    default:
      return body(OwnElements<float>());
  }
}

constexpr int kOfThread = 4;  // elements, kThreads apart: neighbours stay neighbours
constexpr size_t kOfBlock = size_t{kThreads} * kOfThread;

__device__ inline size_t ElementAt(size_t block, int i) {
  return block * kOfBlock + static_cast<size_t>(i) * kThreads + threadIdx.x;
}

template <typename T>
__device__ inline T CombineBy(Reduction reduction, T a, T b) {
  switch (reduction) {
    case Reduction::kProd:
      return reduce::Combined<Reduction::kProd>(a, b);
    case Reduction::kMax:
      return reduce::Combined<Reduction::kMax>(a, b);
    case Reduction::kMin:
      return reduce::Combined<Reduction::kMin>(a, b);
    default:
      return reduce::Combined<Reduction::kSum>(a, b);
  }
}

// A term of a floating type that is narrower than the result's reduction, or of the result's type.
template <typename Type>
__device__ inline typename Type::Wide LoadTerm(const TermArguments& term, DataType dtype,
                                               size_t i) {
  using Wide = typename Type::Wide;
  using Raw = typename Type::Raw;
  if (term.dtype == dtype) return Type::Widened(reinterpret_cast<const Raw*>(term.bytes)[i]);
  Wide value{};
  if constexpr (std::is_floating_point_v<Wide>) {
    WithFloating(term.dtype, [&](auto type) {
      using Other = decltype(type);
      value = static_cast<Wide>(
          Other::Widened(reinterpret_cast<const typename Other::Raw*>(term.bytes)[i]));
    });
  }
  return value;
}

template <typename Type>
__global__ void __launch_bounds__(kThreads)
    ReduceElementsKernel(const __grid_constant__ ReduceArguments arguments) {
  using Wide = typename Type::Wide;
  for (size_t block = blockIdx.x; block * kOfBlock < arguments.count; block += gridDim.x) {
    Wide sums[kOfThread] = {};
    for (int term = 0; term < arguments.count_of_terms; ++term) {
#pragma unroll
      for (int i = 0; i < kOfThread; ++i) {
        const size_t at = ElementAt(block, i);
        if (at >= arguments.count) continue;
        const Wide x = LoadTerm<Type>(arguments.terms[term], arguments.dtype, at);
        sums[i] = term == 0 ? x : CombineBy(arguments.reduction, sums[i], x);
      }
    }
#pragma unroll
    for (int i = 0; i < kOfThread; ++i) {
      const size_t at = ElementAt(block, i);
      if (at >= arguments.count) continue;
      if (arguments.reduction == Reduction::kAvg) {
        sums[i] = reduce::Averaged(sums[i], arguments.divisor);
      }
      static_cast<typename Type::Raw*>(arguments.dense)[at] = Type::Narrowed(sums[i]);
    }
  }
}

template <typename From>
__global__ void __launch_bounds__(kThreads)
    ConvertKernel(const __grid_constant__ ConvertArguments arguments) {
  const auto* const source = static_cast<const typename From::Raw*>(arguments.source);
  for (size_t block = blockIdx.x; block * kOfBlock < arguments.count; block += gridDim.x) {
#pragma unroll
    for (int i = 0; i < kOfThread; ++i) {
      const size_t at = ElementAt(block, i);
      if (at >= arguments.count) continue;
      const auto x = static_cast<float>(From::Widened(source[at]));
      WithFloating(arguments.target_dtype, [&](auto type) {
        using To = decltype(type);
        static_cast<typename To::Raw*>(arguments.target)[at] =
            To::Narrowed(static_cast<typename To::Wide>(x));
      });
    }
  }
}

template <typename Type>
__global__ void __launch_bounds__(kThreads)
    ScaleKernel(const __grid_constant__ ScaleArguments arguments) {
  using Raw = typename Type::Raw;
  Raw scalar;
  if (arguments.factor.at != nullptr) {
    scalar = *static_cast<const Raw*>(arguments.factor.at);
  } else {
    memcpy(&scalar, &arguments.factor.value, sizeof(scalar));
  }
  const auto factor = Type::Widened(scalar);
  for (size_t block = blockIdx.x; block * kOfBlock < arguments.count; block += gridDim.x) {
#pragma unroll
    for (int i = 0; i < kOfThread; ++i) {
      const size_t at = ElementAt(block, i);
      if (at >= arguments.count) continue;
      static_cast<typename Type::Wide*>(arguments.target)[at] =
          reduce::Scaled(Type::Widened(static_cast<const Raw*>(arguments.source)[at]), factor);
    }
  }
}

template <typename Arguments>
cudaError_t Launch(void (*kernel)(Arguments), const Arguments& arguments, const Queue& queue) {
  return LaunchOn(queue, (arguments.count + kOfBlock - 1) / kOfBlock, kernel, arguments);
}

// launch(type of `dtype`, any one).
template <typename LaunchOf>
cudaError_t WithAny(DataType dtype, LaunchOf launch) {
  switch (dtype) {
    case DataType::kInt8:
      return launch(OwnElements<int8_t>());
    case DataType::kUint8:
      return launch(OwnElements<uint8_t>());
    case DataType::kInt32:
      return launch(OwnElements<int32_t>());
    case DataType::kUint32:
      return launch(OwnElements<uint32_t>());
    case DataType::kInt64:
      return launch(OwnElements<int64_t>());
    case DataType::kUint64:
      return launch(OwnElements<uint64_t>());
    default: {
      cudaError_t launched = cudaSuccess;
      WithFloating(dtype, [&](auto type) { launched = launch(type); });
      return launched;
    }
  }
}

}  // namespace

cudaError_t ReduceElements(const ReduceArguments& arguments, const Queue& queue) {
  const auto launch = [&](auto type) {
    return Launch<ReduceArguments>(ReduceElementsKernel<decltype(type)>, arguments, queue);
  };
  return WithAny(arguments.dtype, launch);
}

cudaError_t ScaleElements(const ScaleArguments& arguments, const Queue& queue) {
  return WithAny(arguments.dtype, [&](auto type) {
    return Launch<ScaleArguments>(ScaleKernel<decltype(type)>, arguments, queue);
  });
}

cudaError_t ConvertElements(const ConvertArguments& arguments, const Queue& queue) {
  cudaError_t launched = cudaSuccess;
  WithFloating(arguments.source_dtype, [&](auto type) {
    launched = Launch<ConvertArguments>(ConvertKernel<decltype(type)>, arguments, queue);
  });
  return launched;
}

}  // namespace thinwire::cuda
