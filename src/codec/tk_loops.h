// SPDX-License-Identifier: Apache-2.0
//
// The loops of codec `tk`: one chunk encoded, decoded, decoded and added. Part of simd_loops.h,
// which includes it inside its namespace. What takes time is going through the chunk (tk_select.h);
// the rest is plain loops over the elements kept.

#include "codec/tk_select.h"

template <typename T>
inline void TkStore(T value, uint8_t* bytes) {
  memcpy(bytes, &value, sizeof(T));
}
template <typename T>
inline T TkLoad(const uint8_t* bytes) {
  T value;
  memcpy(&value, bytes, sizeof(T));
  return value;
}

// ---- Indices: 12 bits each, two in 3 bytes ----

void TkPackIndices(const uint16_t* __restrict indices, size_t k, uint8_t* __restrict bytes) {
  for (size_t j = 0; j + 2 <= k; j += 2, bytes += 3) {
    const uint32_t pair = indices[j] | static_cast<uint32_t>(indices[j + 1]) << 12;
    bytes[0] = static_cast<uint8_t>(pair);
    bytes[1] = static_cast<uint8_t>(pair >> 8);
    bytes[2] = static_cast<uint8_t>(pair >> 16);
  }
  if (k % 2 != 0) TkStore(indices[k - 1], bytes);
}

// False unless they ascend and lie below `count`.
bool TkUnpackIndices(const uint8_t* __restrict bytes, size_t k, size_t count,
                     uint16_t* __restrict indices) {
  size_t j = 0;
  for (; j + 2 <= k; j += 2, bytes += 3) {
    const uint32_t pair = bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16;
    indices[j] = static_cast<uint16_t>(pair & 0xfff);
    indices[j + 1] = static_cast<uint16_t>(pair >> 12);
  }
  if (j < k) indices[j] = static_cast<uint16_t>(TkLoad<uint16_t>(bytes) & 0xfff);
  uint32_t falling = indices[k - 1] >= count ? 1 : 0;
  for (j = 0; j + 1 < k; ++j) falling |= indices[j] >= indices[j + 1] ? 1u : 0u;
  return falling == 0;
}

// ---- Values ----

// The step of values, as stored.
uint32_t TkChooseStep(const uint32_t* bits, size_t k, tk::Value value) {
  uint32_t largest = 0, finite = 0;
  for (size_t j = 0; j < k; ++j) {
    const uint32_t magnitude = bits[j] & 0x7fffffffu;
    const uint32_t or_zero = magnitude < tk::kInfBits ? magnitude : 0;
    largest = largest < magnitude ? magnitude : largest;
    finite = finite < or_zero ? or_zero : finite;
  }
  return tk::StoredStep(largest, finite, value);
}

void TkPackNibbles(const int8_t* __restrict codes, size_t k, uint8_t* __restrict bytes) {
  for (size_t j = 0; j < (k + 1) / 2; ++j) {
    bytes[j] = static_cast<uint8_t>((codes[2 * j] & 0xf) | (codes[2 * j + 1] & 0xf) << 4);
  }
}

void TkPackCodes(const uint32_t* bits, size_t k, tk::Value value, uint32_t step, uint8_t* bytes) {
  const float inverse = 1.0f / tk::Step(step);
  const int32_t largest = tk::LargestCode(value);
  int8_t codes[tk::kChunk + 1];
  if ((step & tk::kGuarded) != 0) {
    for (size_t j = 0; j < k; ++j) {
      codes[j] = static_cast<int8_t>(tk::GuardedCode(BitCast<float>(bits[j]), inverse, largest));
    }
  } else {
    for (size_t j = 0; j < k; ++j) {
      codes[j] = static_cast<int8_t>(tk::Code(BitCast<float>(bits[j]), inverse));
    }
  }
  codes[k] = 0;
  if (value == tk::Value::kQ4) return TkPackNibbles(codes, k, bytes);
  memcpy(bytes, codes, k);
}

void TkUnpackCodes(const uint8_t* bytes, size_t k, tk::Value value, uint32_t step,
                   float* __restrict values) {
  int8_t codes[tk::kChunk + 1];
  if (value == tk::Value::kQ4) {
    for (size_t j = 0; j < (k + 1) / 2; ++j) {
      codes[2 * j] = static_cast<int8_t>(static_cast<int8_t>(bytes[j] << 4) >> 4);
      codes[2 * j + 1] = static_cast<int8_t>(static_cast<int8_t>(bytes[j]) >> 4);
    }
  } else {
    memcpy(codes, bytes, k);
  }
  const float factor = tk::Step(step);
  const int32_t largest = tk::LargestCode(value);
  if ((step & tk::kGuarded) != 0) {
    for (size_t j = 0; j < k; ++j) values[j] = tk::GuardedValue(codes[j], factor, largest);
  } else {
    for (size_t j = 0; j < k; ++j) values[j] = tk::ValueOf(codes[j], factor);
  }
}

void TkPackValues(const uint32_t* bits, size_t k, tk::Value value, uint32_t step, uint8_t* bytes) {
  switch (value) {
    case tk::Value::kQ4:
    case tk::Value::kQ8:
      return TkPackCodes(bits, k, value, step, bytes);
    case tk::Value::kBf16:
      for (size_t j = 0; j < k; ++j) {
        TkStore(Narrow<Bfloat16>(BitCast<float>(bits[j])), bytes + 2 * j);
      }
      return;
    case tk::Value::kRaw:
      for (size_t j = 0; j < k; ++j) TkStore(bits[j], bytes + 4 * j);
  }
}

void TkUnpackValues(const uint8_t* bytes, size_t k, tk::Value value, uint32_t step,
                    float* __restrict values) {
  switch (value) {
    case tk::Value::kQ4:
    case tk::Value::kQ8:
      return TkUnpackCodes(bytes, k, value, step, values);
    case tk::Value::kBf16:
      for (size_t j = 0; j < k; ++j) values[j] = Widen<Bfloat16>(TkLoad<uint16_t>(bytes + 2 * j));
      return;
    case tk::Value::kRaw:
      for (size_t j = 0; j < k; ++j) values[j] = BitCast<float>(TkLoad<uint32_t>(bytes + 4 * j));
  }
}

// ---- Chunks ----

void TkEncode(const float* source, size_t count, size_t k, tk::Value value, uint32_t* hint,
              uint8_t* chunk) {
  TkList list;
  TkSelect(source, count, k, hint, &list);
  const size_t head = tk::HeadBytes(value);
  const uint32_t step = tk::HasStep(value) ? TkChooseStep(list.bits, k, value) : 0;
  if (head != 0) TkStore(static_cast<uint16_t>(step), chunk);
  TkPackIndices(list.indices, k, chunk + head);
  const size_t at = head + tk::IndexBytes(k);
  TkPackValues(list.bits, k, value, step, chunk + at);
  const size_t end = at + tk::ValueBytes(k, value);
  memset(chunk + end, 0, tk::ChunkBytes(k, value) - end);
}

// What a chunk keeps.
struct TkKept {
  uint16_t indices[tk::kChunk];
  float values[tk::kChunk];
};

bool TkParse(const uint8_t* chunk, size_t count, size_t k, tk::Value value, TkKept* kept) {
  const size_t head = tk::HeadBytes(value);
  if (!TkUnpackIndices(chunk + head, k, count, kept->indices)) return false;
  const uint32_t step = head != 0 ? TkLoad<uint16_t>(chunk) : 0;
  TkUnpackValues(chunk + head + tk::IndexBytes(k), k, value, step, kept->values);
  return true;
}

bool TkDecode(const uint8_t* chunk, size_t count, size_t k, tk::Value value, float* target) {
  TkKept kept;
  if (!TkParse(chunk, count, k, value, &kept)) return false;
  memset(target, 0, count * sizeof(float));
  for (size_t j = 0; j < k; ++j) target[kept.indices[j]] = kept.values[j];
  return true;
}

bool TkDecodeAdd(const uint8_t* chunk, size_t count, size_t k, tk::Value value,
                 float* accumulator) {
  TkKept kept;
  if (!TkParse(chunk, count, k, value, &kept)) return false;
  for (size_t j = 0; j < k; ++j) accumulator[kept.indices[j]] += kept.values[j];
  return true;
}
