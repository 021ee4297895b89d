// SPDX-License-Identifier: Apache-2.0
//
// Chunks of codec `tk`, of up to `kMost` elements. Formulas: codec/tk_math.h; which elements:
// tk_selection.cuh. Bytes are gathered from lists of what is kept, and scattered by way of a bit
// for each element that is.

#ifndef THINWIRE_CUDA_CODEC_TK_FORMAT_CUH_
#define THINWIRE_CUDA_CODEC_TK_FORMAT_CUH_

#include <algorithm>

#include "codec/float_formats.h"
#include "cuda/codec/staged_codec.cuh"
#include "cuda/codec/tk_selection.cuh"

namespace thinwire::cuda {

// Of all kinds of values, with up to `kept` elements.
constexpr int MaxTkChunkBytes(size_t kept) {
  size_t most = 0;
  for (const auto value : {tk::Value::kQ4, tk::Value::kQ8, tk::Value::kBf16, tk::Value::kRaw}) {
    most = std::max(most, tk::ChunkBytes(std::min(kept, tk::MostKept(value)), value));
  }
  return static_cast<int>(most);
}
inline constexpr int kMostTkKept = static_cast<int>(tk::MostKept(tk::Value::kRaw));
static_assert(kMostTkKept >= static_cast<int>(tk::MostKept(tk::Value::kBf16)));

// Where things stand in a chunk that keeps k elements.
struct TkLayout {
  int k;
  tk::Value value;

  __device__ inline TkLayout(const CodecShape& shape, int size)
      : k(static_cast<int>(tk::Kept(shape.kept, static_cast<size_t>(size)))), value(shape.value) {}
  __device__ inline int Indices() const { return static_cast<int>(tk::HeadBytes(value)); }
  __device__ inline int Values() const {
    return Indices() + static_cast<int>(tk::IndexBytes(static_cast<size_t>(k)));
  }
  __device__ inline int Pad() const {
    return Values() + static_cast<int>(tk::ValueBytes(static_cast<size_t>(k), value));
  }
  __device__ inline int Bytes() const {
    return static_cast<int>(tk::ChunkBytes(static_cast<size_t>(k), value));
  }
};

template <int kMost>
struct TkFormat {
  static constexpr int kMaxChunkBytes = MaxTkChunkBytes(kMost);
  struct EncoderRoom {
    TkSelectionRoom selection;
    BlockRoom most_finite;
    float elements[kMost];  // what is kept
    uint16_t indices[kMost];
  };
  struct DecoderRoom {
    float elements[kMost];        // what is kept
    uint32_t kept[kChunk / 32];   // a bit for each element of the chunk: whether it is
    uint16_t first[kChunk / 32];  // which of those kept the first bit of a word is
  };
  union Room {
    EncoderRoom encoder;
    DecoderRoom decoder;
  };

  __device__ static inline int ChunkBytes(const CodecShape& shape, int size) {
    return TkLayout(shape, size).Bytes();
  }

  __device__ static inline void Encode(const Tile& x, int size, const ChunkContext& context,
                                       uint8_t* chunk, Room& shared) {
    EncoderRoom& room = shared.encoder;
    const TkLayout layout(context.shape, size);
    const uint32_t largest =
        Select(x, layout.k, room.selection, [&](int place, int index, float element) {
          room.indices[place] = static_cast<uint16_t>(index);
          room.elements[place] = element;
        });
    __syncthreads();
    uint32_t step = 0;
    if (tk::HasStep(layout.value)) {
      uint32_t finite = largest;
      if (largest >= tk::kGuardBits) finite = LargestFinite(layout.k, room);
      step = tk::StoredStep(largest, finite, layout.value);
    }
    const Writer writer = {layout, step, 1.0f / tk::Step(step), room};
#pragma unroll 1
    for (int at = 4 * static_cast<int>(threadIdx.x); at < layout.Bytes(); at += 4 * kThreads) {
      uint32_t word = 0;
#pragma unroll
      for (int i = 0; i < 4; ++i) word |= (writer.Byte(at + i) & 0xff) << (8 * i);
      *reinterpret_cast<uint32_t*>(chunk + at) = word;
    }
    __syncthreads();
  }

  __device__ static inline bool Decode(int size, const ChunkContext& context, const uint8_t* chunk,
                                       Room& shared, Tile& y) {
    DecoderRoom& room = shared.decoder;
    const TkLayout layout(context.shape, size);
    const uint32_t step = tk::HasStep(layout.value) ? Load16(chunk) : tk::kMinStep;
    const bool ascend = ReadKept(layout, size, chunk, step, room);
    __syncthreads();
#pragma unroll
    for (int q = 0; q < kQuads; ++q) {
      const int word = FirstOf(q) / 32;
      const int bit = FirstOf(q) % 32;
      const uint32_t bits = room.kept[word];
      const uint32_t kept = bits >> bit & 0xf;
#pragma unroll
      for (int i = 0; i < 4; ++i) y.quads[q][i] = context.absent;
      if (kept == 0) continue;
      int j = room.first[word] + __popc(bits & ((1u << bit) - 1));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if ((kept >> i & 1) == 0) continue;
        // Where indices do not ascend, j may be anything.
        y.quads[q][i] = room.elements[min(j++, layout.k - 1)];
      }
    }
    return ascend && tk::IsStored(step);
  }

 private:
  __device__ static inline uint32_t LargestFinite(int k, EncoderRoom& room) {
    uint32_t finite = 0;
#pragma unroll 1
    for (int j = static_cast<int>(threadIdx.x); j < k; j += kThreads) {
      const uint32_t magnitude = tk::MagnitudeBits(room.elements[j]);
      if (magnitude < tk::kInfBits) finite = max(finite, magnitude);
    }
    return BlockMax(finite, room.most_finite);
  }

  // The bytes of a chunk, of which only the lower 8 bits count.
  struct Writer {
    const TkLayout& layout;
    const uint32_t step;
    const float inverse;
    const EncoderRoom& room;

    __device__ inline uint32_t Byte(int at) const {
      if (at < layout.Indices()) return step >> (8 * at);
      if (at < layout.Values()) return IndexByte(at - layout.Indices());
      return at < layout.Pad() ? ValueByte(at - layout.Values()) : 0;
    }
    __device__ inline uint32_t IndexByte(int at) const {
      const int j = at / 3 * 2;
      const uint32_t second = j + 1 < layout.k ? room.indices[j + 1] : 0;
      return (room.indices[j] | second << 12) >> (at % 3 * 8);
    }
    __device__ inline uint32_t ValueByte(int at) const {
      switch (layout.value) {
        case tk::Value::kQ4:
          return (Code(2 * at) & 0xf) | Code(2 * at + 1) << 4;
        case tk::Value::kQ8:
          return Code(at);
        case tk::Value::kBf16:
          return static_cast<uint32_t>(Narrow<Bfloat16>(room.elements[at / 2])) >> (at % 2 * 8);
        case tk::Value::kRaw:
          return BitCast<uint32_t>(room.elements[at / 4]) >> (at % 4 * 8);
      }
      return 0;
    }
    __device__ inline uint32_t Code(int j) const {
      if (j >= layout.k) return 0;
      const float element = room.elements[j];
      const bool guarded = (step & tk::kGuarded) != 0;
      return static_cast<uint32_t>(
          guarded ? tk::GuardedCode(element, inverse, tk::LargestCode(layout.value))
                  : tk::Code(element, inverse));
    }
  };

  __device__ static inline uint32_t Load16(const uint8_t* bytes) {
    return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
  }
  __device__ static inline uint32_t IndexAt(int j, const uint8_t* indices) {
    const uint32_t pair = Load16(indices + 3 * j / 2);
    return j % 2 == 0 ? pair & 0xfff : pair >> 4;
  }

  // What is kept, and where. False: an index that is this thread's does not ascend.
  __device__ static inline bool ReadKept(const TkLayout& layout, int size, const uint8_t* chunk,
                                         uint32_t step, DecoderRoom& room) {
    if (threadIdx.x < kChunk / 32) room.kept[threadIdx.x] = 0;
    __syncthreads();
    bool ascend = true;
#pragma unroll 1
    for (int j = static_cast<int>(threadIdx.x); j < layout.k; j += kThreads) {
      const uint32_t index = IndexAt(j, chunk + layout.Indices());
      const uint32_t before = j == 0 ? 0 : IndexAt(j - 1, chunk + layout.Indices());
      ascend = ascend && index < static_cast<uint32_t>(size) && (j == 0 || before < index);
      atomicOr(&room.kept[index / 32], 1u << index % 32);
      if (j == 0 || before / 32 != index / 32) room.first[index / 32] = static_cast<uint16_t>(j);
      room.elements[j] = ValueAt(j, layout.value, step, chunk + layout.Values());
    }
    return ascend;
  }

  __device__ static inline float ValueAt(int j, tk::Value value, uint32_t step,
                                         const uint8_t* values) {
    if (value == tk::Value::kBf16) {
      return Widen<Bfloat16>(static_cast<uint16_t>(Load16(values + 2 * j)));
    }
    if (value == tk::Value::kRaw) {
      return BitCast<float>(Load16(values + 4 * j) | Load16(values + 4 * j + 2) << 16);
    }
    const uint8_t byte = values[value == tk::Value::kQ4 ? j / 2 : j];
    const int code = value == tk::Value::kQ8 ? static_cast<int8_t>(byte)
                     : j % 2 == 0            ? q::LowNibble(byte)
                                             : q::HighNibble(byte);
    const bool guarded = (step & tk::kGuarded) != 0;
    return guarded ? tk::GuardedValue(code, tk::Step(step), tk::LargestCode(value))
                   : tk::ValueOf(code, tk::Step(step));
  }
};

}  // namespace thinwire::cuda

#endif  // THINWIRE_CUDA_CODEC_TK_FORMAT_CUH_
