// SPDX-License-Identifier: Apache-2.0
//
// Chunks of the codecs `iq8` and `iq4`, and the steps of their blocks. Formulas: codec/iq_math.h. A
// block of 256 elements is one quad of two warps: block b those of warps 2 b and 2 b + 1, counting
// the warps of all quads.

#ifndef THINWIRE_CUDA_CODEC_IQ_FORMAT_CUH_
#define THINWIRE_CUDA_CODEC_IQ_FORMAT_CUH_

#include "codec/iq_math.h"
#include "cuda/codec/staged_codec.cuh"

namespace thinwire::cuda {

inline constexpr int kIqBlock = iq::kBlock;
inline constexpr int kIqBlocks = kChunk / kIqBlock;

__device__ inline int IqBlocks(int size) { return (size + kIqBlock - 1) / kIqBlock; }

// The largest magnitude of each warp's quads, as bits.
struct IqMaxima {
  unsigned of_quad_and_warp[kQuads * kWarps];
};
// Seen after the next barrier.
__device__ inline void IqMeasure(const Tile& x, IqMaxima& maxima) {
#pragma unroll
  for (int q = 0; q < kQuads; ++q) {
    unsigned largest = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) largest = max(largest, q::MagnitudeBits(x.quads[q][i]));
    largest = __reduce_max_sync(kAllLanes, largest);
    if (threadIdx.x % 32 == 0) maxima.of_quad_and_warp[q * kWarps + threadIdx.x / 32] = largest;
  }
}
template <typename F>
__device__ inline uint16_t IqStepOf(const IqMaxima& maxima, int block) {
  return iq::StepOf<F>(
      max(maxima.of_quad_and_warp[2 * block], maxima.of_quad_and_warp[2 * block + 1]));
}

// How codes of `width` bits lie in planes: as many of 8 bits as fit, then one each of 4, 2 and 1
// bits where their sum still lacks that. A plane of p bits holds p eighths of the elements side by
// side in each bit of its bytes.
struct IqPlanes {
  int width;
  int eighth;  // of the elements, pads included

  __device__ inline int PlaneAt(int shift) const { return eighth * shift; }
  __device__ inline int WholeBytes() const { return width / 8; }

  // visit(bits, shift, byte, up) for the planes under 8 bits: the fields of the four elements from
  // `first` on stand `up` bits up in the word at `byte`.
  template <typename Visit>
  __device__ inline void ForEachNarrow(int first, Visit visit) const {
    const int eighths = eighth == kChunk / 8 ? first / (kChunk / 8) : first / eighth;
    int shift = WholeBytes() * 8;
#pragma unroll
    for (int bits = 4; bits >= 1; bits /= 2) {
      if ((width & bits) == 0) continue;
      const int field = eighths / bits;
      visit(bits, shift, PlaneAt(shift) + first - field * bits * eighth, field * bits);
      shift += bits;
    }
  }
};

// The lowest `bits` bits of each byte.
__device__ inline uint32_t IqFieldsMask(int bits) { return ((1u << bits) - 1) * 0x01010101u; }

template <typename F>
struct IqFormat {
  static constexpr int kMaxChunkBytes =
      static_cast<int>(iq::ChunkBytes(kChunk, iq::Width(iq::Offset(F::kBits, iq::kMaxRanks))));
  using Room = IqMaxima;

  __device__ static inline int ChunkBytes(const CodecShape& shape, int size) {
    return static_cast<int>(iq::ChunkBytes(static_cast<size_t>(size), iq::Width(OffsetOf(shape))));
  }

  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext& context,
                                       uint8_t* chunk, Room& room) {
    ClearShared(ChunkBytes(context.shape, size), chunk);
    if (context.steps == nullptr) IqMeasure(x, room);
    __syncthreads();
    const uint16_t step = StepOfLane(context, size, room);
    WriteStep(step, size, chunk);
    const float inverse_of_lane = iq::Inverse(step);
    const auto offset = static_cast<int32_t>(OffsetOf(context.shape));
    const IqPlanes planes = PlanesOf(context.shape, size);
    uint8_t* const bytes = chunk + iq::StepBytes(static_cast<size_t>(size));
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const float inverse = __shfl_sync(kAllLanes, inverse_of_lane, q);
      if (FirstOf(q) >= size) continue;
      uint32_t codes[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool inside = FirstOf(q) + i < size;
        codes[i] = inside ? iq::Code(x.quads[q][i], inverse, offset) : 0;
      }
      WriteCodes(codes, FirstOf(q), planes, bytes);
    }
    __syncthreads();
  }

  // Any bytes decode.
  __device__ static inline bool Decode(int size, const ChunkContext& context, const uint8_t* chunk,
                                       Room&, Tile& y) {
    const auto offset = static_cast<int32_t>(OffsetOf(context.shape));
    const IqPlanes planes = PlanesOf(context.shape, size);
    const uint8_t* const bytes = chunk + iq::StepBytes(static_cast<size_t>(size));
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const int first = FirstOf(q);
      uint32_t codes[4] = {};
      uint16_t bits = 0;
      if (first < size) {
        ReadCodes(first, planes, bytes, codes);
        bits = reinterpret_cast<const uint16_t*>(chunk)[first / kIqBlock];
      }
      const bool special = iq::IsSpecial(bits);
      const float step = iq::Step(bits);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float value = iq::Value(codes[i], offset, step);
        y.quads[q][i] = special ? iq::Step(iq::kSpecialStep) : value;
      }
    }
    return true;
  }

 private:
  __device__ static inline uint32_t OffsetOf(const CodecShape& shape) {
    return iq::Offset(F::kBits, shape.ranks);
  }
  __device__ static inline IqPlanes PlanesOf(const CodecShape& shape, int size) {
    return {iq::Width(OffsetOf(shape)),
            static_cast<int>(iq::PaddedElements(static_cast<size_t>(size)) / 8)};
  }

  // Lane q of a warp holds the step of its quad q; further lanes repeat them.
  __device__ static inline int BlockOfLane() {
    return static_cast<int>(threadIdx.x % kQuads * (kWarps / 2) + threadIdx.x / kIqBlockThreads);
  }
  static constexpr unsigned kIqBlockThreads = kIqBlock / 4;
  __device__ static inline uint16_t StepOfLane(const ChunkContext& context, int size,
                                               const Room& room) {
    const int block = BlockOfLane();
    if (context.steps == nullptr) return IqStepOf<F>(room, block);
    return block < IqBlocks(size) ? iq::SentStep(context.steps[block]) : uint16_t{0};
  }
  __device__ static inline void WriteStep(uint16_t step, int size, uint8_t* chunk) {
    const int block = BlockOfLane();
    if (threadIdx.x % kIqBlockThreads < kQuads && block < IqBlocks(size)) {
      reinterpret_cast<uint16_t*>(chunk)[block] = step;
    }
  }

  // Byte `byte` of four codes.
  __device__ static inline uint32_t BytesOf(const uint32_t (&codes)[4], int byte) {
    const auto both = static_cast<uint32_t>(byte * 0x11 + 0x40);
    return __byte_perm(__byte_perm(codes[0], codes[1], both), __byte_perm(codes[2], codes[3], both),
                       0x5410);
  }
  // Fields of several quads share words, which are zeros at first.
  __device__ static inline void WriteCodes(const uint32_t (&codes)[4], int first,
                                           const IqPlanes& planes, uint8_t* bytes) {
    const int whole = planes.WholeBytes();
    for (int byte = 0; byte < whole; ++byte) {
      *reinterpret_cast<uint32_t*>(bytes + planes.PlaneAt(8 * byte) + first) = BytesOf(codes, byte);
    }
    if (planes.width % 8 == 0) return;
    const uint32_t rest = BytesOf(codes, whole);
    planes.ForEachNarrow(first, [=](int bits, int shift, int at, int up) {
      const uint32_t fields = rest >> (shift % 8) & IqFieldsMask(bits);
      atomicOr(reinterpret_cast<unsigned*>(bytes + at), fields << up);
    });
  }

  __device__ static inline void ReadCodes(int first, const IqPlanes& planes, const uint8_t* bytes,
                                          uint32_t (&codes)[4]) {
    const auto add = [&](uint32_t word, int byte) {
#pragma unroll
      for (int i = 0; i < 4; ++i) codes[i] |= (word >> (8 * i) & 0xff) << (8 * byte);
    };
    const auto word_at = [=](int at) { return *reinterpret_cast<const uint32_t*>(bytes + at); };
    const int whole = planes.WholeBytes();
    for (int byte = 0; byte < whole; ++byte) {
      add(word_at(planes.PlaneAt(8 * byte) + first), byte);
    }
    if (planes.width % 8 == 0) return;
    uint32_t rest = 0;
    planes.ForEachNarrow(first, [&](int bits, int shift, int at, int up) {
      rest |= (word_at(at) >> up & IqFieldsMask(bits)) << (shift % 8);
    });
    add(rest, whole);
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_IQ_FORMAT_CUH_
