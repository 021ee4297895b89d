// SPDX-License-Identifier: Apache-2.0
//
// The loops of the codecs `q8` and `q4`: one chunk encoded, decoded, many decoded and added. Part
// of simd_loops.h, which includes it inside its namespace. Only the innermost loops, over whole
// blocks of unguarded chunks, are written with vectors (q_block.h). `F` is q::Q8 or q::Q4.

#include "codec/q_block.h"

constexpr size_t kQBlocks = q::kChunk / q::kBlock;
// Chunks summed at a time: as many streams from memory as processors follow with ease.
constexpr size_t kQStreams = 8;

// Into the second cache (locality 2): it can wait for more lines at once than the first.
inline __attribute__((always_inline)) void QFetch(const void* line) {
  __builtin_prefetch(line, 0, 2);
}

// The largest finite magnitude of a block, as bits.
inline uint32_t QBlockMaxFinite(const float* x) {
  uint32_t largest = 0;
  for (size_t i = 0; i < q::kBlock; ++i) {
    const uint32_t magnitude = q::MagnitudeBits(x[i]);
    if (magnitude < q::kInfBits && magnitude > largest) largest = magnitude;
  }
  return largest;
}

// A chunk as groups of 16 blocks: the whole ones where they are, the last one padded with zeros.
// Groups are long enough for vectors of scales, and short enough that processors work on the next
// one while they wait for memory.
struct QGroups {
  static constexpr size_t kBlocks = 16;
  static constexpr size_t kSize = kBlocks * q::kBlock;
  const float* source;
  size_t size;
  size_t whole;
  size_t count;
  float last[kSize];

  QGroups(const float* elements, size_t number)
      : source(elements), size(number), whole(number / kSize), count((number + kSize - 1) / kSize) {
    if (whole == count) return;
    memset(last, 0, sizeof(last));
    memcpy(last, source + whole * kSize, number % kSize * sizeof(float));
  }
  const float* operator[](size_t g) const { return g < whole ? source + g * kSize : last; }
  const float* Block(size_t b) const { return (*this)[b / kBlocks] + b % kBlocks * q::kBlock; }
};

// Random bytes, one an element, of 4 blocks; to round to nearest none are made.
struct QRandom {
  static constexpr size_t kSize = 4 * q::kBlock;
  uint8_t room[PhiloxRoom(kSize)];

  template <bool kNoisy>
  inline __attribute__((always_inline)) const uint8_t* Make(const Noise* noise, size_t element) {
    if constexpr (!kNoisy) return room;
    return PhiloxBytes<kSize>(noise->key, noise->first + element, room);
  }
};

// What one reading of a chunk gives: of each block its largest magnitude, as bits, and its scale.
struct QBlockFacts {
  uint32_t maxima[kQBlocks];
  uint32_t scales[kQBlocks];
};

template <typename F>
inline __attribute__((always_inline)) void QChooseScales(const uint32_t* __restrict maxima,
                                                         uint32_t* __restrict scales,
                                                         float* __restrict inverses) {
#pragma GCC unroll 1  // vectors, not 16 copies
  for (size_t b = 0; b < QGroups::kBlocks; ++b) {
    scales[b] = q::ScaleOf<F>(maxima[b] < q::kGuardBits ? maxima[b] : 0, false);
    inverses[b] = q::InverseStep(scales[b]);
  }
}

// Codes of group g. The loops stay loops: fetches issued in a row hold up each other and all else.
template <typename F, bool kNoisy>
inline __attribute__((always_inline)) void QEncodeGroup(const float* x, const float* inverses,
                                                        const Noise* noise, size_t g,
                                                        const float* ahead, uint8_t* codes) {
  QRandom random;
  const uint8_t* bytes = random.room;
#pragma GCC unroll 1
  for (size_t b = 0; b < QGroups::kBlocks; ++b) {
    QFetch(ahead + b * 16);
    const size_t at = b * q::kBlock % QRandom::kSize;
    if (kNoisy && at == 0) {
      bytes = random.Make<kNoisy>(noise, g * QGroups::kSize + b * q::kBlock);
    }
    QEncodeBlock<F, kNoisy>(x + b * q::kBlock, inverses[b], bytes + at, codes + b * F::kBlockBytes);
  }
}

// Scales and codes of all blocks as if each stood alone in an unguarded chunk: almost always what
// is sent, as other blocks matter only to those far quieter than they are. Each of the two readings
// of a group fetches half of what is ahead, so memory never idles.
template <typename F, bool kNoisy>
void QEncodeGroups(const QGroups& groups, const float* ahead, const Noise* noise,
                   QBlockFacts* __restrict facts, uint8_t* codes) {
  constexpr size_t kGroupBytes = QGroups::kBlocks * F::kBlockBytes;
  for (size_t g = 0; g < groups.count; ++g, ahead += QGroups::kSize) {
    const float* const x = groups[g];
    uint32_t* const maxima = facts->maxima + g * QGroups::kBlocks;
    uint32_t* const scales = facts->scales + g * QGroups::kBlocks;
    for (size_t b = 0; b < QGroups::kBlocks; b += 4) {
      for (size_t line = b; line < b + 4; ++line) QFetch(ahead + line * 16);
      QFourMaxima(x + b * q::kBlock, maxima + b);
    }
    float inverses[QGroups::kBlocks];
    QChooseScales<F>(maxima, scales, inverses);
    const float* const rest = ahead + QGroups::kSize / 2;
    if (g < groups.whole) {
      QEncodeGroup<F, kNoisy>(x, inverses, noise, g, rest, codes + g * kGroupBytes);
    } else {
      uint8_t last[kGroupBytes];
      QEncodeGroup<F, kNoisy>(x, inverses, noise, g, rest, last);
      memcpy(codes + g * kGroupBytes, last, q::CodeBytes<F>(groups.size % QGroups::kSize));
    }
  }
}

// The codes of block b once more: the chunk is guarded, or the block too quiet for its own scale.
template <typename F, bool kNoisy>
void QEncodeAgain(const QGroups& groups, size_t b, const Noise* noise, float inverse, bool guarded,
                  uint8_t* plane) {
  const float* const x = groups.Block(b);
  QRandom random;
  const uint8_t* const bytes = random.Make<kNoisy>(noise, b * q::kBlock);
  int codes[q::kBlock];
  for (size_t i = 0; i < q::kBlock; ++i) {
    codes[i] = kNoisy ? q::NoisyCode(x[i], inverse, bytes[i]) : q::Code(x[i], inverse);
    if (guarded) codes[i] = q::GuardedCode<F>(x[i], codes[i]);
  }
  uint8_t packed[F::kBlockBytes];
  q::PackBlock<F>(codes, packed);
  const size_t rest = groups.size - b * q::kBlock;
  memcpy(plane + b * F::kBlockBytes, packed, q::CodeBytes<F>(rest < q::kBlock ? rest : q::kBlock));
}

template <typename F, bool kNoisy>
void QEncodeChunk(const float* source, size_t count, const void* ahead, const Noise* noise,
                  uint8_t* chunk) {
  const QGroups groups(source, count);
  const auto* const next = static_cast<const float*>(ahead == nullptr ? source : ahead);
  const size_t blocks = (count + q::kBlock - 1) / q::kBlock;
  uint8_t* const bytes = chunk + q::kHeadBytes;
  uint8_t* const codes = bytes + q::ScaleBytes(count);
  QBlockFacts facts;
  QEncodeGroups<F, kNoisy>(groups, next, noise, &facts, codes);

  uint32_t largest = 0;
  for (size_t b = 0; b < blocks; ++b) {
    largest = largest < facts.maxima[b] ? facts.maxima[b] : largest;
  }
  const bool guarded = largest >= q::kGuardBits;
  for (size_t b = 0; guarded && b < blocks; ++b) {
    facts.scales[b] = q::ScaleOf<F>(QBlockMaxFinite(groups.Block(b)), true);
  }
  uint32_t top = 0;
  for (size_t b = 0; b < blocks; ++b) top = top < facts.scales[b] ? facts.scales[b] : top;

  memset(chunk, 0, q::kHeadBytes + q::ScaleBytes(count));
  chunk[0] = static_cast<uint8_t>(top);
  chunk[1] = static_cast<uint8_t>(top >> 8);
  chunk[2] = guarded ? 1 : 0;
  uint32_t again = guarded;
  for (size_t b = 0; b < blocks; ++b) {
    bytes[b] = static_cast<uint8_t>(q::ScaleByte(facts.scales[b], top));
    again |= facts.scales[b] + 255 < top && facts.maxima[b] != 0;
  }
  for (size_t b = 0; again && b < blocks; ++b) {
    const uint32_t scale = q::ScaleFromByte(bytes[b], top);
    if (!guarded && (scale == facts.scales[b] || facts.maxima[b] == 0)) continue;
    QEncodeAgain<F, kNoisy>(groups, b, noise, q::InverseStep(scale), guarded, codes);
  }
}

template <typename F>
void QEncode(const float* source, size_t count, bool stream, const void* ahead, const Noise* noise,
             uint8_t* chunk) {
  alignas(64) uint8_t room[q::ChunkBytes<F>(q::kChunk)];
  stream = stream && IsStreamable(chunk);
  uint8_t* const target = stream ? room : chunk;
  noise == nullptr ? QEncodeChunk<F, false>(source, count, ahead, nullptr, target)
                   : QEncodeChunk<F, true>(source, count, ahead, noise, target);
  if (stream) StreamOut(room, q::ChunkBytes<F>(count), chunk);
}

// What becomes of a decoded value: it is the result, or added to it, or what it leaves of it stays.
enum class QInto { kSet, kAdd, kResidual };

// Elements from `from` on, one by one.
template <typename F, QInto kInto>
void QDecodeRest(const QChunk& chunk, const uint8_t* codes, const float* steps, size_t from,
                 size_t count, float* __restrict target) {
  for (size_t i = from; i < count; ++i) {
    const int code = q::CodeAt<F>(codes, i);
    const float step = steps[i / q::kBlock];
    const float value =
        chunk.guarded ? q::GuardedValue<F>(code, step) : q::Value(static_cast<float>(code), step);
    if constexpr (kInto == QInto::kSet) target[i] = value;
    if constexpr (kInto == QInto::kAdd) target[i] += value;
    if constexpr (kInto == QInto::kResidual) target[i] = state::Residual(target[i], value);
  }
}

inline const uint8_t* QSteps(const QChunk& chunk, size_t count, float* __restrict steps) {
  const uint8_t* const bytes = chunk.bytes + q::kHeadBytes;
  const size_t planned = q::ScaleBytes(count);
  for (size_t b = 0; b < planned; ++b) steps[b] = q::Step(q::ScaleFromByte(bytes[b], chunk.top));
  return bytes + planned;
}

// The elements of an unguarded chunk and what it was encoded from are finite, and so is what is
// left.
template <typename F, QInto kInto>
void QDecodeChunk(const QChunk& chunk, size_t count, float* __restrict target) {
  float steps[kQBlocks];
  const uint8_t* const codes = QSteps(chunk, count, steps);
  const size_t whole = chunk.guarded ? 0 : count / q::kBlock;
  for (size_t b = 0; b < whole; ++b) {
    const uint8_t* const bytes = codes + b * F::kBlockBytes;
    __builtin_prefetch(bytes + q::ChunkBytes<F>(q::kChunk));
    const QFloats numbers = QNumbers<F>(bytes);
    const QFloat step = QAll(kInto == QInto::kResidual ? -steps[b] : steps[b]);
    for (size_t i = 0; i < QFloats::kParts; ++i) {
      float* const to = target + b * q::kBlock + i * (q::kBlock / QFloats::kParts);
      const QFloat number = numbers.parts[i];
      QSave(kInto == QInto::kSet ? q::Value(number, step) : QAdd(QLoad(to), number, step), to);
    }
  }
  QDecodeRest<F, kInto>(chunk, codes, steps, whole * q::kBlock, count, target);
}

template <typename F>
void QDecode(const QChunk& chunk, bool stream, size_t count, float* target) {
  if (!stream || !IsStreamable(target)) return QDecodeChunk<F, QInto::kSet>(chunk, count, target);
  alignas(64) float room[q::kChunk];
  QDecodeChunk<F, QInto::kSet>(chunk, count, room);
  StreamOut(room, count * sizeof(float), target);
}

// kWide blocks from block b on: unguarded chunks decoded and added in turn, in registers.
template <typename F, QInto kInto, size_t kWide>
inline __attribute__((always_inline)) void QSumBlocks(const uint8_t* const* codes,
                                                      const float (*steps)[kQBlocks],
                                                      size_t streams, size_t b,
                                                      float* __restrict sums) {
  constexpr size_t kPart = q::kBlock / QFloats::kParts;
  constexpr size_t kParts = kWide * QFloats::kParts;
  float* const to = sums + b * q::kBlock;
  QFloat parts[kParts];
  // What is added to -0 stays as it is.
  for (size_t i = 0; i < kParts; ++i) {
    parts[i] = kInto == QInto::kAdd ? QLoad(to + i * kPart) : QAll(-0.0f);
  }
  for (size_t s = 0; s < streams; ++s) {
    const uint8_t* const bytes = codes[s] + b * F::kBlockBytes;
    QFetch(bytes + q::ChunkBytes<F>(q::kChunk));
    for (size_t w = 0; w < kWide; ++w) {
      const QFloats numbers = QNumbers<F>(bytes + w * F::kBlockBytes);
      const QFloat step = QAll(steps[s][b + w]);
      for (size_t i = 0; i < QFloats::kParts; ++i) {
        QFloat& part = parts[w * QFloats::kParts + i];
        part = QAdd(part, numbers.parts[i], step);
      }
    }
  }
  for (size_t i = 0; i < kParts; ++i) QSave(parts[i], to + i * kPart);
}

// Up to kQStreams unguarded chunks.
template <typename F, QInto kInto>
void QSumStreams(const QChunk* chunks, size_t streams, size_t count, float* __restrict sums) {
  constexpr size_t kWide = 2;
  float steps[kQStreams][kQBlocks];
  const uint8_t* codes[kQStreams];
  for (size_t s = 0; s < streams; ++s) codes[s] = QSteps(chunks[s], count, steps[s]);
  const size_t whole = count / q::kBlock;
  size_t b = 0;
  for (; b + kWide <= whole; b += kWide)
    QSumBlocks<F, kInto, kWide>(codes, steps, streams, b, sums);
  for (; b < whole; ++b) QSumBlocks<F, kInto, 1>(codes, steps, streams, b, sums);
  const size_t from = whole * q::kBlock;
  QDecodeRest<F, kInto>(chunks[0], codes[0], steps[0], from, count, sums);
  for (size_t s = 1; s < streams; ++s) {
    QDecodeRest<F, QInto::kAdd>(chunks[s], codes[s], steps[s], from, count, sums);
  }
}

template <typename F, QInto kInto>
size_t QSumSome(const QChunk* chunks, size_t number, size_t count, float* sums) {
  size_t streams = 0;
  while (streams < number && streams < kQStreams && !chunks[streams].guarded) ++streams;
  if (streams != 0) {
    QSumStreams<F, kInto>(chunks, streams, count, sums);
    return streams;
  }
  QDecodeChunk<F, kInto>(chunks[0], count, sums);
  return 1;
}

template <typename F>
void QSum(const QChunk* chunks, size_t number, bool add, size_t count, float* sums) {
  size_t done = add ? 0 : QSumSome<F, QInto::kSet>(chunks, number, count, sums);
  while (done < number) done += QSumSome<F, QInto::kAdd>(chunks + done, number - done, count, sums);
}

template <typename F>
constexpr SimdLoops::Q kQLoops = {.encode = QEncode<F>,
                                  .decode = QDecode<F>,
                                  .residual = QDecodeChunk<F, QInto::kResidual>,
                                  .sum = QSum<F>};
