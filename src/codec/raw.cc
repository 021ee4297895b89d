// SPDX-License-Identifier: Apache-2.0
//
// Codec `raw`: the elements as they are.

#include <algorithm>
#include <cstring>

#include "codec/codec.h"
#include "codec/float_environment.h"
#include "codec/pieces.h"

namespace thinwire {
namespace {

class Raw final : public Codec {
 public:
  CodecId id() const override { return CodecId::kRaw; }
  const std::string& spec() const override { return spec_; }
  bool exact() const override { return true; }
  bool Supports(DataType) const override { return true; }
  size_t granule() const override { return 1; }
  size_t block() const override { return 1; }
  ErrorBound bound() const override { return {}; }
  size_t EncodedBytes(size_t count, DataType dtype) const override { return count * SizeOf(dtype); }

  void Encode(const void* source, DataType dtype, size_t count, std::byte* target,
              const Noise&) const override {
    if (count != 0) std::memcpy(target, source, count * SizeOf(dtype));
  }

  Status Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                void* target) const override {
    TW_TRY(CheckBytes(source.size(), dtype, count));
    if (count != 0) std::memcpy(target, source.data(), source.size());
    return {};
  }

  Status DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                   float* accumulator) const override {
    TW_TRY(CheckBytes(source.size(), dtype, count));
    if (!IsFloating(dtype) || dtype == DataType::kFloat64) {
      return InvalidArgument("codec raw adds {} elements in their own type, not in binary32",
                             NameOf(dtype));
    }
    const FloatEnvironment environment;
    Scratch<float> wide;
    for (size_t from = 0; from < count; from += kPiece) {
      const size_t size = std::min(kPiece, count - from);
      const float* x = LoadFloats(At(source.data(), dtype, from), dtype, size, wide.data);
      Simd().add(x, size, accumulator + from);
    }
    return {};
  }

 private:
  static Status CheckBytes(size_t bytes, DataType dtype, size_t count) {
    if (bytes == count * SizeOf(dtype)) return {};
    return RemoteError("codec raw: {} bytes came for {} elements, which take {}", bytes, count,
                       count * SizeOf(dtype));
  }

  std::string spec_ = "raw";
};

}  // namespace

const Codec& RawCodec() {
  static const Raw codec;
  return codec;
}

}  // namespace thinwire
