// SPDX-License-Identifier: Apache-2.0
//
// The loops of the rotated quantizers: one chunk encoded, decoded, decoded and added. Part of
// simd_loops.h, which includes it inside its namespace.
//
// Whole chunks only: matrices of 256 rows and 16 lanes. Shorter ones are padded with lanes of zeros
// and their planes spread or gathered. The transform is two passes of 16 rows, butterflies on bits
// 0 to 3 of the row and on bits 4 to 7.

#include "codec/rq_block.h"

constexpr size_t kRqScaleBytes = rq::ScaleBytes(rq::kLanes);

struct alignas(64) RqMatrix {
  float at[rq::kChunk];
};

// ---- Encoder ----

// Four lines a step: over the three passes of a chunk, all of a later one. Into the second cache:
// it can wait for more lines at once than the first.
constexpr size_t kRqChunksAhead = 2;
TW_RQ void RqFetchAhead(const float* x, size_t step) {
  for (size_t line = 4 * step; line < 4 * step + 4; ++line) {
    __builtin_prefetch(x + kRqChunksAhead * rq::kChunk + line * 16, 0, 2);
  }
}

// h = H (flips x); largest[lane] = the largest magnitude of each block, as bits.
void RqRotate(const float* x, const float* flips, float* __restrict h, int32_t* largest) {
  for (size_t row = 0; row < rq::kRows; row += 16) {
    RqFetchAhead(x, row / 16);
    for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
      RqF rows[16];
      for (size_t k = 0; k < 16; ++k) {
        rows[k] = RqLoad<RqF>(x + (row + k) * rq::kLanes + lane) * flips[row + k];
      }
      RqTransform<16>(rows);
      for (size_t k = 0; k < 16; ++k) RqSave(h + (row + k) * rq::kLanes + lane, rows[k]);
    }
  }
  for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
    RqI most = {};
    for (size_t row = 0; row < 16; ++row) {
      if (lane == 0) RqFetchAhead(x, 16 + row);
      float* const at = h + row * rq::kLanes + lane;
      RqF rows[16];
      for (size_t k = 0; k < 16; ++k) rows[k] = RqLoad<RqF>(at + k * 16 * rq::kLanes);
      RqTransform<16>(rows);
      for (size_t k = 0; k < 16; ++k) {
        const RqI bits = (RqI)rows[k] & 0x7fffffff;
        most = bits > most ? bits : most;
        RqSave(at + k * 16 * rq::kLanes, rows[k]);
      }
    }
    RqSave(largest + lane, most);
  }
}

// Blocks of NaN, Inf or nothing get all codes 0.
void RqClearLanes(const int32_t* largest, float* h) {
  int32_t keep[rq::kLanes];
  int32_t all = -1;
  for (size_t lane = 0; lane < rq::kLanes; ++lane) {
    keep[lane] = rq::IsOrdinary(static_cast<uint32_t>(largest[lane])) ? -1 : 0;
    all &= keep[lane];
  }
  if (all != 0) return;
  for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
    const RqI mask = RqLoad<RqI>(keep + lane);
    for (size_t row = 0; row < rq::kRows; ++row) {
      float* const at = h + row * rq::kLanes + lane;
      RqSave(at, RqLoad<RqI>(at) & mask);
    }
  }
}

// Sums over the rows of kRqWidth blocks, of integers below 2^24: exact in any order.
struct RqSums {
  RqF inverse;
  RqF products = {};  // w l
  RqF squares = {};   // l l, or w w where unbiased
};

template <int kBits, bool kUnbiased>
TW_RQ RqI RqCode(const float* h, RqSums* sums) {
  const RqI bits = RqLoad<RqI>(h);
  const RqF on_grid = rq::OnGrid((RqF)(bits & 0x7fffffff), sums->inverse);
  const RqF w = on_grid - rq::kGridBase;
  RqF level;
  const RqI cell = RqCell<kBits>(on_grid, &level);
  sums->products += w * level;
  sums->squares += kUnbiased ? w * w : level * level;
  return cell | ((bits >> (32 - kBits)) & (1 << (kBits - 1)));
}

// The bytes of code planes for rows `row` + 32 k, k < 8.
template <int kBits, bool kUnbiased>
TW_RQ void RqCodeRows(const float* h, size_t row, size_t lane, RqSums* sums, uint8_t* planes) {
  RqI codes[8];
  for (size_t k = 0; k < 8; ++k) {
    codes[k] = RqCode<kBits, kUnbiased>(h + (row + 32 * k) * rq::kLanes + lane, sums);
  }
  const auto put = [&](size_t at, RqI bytes) {
    RqSave(planes + at * rq::kLanes + lane, __builtin_convertvector(bytes, RqBytes));
  };
  if constexpr (kBits == 4) {
    for (size_t k = 0; k < 4; ++k) put(row + 32 * k, codes[k] | codes[k + 4] << 4);
  } else if constexpr (kBits != 1) {
    for (size_t k = 0; k < 2; ++k) {
      RqI bytes = {};
      for (size_t b = 0; b < 4; ++b) bytes |= (codes[k + 2 * b] & 3) << static_cast<int>(2 * b);
      put(row + 32 * k, bytes);
    }
  }
  if constexpr (kBits % 2 == 1) {
    RqI bytes = {};
    for (size_t k = 0; k < 8; ++k) bytes |= (codes[k] >> (kBits - 1)) << static_cast<int>(k);
    put(row + (kBits == 3 ? 64 : 0), bytes);
  }
}

// The scale plane of 16 lanes, from what both sums are of.
template <bool kUnbiased>
void RqScales(const int32_t* largest, const float* products, const float* squares,
              uint8_t* scales) {
  for (size_t lane = 0; lane < rq::kLanes; ++lane) {
    const uint16_t scale = rq::BlockScale(static_cast<uint32_t>(largest[lane]), products[lane],
                                          squares[lane], kUnbiased);
    scales[2 * lane] = static_cast<uint8_t>(scale);
    scales[2 * lane + 1] = static_cast<uint8_t>(scale >> 8);
  }
}

template <int kBits, bool kUnbiased>
void RqEncodeWhole(const float* x, const float* flips, uint8_t* chunk) {
  RqMatrix h;
  alignas(64) int32_t largest[rq::kLanes];
  RqRotate(x, flips, h.at, largest);
  RqClearLanes(largest, h.at);
  alignas(64) float inverses[rq::kLanes];
  for (size_t lane = 0; lane < rq::kLanes; ++lane) {
    inverses[lane] = rq::InverseOf(static_cast<uint32_t>(largest[lane]));
  }
  float products[rq::kLanes];
  float squares[rq::kLanes];
  for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
    RqSums sums = {.inverse = RqLoad<RqF>(inverses + lane)};
    for (size_t row = 0; row < 32; ++row) {
      if (lane == 0) RqFetchAhead(x, 32 + row);
      RqCodeRows<kBits, kUnbiased>(h.at, row, lane, &sums, chunk + kRqScaleBytes);
    }
    RqSave(products + lane, sums.products);
    RqSave(squares + lane, sums.squares);
  }
  RqScales<kUnbiased>(largest, products, squares, chunk);
}

template <bool kUnbiased>
void RqEncodeAny(int bits, const float* x, const float* flips, uint8_t* chunk) {
  switch (bits) {
    case 4:
      return RqEncodeWhole<4, kUnbiased>(x, flips, chunk);
    case 3:
      return RqEncodeWhole<3, kUnbiased>(x, flips, chunk);
    case 2:
      return RqEncodeWhole<2, kUnbiased>(x, flips, chunk);
    default:
      return RqEncodeWhole<1, kUnbiased>(x, flips, chunk);
  }
}

void RqEncode(int bits, bool unbiased, const float* x, size_t count, const float* flips,
              uint8_t* chunk) {
  const auto encode = unbiased ? RqEncodeAny<true> : RqEncodeAny<false>;
  if (count == rq::kChunk) return encode(bits, x, flips, chunk);
  const size_t lanes = rq::Lanes(count);
  RqMatrix padded = {};
  for (size_t row = 0; row * lanes < count; ++row) {
    const size_t rest = count - row * lanes;
    memcpy(padded.at + row * rq::kLanes, x + row * lanes,
           (rest < lanes ? rest : lanes) * sizeof(float));
  }
  uint8_t whole[rq::PlaneBytes(rq::kChunk, 4)];
  encode(bits, padded.at, flips, whole);
  memset(chunk, 0, rq::ScaleBytes(lanes));
  memcpy(chunk, whole, 2 * lanes);
  for (size_t row = 0; row < rq::CodeRows(bits); ++row) {
    memcpy(chunk + rq::ScaleBytes(lanes) + row * lanes, whole + kRqScaleBytes + row * rq::kLanes,
           lanes);
  }
}

// ---- Decoder ----

struct alignas(64) RqShorts {
  int16_t at[rq::kChunk];
};

// Levels of all rows, transformed on bits 4 to 7 of the row.
template <int kBits>
void RqUnpack(const uint8_t* planes, int16_t* __restrict n) {
  for (size_t row = 0; row < 16; ++row) {
    for (size_t lane = 0; lane < rq::kLanes; lane += kRqShorts) {
      RqS rows[16];
      for (size_t k = 0; k < 16; ++k) {
        rows[k] = RqLevelsOf<kBits>(RqCodesAt<kBits>(planes + lane, row, k));
      }
      RqTransform<16>(rows);
      for (size_t k = 0; k < 16; ++k) RqSave(n + (row + 16 * k) * rq::kLanes + lane, rows[k]);
    }
  }
}

// rq::Scaling of kRqWidth blocks.
struct RqScaling {
  RqF scale;
  RqI keep = {};
  RqI instead = {};
};

template <RqStore kStore, bool kGuarded>
TW_RQ void RqFinish(const int16_t* n, const float* flip, const RqScaling& scaling, float* target) {
  typedef int16_t Part __attribute__((vector_size(kRqWidth * 2)));
  const RqF integer = __builtin_convertvector(RqLoad<Part>(n), RqF);
  RqF value = rq::Restored(integer, *flip, scaling.scale);
  if constexpr (kGuarded) {
    value = (RqF)rq::Guarded((RqI)value, scaling.keep, scaling.instead);
  }
  RqPut<kStore>(target, value);
}

template <RqStore kStore, bool kGuarded>
void RqRestore(const int16_t* n, const float* flips, const RqScaling* scalings,
               float* __restrict target) {
  for (size_t row = 0; row < rq::kRows; row += 16) {
    RqShorts done;
    for (size_t lane = 0; lane < rq::kLanes; lane += kRqShorts) {
      RqS rows[16];
      for (size_t k = 0; k < 16; ++k) rows[k] = RqLoad<RqS>(n + (row + k) * rq::kLanes + lane);
      RqTransform<16>(rows);
      for (size_t k = 0; k < 16; ++k) RqSave(done.at + k * rq::kLanes + lane, rows[k]);
    }
    for (size_t k = 0; k < 16; ++k) {
      for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
        RqFinish<kStore, kGuarded>(done.at + k * rq::kLanes + lane, flips + row + k,
                                   scalings[lane / kRqWidth],
                                   target + (row + k) * rq::kLanes + lane);
      }
    }
  }
}

// Returns whether the chunk needs the guarded loop.
bool RqReadScales(const uint8_t* scales, RqScaling* scalings) {
  alignas(64) float scale[rq::kLanes];
  alignas(64) int32_t keep[rq::kLanes];
  alignas(64) int32_t instead[rq::kLanes];
  bool guarded = false;
  for (size_t lane = 0; lane < rq::kLanes; ++lane) {
    const rq::Scaling scaling =
        rq::ScalingOf(static_cast<uint16_t>(scales[2 * lane] | scales[2 * lane + 1] << 8));
    scale[lane] = scaling.scale;
    keep[lane] = scaling.keep;
    instead[lane] = scaling.instead;
    guarded = guarded || scaling.guarded;
  }
  for (size_t lane = 0; lane < rq::kLanes; lane += kRqWidth) {
    scalings[lane / kRqWidth] = {RqLoad<RqF>(scale + lane), RqLoad<RqI>(keep + lane),
                                 RqLoad<RqI>(instead + lane)};
  }
  return guarded;
}

template <RqStore kStore>
void RqDecodeWhole(int bits, const uint8_t* chunk, const float* flips, float* target) {
  RqScaling scalings[rq::kLanes / kRqWidth];
  const bool guarded = RqReadScales(chunk, scalings);
  const auto unpack = bits == 4   ? RqUnpack<4>
                      : bits == 3 ? RqUnpack<3>
                      : bits == 2 ? RqUnpack<2>
                                  : RqUnpack<1>;
  RqShorts n;
  unpack(chunk + kRqScaleBytes, n.at);
  if (guarded) return RqRestore<kStore, true>(n.at, flips, scalings, target);
  RqRestore<kStore, false>(n.at, flips, scalings, target);
}

// A short chunk, decoded through a whole one.
template <bool kAdd>
void RqDecodeShort(int bits, const uint8_t* chunk, size_t count, const float* flips,
                   float* target) {
  const size_t lanes = rq::Lanes(count);
  uint8_t whole[rq::PlaneBytes(rq::kChunk, 4)] = {};
  memcpy(whole, chunk, 2 * lanes);
  for (size_t row = 0; row < rq::CodeRows(bits); ++row) {
    memcpy(whole + kRqScaleBytes + row * rq::kLanes, chunk + rq::ScaleBytes(lanes) + row * lanes,
           lanes);
  }
  RqMatrix values;
  RqDecodeWhole<RqStore::kPlain>(bits, whole, flips, values.at);
  for (size_t i = 0; i < count; ++i) {
    const float value = values.at[i / lanes * rq::kLanes + i % lanes];
    target[i] = kAdd ? target[i] + value : value;
  }
}

void RqDecode(int bits, const uint8_t* chunk, size_t count, const float* flips, bool stream,
              float* target) {
  if (count != rq::kChunk) return RqDecodeShort<false>(bits, chunk, count, flips, target);
  if (!stream || !IsStreamable(target)) {
    return RqDecodeWhole<RqStore::kPlain>(bits, chunk, flips, target);
  }
  RqDecodeWhole<RqStore::kStream>(bits, chunk, flips, target);
}
void RqDecodeAdd(int bits, const uint8_t* chunk, size_t count, const float* flips,
                 float* accumulator) {
  if (count != rq::kChunk) return RqDecodeShort<true>(bits, chunk, count, flips, accumulator);
  RqDecodeWhole<RqStore::kAdd>(bits, chunk, flips, accumulator);
}
