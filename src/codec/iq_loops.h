// SPDX-License-Identifier: Apache-2.0
//
// The loops of codecs `iq8` and `iq4`: one chunk. Part of simd_loops.h, which includes it inside
// its namespace.

// The steps of a run's blocks, from what stands in them.
template <typename F>
void IqSteps(const float* x, size_t count, uint16_t* steps) {
  for (size_t from = 0; from < count; from += iq::kBlock) {
    const size_t size = count - from < iq::kBlock ? count - from : iq::kBlock;
    uint32_t largest = 0;
    for (size_t i = 0; i < size; ++i) {
      const uint32_t magnitude = q::MagnitudeBits(x[from + i]);
      largest = largest < magnitude ? magnitude : largest;
    }
    steps[from / iq::kBlock] = iq::StepOf<F>(largest);
  }
}

// A plane of kBits of each code, from bit `shift` on: byte i holds those of elements i + k * bytes.
template <int kBits>
void IqPackPlane(const uint32_t* __restrict codes, size_t padded, int shift,
                 uint8_t* __restrict plane) {
  constexpr size_t kPer = 8 / kBits;
  const size_t bytes = padded / kPer;
  for (size_t i = 0; i < bytes; ++i) {
    uint32_t byte = 0;
    for (size_t k = 0; k < kPer; ++k) {
      byte |= (codes[i + k * bytes] >> shift & ((1u << kBits) - 1)) << k * kBits;
    }
    plane[i] = static_cast<uint8_t>(byte);
  }
}
template <int kBits>
void IqUnpackPlane(const uint8_t* __restrict plane, size_t padded, int shift,
                   uint32_t* __restrict codes) {
  constexpr size_t kPer = 8 / kBits;
  const size_t bytes = padded / kPer;
  for (size_t k = 0; k < kPer; ++k) {
    uint32_t* __restrict to = codes + k * bytes;
    for (size_t i = 0; i < bytes; ++i) {
      to[i] |= (static_cast<uint32_t>(plane[i]) >> k * kBits & ((1u << kBits) - 1)) << shift;
    }
  }
}

// visit(plane of kBits, shift, where it stands) for the planes of codes of `width` bits: as wide
// ones as fit, the lowest bits first.
template <typename Visit>
void IqForEachPlane(int width, size_t padded, Visit visit) {
  size_t at = 0;
  for (int shift = 0; shift < width;) {
    const int left = width - shift;
    const int bits = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    visit(bits, shift, at);
    at += padded / 8 * static_cast<size_t>(bits);
    shift += bits;
  }
}

void IqEncode(const float* source, size_t count, const uint16_t* steps, uint32_t offset, int width,
              uint8_t* chunk) {
  uint32_t codes[iq::kChunk];
  const auto bound = static_cast<int32_t>(offset);
  for (size_t from = 0; from < count; from += iq::kBlock) {
    const size_t size = count - from < iq::kBlock ? count - from : iq::kBlock;
    const float inverse = iq::Inverse(steps[from / iq::kBlock]);
    for (size_t i = 0; i < size; ++i) codes[from + i] = iq::Code(source[from + i], inverse, bound);
  }
  const size_t padded = iq::PaddedElements(count);
  for (size_t i = count; i < padded; ++i) codes[i] = 0;
  memset(chunk, 0, iq::StepBytes(count));
  for (size_t b = 0; b * iq::kBlock < count; ++b) {
    const uint16_t step = iq::SentStep(steps[b]);
    chunk[2 * b] = static_cast<uint8_t>(step);
    chunk[2 * b + 1] = static_cast<uint8_t>(step >> 8);
  }
  uint8_t* const planes = chunk + iq::StepBytes(count);
  IqForEachPlane(width, padded, [&](int bits, int shift, size_t at) {
    if (bits == 8) IqPackPlane<8>(codes, padded, shift, planes + at);
    if (bits == 4) IqPackPlane<4>(codes, padded, shift, planes + at);
    if (bits == 2) IqPackPlane<2>(codes, padded, shift, planes + at);
    if (bits == 1) IqPackPlane<1>(codes, padded, shift, planes + at);
  });
}

void IqDecode(const uint8_t* chunk, size_t count, uint32_t offset, int width, float* target) {
  uint32_t codes[iq::kChunk];
  const size_t padded = iq::PaddedElements(count);
  memset(codes, 0, padded * sizeof(codes[0]));
  const uint8_t* const planes = chunk + iq::StepBytes(count);
  IqForEachPlane(width, padded, [&](int bits, int shift, size_t at) {
    if (bits == 8) IqUnpackPlane<8>(planes + at, padded, shift, codes);
    if (bits == 4) IqUnpackPlane<4>(planes + at, padded, shift, codes);
    if (bits == 2) IqUnpackPlane<2>(planes + at, padded, shift, codes);
    if (bits == 1) IqUnpackPlane<1>(planes + at, padded, shift, codes);
  });
  const auto bound = static_cast<int32_t>(offset);
  for (size_t from = 0; from < count; from += iq::kBlock) {
    const size_t size = count - from < iq::kBlock ? count - from : iq::kBlock;
    const size_t b = from / iq::kBlock;
    const float step = iq::Step(static_cast<uint16_t>(chunk[2 * b] | chunk[2 * b + 1] << 8));
    for (size_t i = 0; i < size; ++i) target[from + i] = iq::Value(codes[from + i], bound, step);
  }
}
