// SPDX-License-Identifier: Apache-2.0
//
// The loops of codec `q8`: one chunk encoded, decoded, decoded and added. Part of simd_loops.h,
// which includes it inside its namespace. Only the three innermost loops, over whole blocks of
// unguarded chunks, are written with vectors (q8_block.h).

#include "codec/q8_block.h"

constexpr size_t kQ8Blocks = q8::kChunk / q8::kBlock;
constexpr size_t kQ8ChunksAhead = 3;

// The largest finite magnitude of a block, as bits.
inline uint32_t Q8BlockMaxFinite(const float* x) {
  uint32_t largest = 0;
  for (size_t i = 0; i < q8::kBlock; ++i) {
    const uint32_t magnitude = q8::MagnitudeBits(x[i]);
    if (magnitude < q8::kInfBits && magnitude > largest) largest = magnitude;
  }
  return largest;
}

// A chunk as blocks: the whole ones where they are, the short one padded with zeros.
struct Q8Blocks {
  const float* source;
  size_t whole;
  size_t rest;
  size_t count;
  float last[q8::kBlock] = {};

  Q8Blocks(const float* elements, size_t size)
      : source(elements),
        whole(size / q8::kBlock),
        rest(size % q8::kBlock),
        count(whole + (rest != 0)) {
    memcpy(last, source + whole * q8::kBlock, rest * sizeof(float));
  }
  const float* operator[](size_t b) const { return b < whole ? source + b * q8::kBlock : last; }
  // Each of the two reads of a chunk fetches half of a later one, so memory never idles. Into the
  // second cache (locality 2): it can wait for more lines at once than the first.
  void FetchAhead(size_t line) const {
    __builtin_prefetch(source + kQ8ChunksAhead * q8::kChunk + line * 16, 0, 2);
  }
};

// scales[b] of all blocks; returns whether the chunk is guarded.
bool Q8ChooseScales(const Q8Blocks& blocks, uint32_t* __restrict scales) {
  size_t b = 0;
  for (; b + 4 <= blocks.whole; b += 4) {
    for (size_t line = b; line < b + 4; ++line) blocks.FetchAhead(line);
    Q8FourMaxima(blocks[b], scales + b);
  }
  for (; b < blocks.count; ++b) scales[b] = Q8BlockMax(blocks[b]);
  uint32_t largest = 0;
  for (b = 0; b < blocks.count; ++b) largest = largest < scales[b] ? scales[b] : largest;
  const bool guarded = largest >= q8::kGuardBits;
  for (b = 0; guarded && b < blocks.count; ++b) scales[b] = Q8BlockMaxFinite(blocks[b]);
  for (b = 0; b < blocks.count; ++b) scales[b] = q8::ScaleOf(scales[b], guarded);
  return guarded;
}

// The code plane, given 1 / step of every block.
template <Q8Store kStore>
void Q8EncodeCodes(const Q8Blocks& blocks, const float* inverses, bool guarded, int8_t* codes) {
  for (size_t b = 0; b < blocks.count; ++b) {
    blocks.FetchAhead(kQ8Blocks + b);
    int8_t last[q8::kBlock];
    int8_t* const to = b < blocks.whole ? codes + b * q8::kBlock : last;
    if (guarded) {
      for (size_t i = 0; i < q8::kBlock; ++i) to[i] = q8::GuardedCode(blocks[b][i], inverses[b]);
    } else if (to == last) {
      Q8CodeBlock<Q8Store::kPlain>(blocks[b], inverses[b], to);
    } else {
      Q8CodeBlock<kStore>(blocks[b], inverses[b], to);
    }
    if (to == last) memcpy(codes + b * q8::kBlock, last, q8::CodeBytes(blocks.rest));
  }
}

void Q8Encode(const float* source, size_t count, bool stream, uint8_t* chunk) {
  const Q8Blocks blocks(source, count);
  uint32_t scales[kQ8Blocks];
  const bool guarded = Q8ChooseScales(blocks, scales);
  uint32_t top = 0;
  for (size_t b = 0; b < blocks.count; ++b) top = top < scales[b] ? scales[b] : top;

  memset(chunk, 0, q8::kHeadBytes + q8::ScaleBytes(count));
  chunk[0] = static_cast<uint8_t>(top);
  chunk[1] = static_cast<uint8_t>(top >> 8);
  chunk[2] = guarded ? 1 : 0;
  uint8_t* const bytes = chunk + q8::kHeadBytes;
  float inverses[kQ8Blocks];
  for (size_t b = 0; b < blocks.count; ++b) {
    const uint32_t byte = q8::ScaleByte(scales[b], top);
    bytes[b] = static_cast<uint8_t>(byte);
    inverses[b] = q8::InverseStep(q8::ScaleFromByte(byte, top));
  }

  auto* const codes = reinterpret_cast<int8_t*>(bytes + q8::ScaleBytes(count));
  if (stream && IsStreamable(codes)) {
    Q8EncodeCodes<Q8Store::kStream>(blocks, inverses, guarded, codes);
    StreamFence();
  } else {
    Q8EncodeCodes<Q8Store::kPlain>(blocks, inverses, guarded, codes);
  }
}

template <bool kGuarded, bool kAdd>
void Q8DecodeRun(const int8_t* __restrict codes, float step, size_t size,
                 float* __restrict target) {
  for (size_t i = 0; i < size; ++i) {
    const float value =
        kGuarded ? q8::GuardedValue(codes[i], step) : q8::Value(static_cast<float>(codes[i]), step);
    target[i] = kAdd ? target[i] + value : value;
  }
}

template <bool kGuarded, Q8Store kStore>
void Q8DecodeChunk(const uint8_t* __restrict chunk, uint32_t top, size_t count,
                   float* __restrict target) {
  const uint8_t* bytes = chunk + q8::kHeadBytes;
  const auto* codes = reinterpret_cast<const int8_t*>(bytes + q8::ScaleBytes(count));
  float steps[kQ8Blocks];
  for (size_t b = 0; b < q8::ScaleBytes(count); ++b) {
    steps[b] = q8::Step(q8::ScaleFromByte(bytes[b], top));
  }
  const size_t whole = kGuarded ? 0 : count / q8::kBlock;
  for (size_t b = 0; b < whole; ++b) {
    const size_t from = b * q8::kBlock;
    __builtin_prefetch(codes + from + q8::ChunkBytes(q8::kChunk));
    Q8DecodeBlock<kStore>(codes + from, steps[b], target + from);
  }
  for (size_t from = whole * q8::kBlock; from < count; from += q8::kBlock) {
    const size_t size = count - from < q8::kBlock ? count - from : q8::kBlock;
    Q8DecodeRun<kGuarded, kStore == Q8Store::kAdd>(codes + from, steps[from / q8::kBlock], size,
                                                   target + from);
  }
}

void Q8Decode(const uint8_t* chunk, uint32_t top, bool guarded, bool stream, size_t count,
              float* target) {
  if (guarded) return Q8DecodeChunk<true, Q8Store::kPlain>(chunk, top, count, target);
  if (!stream || !IsStreamable(target)) {
    return Q8DecodeChunk<false, Q8Store::kPlain>(chunk, top, count, target);
  }
  Q8DecodeChunk<false, Q8Store::kStream>(chunk, top, count, target);
  StreamFence();
}
void Q8DecodeAdd(const uint8_t* chunk, uint32_t top, bool guarded, size_t count,
                 float* accumulator) {
  guarded ? Q8DecodeChunk<true, Q8Store::kAdd>(chunk, top, count, accumulator)
          : Q8DecodeChunk<false, Q8Store::kAdd>(chunk, top, count, accumulator);
}
