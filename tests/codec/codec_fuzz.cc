// SPDX-License-Identifier: Apache-2.0
//
// What must hold for any bytes that any codec decodes, on every instruction set. Run by libFuzzer
// or by support/fuzz_main.cc. An input is a head of 5 bytes and what is decoded:
//
//   0, 1  which codec: that of CodecSpecs() whose spec's selector is the nearest from here upwards,
//         so corpora stay valid when codecs are added
//   2, 3  count, modulo 9000: two chunks and a part
//   4     bits 0 to 3: data type; bit 6: memory is misaligned; bit 7: the bytes are as many as
//   there
//         are, else as many as the count takes
//
// Buffers have exactly the size they need, so a sanitizer sees any access beyond them.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/simd.h"

namespace thinwire {
namespace {

constexpr size_t kHeadBytes = 5;
constexpr size_t kMaxCount = 9000;

void Require(bool holds, const Codec& codec, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "codec_fuzz: %s on %s: %s\n", codec.spec().c_str(), Simd().name, what);
  std::abort();
}

// FNV-1a, 32 bits folded to 16.
uint16_t Selector(std::string_view spec) {
  uint32_t value = 0x811c9dc5u;
  for (const char c : spec) value = (value ^ static_cast<uint8_t>(c)) * 0x01000193u;
  return static_cast<uint16_t>(value >> 16 ^ value);
}

const Codec& Choose(uint16_t selector) {
  const auto distance = [&](std::string_view spec) {
    return static_cast<uint16_t>(Selector(spec) - selector);
  };
  const std::string_view spec = *std::ranges::min_element(CodecSpecs(), {}, distance);
  return *FindCodec(std::string(spec)).value();
}

// `size` bytes on the heap and nothing after them, at an odd address if asked for.
class Buffer {
 public:
  Buffer(size_t size, bool misaligned)
      : offset_(misaligned), size_(size), bytes_(std::make_unique<std::byte[]>(size + offset_)) {}
  std::byte* data() const { return bytes_.get() + offset_; }
  std::span<std::byte> span() const { return {data(), size_}; }

 private:
  size_t offset_;
  size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

struct Input {
  const Codec& codec;
  DataType dtype = DataType::kFloat32;
  size_t count = 0;
  bool misaligned = false;
  std::span<const std::byte> encoded;
};

// What one instruction set makes of an input, for comparison with others.
struct Outcome {
  Status status;
  std::vector<std::byte> bytes;  // the elements, the sums, the elements encoded again

  void Append(std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
};

bool CanAdd(const Input& input) {
  return IsFloating(input.dtype) && (!input.codec.exact() || input.dtype != DataType::kFloat64);
}

// Encodes what was decoded, decodes that, and expects both to work.
void EncodeAgain(const Input& input, const Buffer& elements, Outcome* outcome) {
  const Codec& codec = input.codec;
  const Buffer again(codec.EncodedBytes(input.count, input.dtype), input.misaligned);
  codec.Encode(elements.data(), input.dtype, input.count, again.data());
  size_t used = again.span().size();
  if (!codec.fixed_size()) {
    used = codec.UsedBytes(again.data(), input.count, input.dtype);
    Require(used <= again.span().size(), codec, "an encoding has the size that was promised");
  }
  const Buffer exact(used, input.misaligned);
  std::copy_n(again.data(), used, exact.data());
  const Buffer decoded(elements.span().size(), input.misaligned);
  Require(codec.Decode(exact.span(), input.dtype, input.count, decoded.data()).ok(), codec,
          "what was encoded can be decoded");
  outcome->Append(exact.span());
  outcome->Append(decoded.span());
}

Outcome Run(const Input& input) {
  const Codec& codec = input.codec;
  Outcome outcome;
  const Buffer elements(input.count * SizeOf(input.dtype), input.misaligned);
  outcome.status = codec.Decode(input.encoded, input.dtype, input.count, elements.data());
  const bool ok = outcome.status.ok();
  Require(ok || outcome.status.code() == Code::kRemote || !codec.Supports(input.dtype), codec,
          "bad bytes are the peer's fault");
  Require(ok || !outcome.status.message().empty(), codec, "an error has a reason");
  if (ok) outcome.Append(elements.span());
  if (CanAdd(input)) {
    const auto sums = std::make_unique<float[]>(input.count);
    const Status added = codec.DecodeAdd(input.encoded, input.dtype, input.count, sums.get());
    Require(added.ok() == ok, codec, "what can be decoded can be added");
    if (ok) outcome.Append(std::as_bytes(std::span(sums.get(), input.count)));
  }
  if (ok) EncodeAgain(input, elements, &outcome);
  return outcome;
}

void Check(const Input& input) {
  Outcome first;
  for (const SimdLoops* loops : SimdAvailable()) {
    ForceSimd(loops);
    Outcome outcome = Run(input);
    if (loops == SimdAvailable().front())
      first = std::move(outcome);
    else {
      Require(outcome.status.code() == first.status.code(), input.codec,
              "instruction sets agree on what is an error");
      Require(outcome.bytes == first.bytes, input.codec, "instruction sets give the same bytes");
    }
  }
  ForceSimd(nullptr);
}

}  // namespace
}  // namespace thinwire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace thinwire;
  if (size < kHeadBytes) return 0;
  const auto number = [&](size_t at) {
    return static_cast<uint16_t>(data[at] | data[at + 1] << 8);
  };
  const uint8_t flags = data[4];
  Input input = {.codec = Choose(number(0)), .encoded = {}};
  input.dtype = static_cast<DataType>((flags & 0xf) % kDataTypes);
  input.count = number(2) % kMaxCount;
  input.misaligned = (flags & 0x40) != 0;
  const size_t rest = size - kHeadBytes;
  const size_t full = input.codec.EncodedBytes(input.count, input.dtype);
  const size_t wanted = input.codec.fixed_size() ? full : std::min(rest, full);
  const Buffer encoded((flags & 0x80) != 0 ? rest : wanted, input.misaligned);
  std::memcpy(encoded.data(), data + kHeadBytes, std::min(rest, encoded.span().size()));
  input.encoded = encoded.span();
  Check(input);
  return 0;
}
