// SPDX-License-Identifier: Apache-2.0
#include "trellis_experiment.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>

#include "distortion_data.h"

namespace thinwire {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 256;
constexpr size_t kWords = kBlock / 32;
static_assert(kLanes * kBlock == kTrellisChunk);

// The same element of 16 blocks. Compilers split it where registers are narrower; they align by the
// widest registers of the function, so the alignment is said, and stands in no template argument,
// which would drop it.
using Floats = float __attribute__((vector_size(4 * kLanes), aligned(64)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes), aligned(64)));

// Everything is inlined into one function per instruction set, so no vector is passed in a call.
#define TW_INLINE inline __attribute__((always_inline))

// Ungerboeck's parity checks for one dimension with 2^memory states. They are the generators too,
// with their places exchanged: h0 gives z1, h1 gives z0. h0 has the newest and the oldest bit, h1
// neither.
struct Parities {
  uint32_t h0, h1;
};
constexpr Parities ParitiesOf(int memory) {
  switch (memory) {
    case 2:
      return {05, 02};
    case 3:
      return {013, 04};
    case 4:
      return {023, 04};
    case 5:
      return {045, 010};
    case 6:
      return {0103, 024};
    default:
      return {0515, 0362};
  }
}
constexpr int kMostMemory = 8;

// The subset that a window of the last memory + 1 bits selects.
constexpr uint32_t Subset(int memory, uint32_t window) {
  const Parities parities = ParitiesOf(memory);
  return 2 * (static_cast<uint32_t>(std::popcount(window & parities.h0)) & 1) +
         (static_cast<uint32_t>(std::popcount(window & parities.h1)) & 1);
}

// Levels ascend. A trellis has 2^(R+1), a scalar quantizer (memory 0) the first 2^R.
struct Quantizer {
  int rate = 1;
  int memory = 0;
  std::array<float, 8> level{};

  size_t level_count() const { return size_t{1} << (memory == 0 ? rate : rate + 1); }
};

// What a chunk is encoded to.
struct Encoded {
  std::array<uint16_t, kLanes> scale{};  // bfloat16
  Words planes[2][kWords] = {};          // bit t % 32 of word t / 32: u, and what else
};

// What encoding leaves behind.
struct Workspace {
  Floats rotated[kBlock];
  Words upper[kBlock];  // bit s: the nearest level of subset s is its upper one
  // [t][state / 32], bit state % 32: the oldest bit of the window on the best way into the state.
  Words decisions[(kBlock << kMostMemory) / 32];
};

// The same random signs for every block.
const std::array<float, kBlock>& Signs() {
  static const auto signs = [] {
    std::mt19937 random(1);
    std::array<float, kBlock> values{};
    for (float& value : values) value = random() % 2 == 0 ? 1.0f : -1.0f;
    return values;
  }();
  return signs;
}

// Hadamard transform of 16 vectors that lie `stride` apart.
TW_INLINE void Transform16(Floats* values, size_t stride) {
  Floats v[16];
  for (size_t i = 0; i < 16; ++i) v[i] = values[i * stride];
#pragma GCC unroll 4
  for (size_t half = 1; half < 16; half *= 2) {
#pragma GCC unroll 8
    for (size_t k = 0; k < 8; ++k) {
      const size_t i = (k & ~(half - 1)) * 2 + (k & (half - 1));
      const Floats a = v[i], b = v[i + half];
      v[i] = a + b;
      v[i + half] = a - b;
    }
  }
  for (size_t i = 0; i < 16; ++i) values[i * stride] = v[i];
}

TW_INLINE void Transform(Floats* values) {
  for (size_t i = 0; i < 16; ++i) Transform16(values + 16 * i, 1);
  for (size_t i = 0; i < 16; ++i) Transform16(values + i, 16);
}

uint16_t ToBfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float FromBfloat16(uint16_t x) { return std::bit_cast<float>(uint32_t{x} << 16); }

// Brings the blocks to unit mean square.
TW_INLINE void Rotate(const float* source, Workspace* work, Encoded* encoded) {
  const auto& signs = Signs();
  for (size_t t = 0; t < kBlock; ++t) {
    Floats x;
    std::memcpy(&x, source + t * kLanes, sizeof(x));
    work->rotated[t] = x * signs[t];
  }
  Transform(work->rotated);
  Floats energy = {};
  for (const Floats& x : work->rotated) energy += x * x;
  Floats inverse = {};
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const float scale = std::sqrt(energy[lane] / kBlock);
    encoded->scale[lane] = ToBfloat16(scale);
    inverse[lane] = scale > 0 ? 1 / scale : 0;
  }
  for (Floats& x : work->rotated) x *= inverse;
}

// Adds bit t of both planes.
TW_INLINE void Put(size_t t, const Words& u, const Words& v, Encoded* encoded) {
  encoded->planes[0][t / 32] |= u << static_cast<uint32_t>(t % 32);
  encoded->planes[1][t / 32] |= v << static_cast<uint32_t>(t % 32);
}

TW_INLINE void RoundToLevels(const Quantizer& quantizer, const Workspace& work, Encoded* encoded) {
  const auto& level = quantizer.level;
  for (size_t t = 0; t < kBlock; ++t) {
    const Floats x = work.rotated[t];
    Words code = {};
    for (size_t k = 0; k + 1 < quantizer.level_count(); ++k) {
      code -= (Words)(x > 0.5f * (level[k] + level[k + 1]));  // true is -1
    }
    Put(t, code & 1, code >> 1, encoded);
  }
}

// One step of the search: costs of the ways into every state, and which was better. States 2q and
// 2q+1 are reached from q and from q + states/2; the two ways out of a state, and the two ways into
// one, differ in z1 alone.
template <int kMemory>
TW_INLINE void Advance(const Floats* __restrict metric, const Floats* __restrict cost,
                       Floats* __restrict next, Words* __restrict decision) {
  constexpr size_t kPairs = size_t{1} << (kMemory - 1);
  constexpr auto kSubset = [] {
    std::array<uint8_t, kPairs> subsets{};
    for (uint32_t q = 0; q < kPairs; ++q) subsets[q] = static_cast<uint8_t>(Subset(kMemory, 2 * q));
    return subsets;
  }();
  constexpr size_t kPairsOfWord = std::min<size_t>(kPairs, 16);
  for (size_t word = 0; word < kPairs / kPairsOfWord; ++word) {
    Words decided = {};
#pragma GCC unroll 16
    for (size_t i = 0; i < kPairsOfWord; ++i) {
      const size_t q = word * kPairsOfWord + i;
      const Floats same = metric[kSubset[q]], other = metric[kSubset[q] ^ 2];
      const Floats low = cost[q], high = cost[q + kPairs];
      const Words even = (Words)(high + other < low + same);
      const Words odd = (Words)(high + same < low + other);
      next[2 * q] = even ? high + other : low + same;
      next[2 * q + 1] = odd ? high + same : low + other;
      decided |= (even & 1u << 2 * i) | (odd & 2u << 2 * i);
    }
    decision[word] = decided;
  }
}

// Squared distances to the nearest level of each subset.
TW_INLINE void Metrics(const Quantizer& quantizer, const Floats& x, Floats* metric, Words* upper) {
  *upper = Words{};
#pragma GCC unroll 4
  for (uint32_t subset = 0; subset < 4; ++subset) {
    const Floats to_low = x - quantizer.level[subset];
    metric[subset] = to_low * to_low;
    if (quantizer.rate == 1) continue;
    const Floats to_high = x - quantizer.level[subset + 4];
    const Words nearer = (Words)(to_high * to_high < metric[subset]);
    metric[subset] = nearer ? to_high * to_high : metric[subset];
    *upper |= nearer & 1u << subset;
  }
}

// Where the best way into each lane's state came from: the oldest bit of the window, and its
// subset.
template <int kMemory>
TW_INLINE void Origin(const Words* decisions, const Words& state, Words* oldest, Words* subset) {
  constexpr size_t kStates = size_t{1} << kMemory;
  // The oldest bit toggles z1.
  if constexpr (kStates <= 32) {
    constexpr auto kPlanes = [] {
      std::array<uint32_t, 2> planes{};
      for (uint32_t s = 0; s < kStates; ++s) {
        planes[0] |= (Subset(kMemory, s) & 1) << s;
        planes[1] |= (Subset(kMemory, s) >> 1) << s;
      }
      return planes;
    }();
    *oldest = decisions[0] >> state & 1;
    const Words z0 = (Words{} + kPlanes[0]) >> state & 1;
    const Words z1 = (Words{} + kPlanes[1]) >> state & 1;
    *subset = z0 | (z1 ^ *oldest) << 1;
  } else {
    constexpr auto kSubsets = [] {
      std::array<uint8_t, kStates> subsets{};
      for (uint32_t s = 0; s < kStates; ++s) subsets[s] = static_cast<uint8_t>(Subset(kMemory, s));
      return subsets;
    }();
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t s = state[lane];
      const uint32_t bit = decisions[s / 32][lane] >> s % 32 & 1;
      (*oldest)[lane] = bit;
      (*subset)[lane] = kSubsets[s] ^ bit << 1;
    }
  }
}

// Follows the best paths backwards.
template <int kMemory>
TW_INLINE void TraceBack(const Floats* cost, const Workspace& work, Encoded* encoded) {
  constexpr size_t kStates = size_t{1} << kMemory;
  constexpr size_t kStateWords = kStates <= 32 ? 1 : kStates / 32;
  Words state = {};
  Floats least = cost[0];
  for (uint32_t s = 1; s < kStates; ++s) {
    const Words better = (Words)(cost[s] < least);
    least = better ? cost[s] : least;
    state = better ? Words{} + s : state;
  }
  for (size_t t = kBlock; t-- > 0;) {
    Words oldest, subset;
    Origin<kMemory>(&work.decisions[t * kStateWords], state, &oldest, &subset);
    Put(t, state & 1, work.upper[t] >> subset & 1, encoded);
    state = (state | oldest << kMemory) >> 1;
  }
}

template <int kMemory>
TW_INLINE void Search(const Quantizer& quantizer, Workspace* work, Encoded* encoded) {
  constexpr size_t kStates = size_t{1} << kMemory;
  constexpr size_t kStateWords = kStates <= 32 ? 1 : kStates / 32;
  Floats costs[2][kStates];
  std::fill_n(costs[0], kStates, Floats{} + 1e30f);  // all paths begin in state 0
  costs[0][0] = Floats{};
  for (size_t t = 0; t < kBlock; t += 2) {
    for (size_t half = 0; half < 2; ++half) {
      Floats metric[4];
      Metrics(quantizer, work->rotated[t + half], metric, &work->upper[t + half]);
      Advance<kMemory>(metric, costs[half], costs[1 - half],
                       &work->decisions[(t + half) * kStateWords]);
    }
  }
  TraceBack<kMemory>(costs[0], *work, encoded);
}

TW_INLINE void EncodeWith(const Quantizer& quantizer, const float* source, Workspace* work,
                          Encoded* encoded) {
  *encoded = Encoded{};
  Rotate(source, work, encoded);
  switch (quantizer.memory) {
    case 0:
      return RoundToLevels(quantizer, *work, encoded);
    case 2:
      return Search<2>(quantizer, work, encoded);
    case 3:
      return Search<3>(quantizer, work, encoded);
    case 4:
      return Search<4>(quantizer, work, encoded);
    case 5:
      return Search<5>(quantizer, work, encoded);
    case 6:
      return Search<6>(quantizer, work, encoded);
    default:
      return Search<8>(quantizer, work, encoded);
  }
}

// Plane z of the parities of plane u: bit t is the sum of the bits t - i of u for which bit i of
// `generator` is set.
TW_INLINE void Parity(const Words* u, uint32_t generator, size_t word, Words* z) {
  *z = Words{};
  for (uint32_t i = 0; i <= kMostMemory; ++i) {
    if ((generator >> i & 1) == 0) continue;
    *z ^= u[word] << i;
    if (i > 0 && word > 0) *z ^= u[word - 1] >> (32 - i);
  }
}

// values[index], lane by lane.
TW_INLINE void Select(const Floats& values, const Words& index, Floats* selected) {
#if defined(__clang__)
  for (size_t lane = 0; lane < kLanes; ++lane) (*selected)[lane] = values[index[lane]];
#else
  *selected = __builtin_shuffle(values, index);
#endif
}

TW_INLINE void DecodeWith(const Quantizer& quantizer, const Encoded& encoded, float* target) {
  Floats values[kBlock];
  const Parities parities = ParitiesOf(quantizer.memory);
  Floats table = {};
  for (size_t i = 0; i < quantizer.level.size(); ++i) table[i] = quantizer.level[i];
  for (size_t word = 0; word < kWords; ++word) {
    const Words* const u = encoded.planes[0];
    Words low = u[word], middle = encoded.planes[1][word], high = {};
    if (quantizer.memory > 0) {
      high = middle;
      Parity(u, parities.h0, word, &middle);
      Parity(u, parities.h1, word, &low);
    }
    for (uint32_t i = 0; i < 32; ++i) {
      const Words index = (low >> i & 1) | (middle >> i & 1) << 1 | (high >> i & 1) << 2;
      Select(table, index, &values[word * 32 + i]);
    }
  }
  Transform(values);
  Floats scale;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    scale[lane] = FromBfloat16(encoded.scale[lane]) / kBlock;
  }
  const auto& signs = Signs();
  for (size_t t = 0; t < kBlock; ++t) {
    const Floats y = values[t] * scale * signs[t];
    std::memcpy(target + t * kLanes, &y, sizeof(y));
  }
}

#if defined(__x86_64__)
#define TW_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define TW_AVX2 __attribute__((target("avx2")))
TW_AVX512 void EncodeAvx512(const Quantizer& quantizer, const float* source, Workspace* work,
                            Encoded* encoded) {
  EncodeWith(quantizer, source, work, encoded);
}
TW_AVX2 void EncodeAvx2(const Quantizer& quantizer, const float* source, Workspace* work,
                        Encoded* encoded) {
  EncodeWith(quantizer, source, work, encoded);
}
TW_AVX512 void DecodeAvx512(const Quantizer& quantizer, const Encoded& encoded, float* target) {
  DecodeWith(quantizer, encoded, target);
}
TW_AVX2 void DecodeAvx2(const Quantizer& quantizer, const Encoded& encoded, float* target) {
  DecodeWith(quantizer, encoded, target);
}
bool HaveAvx512() {
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq");
}
#endif

void Encode(const Quantizer& quantizer, const float* source, Workspace* work, Encoded* encoded) {
#if defined(__x86_64__)
  if (HaveAvx512()) return EncodeAvx512(quantizer, source, work, encoded);
  if (__builtin_cpu_supports("avx2")) return EncodeAvx2(quantizer, source, work, encoded);
#endif
  EncodeWith(quantizer, source, work, encoded);
}

void Decode(const Quantizer& quantizer, const Encoded& encoded, float* target) {
#if defined(__x86_64__)
  if (HaveAvx512()) return DecodeAvx512(quantizer, encoded, target);
  if (__builtin_cpu_supports("avx2")) return DecodeAvx2(quantizer, encoded, target);
#endif
  DecodeWith(quantizer, encoded, target);
}

// The level that element t of a lane is decoded to, bit by bit.
size_t LevelOf(const Quantizer& quantizer, const Encoded& encoded, size_t t, size_t lane) {
  const auto bit = [&](size_t plane, size_t at) {
    return encoded.planes[plane][at / 32][lane] >> at % 32 & 1;
  };
  if (quantizer.memory == 0) return bit(0, t) + 2 * bit(1, t);
  uint32_t window = 0;
  for (size_t i = 0; i <= static_cast<size_t>(quantizer.memory) && i <= t; ++i) {
    window |= bit(0, t - i) << i;
  }
  return Subset(quantizer.memory, window) + 4 * bit(1, t);
}

// Lloyd's iteration on Gaussian samples, other ones than are measured: every level moves to the
// mean of the samples that chose it.
void Train(Quantizer* quantizer) {
  constexpr size_t kSamples = 32 * kTrellisChunk;
  constexpr int kIterations = 12;
  const std::vector<float> samples = GaussianData(kSamples, /*seed=*/1000);
  const size_t count = quantizer->level_count();
  for (size_t i = 0; i < count; ++i) {
    quantizer->level[i] = (2 * static_cast<float>(i) + 1 - static_cast<float>(count)) /
                          std::sqrt(static_cast<float>(count));
  }
  Workspace work;
  Encoded encoded;
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    std::array<double, 8> sum{}, chosen{};
    for (size_t at = 0; at < kSamples; at += kTrellisChunk) {
      Encode(*quantizer, samples.data() + at, &work, &encoded);
      for (size_t i = 0; i < kTrellisChunk; ++i) {
        const size_t level = LevelOf(*quantizer, encoded, i / kLanes, i % kLanes);
        sum[level] += work.rotated[i / kLanes][i % kLanes];
        ++chosen[level];
      }
    }
    for (size_t i = 0; i < count; ++i) {  // the distribution is symmetric
      const size_t j = count - 1 - i;
      quantizer->level[i] = static_cast<float>((sum[i] - sum[j]) / (chosen[i] + chosen[j]));
    }
  }
}

TrellisFigures Measure(const Quantizer& quantizer, std::span<const float> data) {
  constexpr int kRuns = 3;
  const size_t chunks = data.size() / kTrellisChunk;
  const auto count = static_cast<double>(chunks * kTrellisChunk);
  std::vector<Encoded> encoded(chunks);
  std::vector<float> decoded(chunks * kTrellisChunk);
  Workspace work;
  double encode = 1e30, decode = 1e30;  // seconds of the quickest run
  for (int run = 0; run < kRuns; ++run) {
    const double start = ProcessorSeconds();
    for (size_t i = 0; i < chunks; ++i) {
      Encode(quantizer, data.data() + i * kTrellisChunk, &work, &encoded[i]);
    }
    const double middle = ProcessorSeconds();
    for (size_t i = 0; i < chunks; ++i) {
      Decode(quantizer, encoded[i], decoded.data() + i * kTrellisChunk);
    }
    encode = std::min(encode, middle - start);
    decode = std::min(decode, ProcessorSeconds() - middle);
  }
  return {.rate = quantizer.rate,
          .states = 1 << quantizer.memory,
          .bits = quantizer.rate + 16.0 / kBlock,
          .distortion = Distortion(data.first(decoded.size()), decoded),
          .encode_ns = 1e9 * encode / count,
          .decode_ns = 1e9 * decode / count};
}

std::vector<Quantizer> TrainAll() {
  std::vector<Quantizer> quantizers;
  for (const int rate : {1, 2}) {
    for (const int memory : {0, 2, 3, 4, 5, 6, 8}) {
      quantizers.push_back({.rate = rate, .memory = memory});
      Train(&quantizers.back());
    }
  }
  return quantizers;
}

}  // namespace

std::vector<TrellisFigures> RunTrellisExperiment(std::span<const float> data) {
  static const std::vector<Quantizer> quantizers = TrainAll();
  std::vector<TrellisFigures> figures;
  for (const Quantizer& quantizer : quantizers) figures.push_back(Measure(quantizer, data));
  return figures;
}

}  // namespace thinwire
