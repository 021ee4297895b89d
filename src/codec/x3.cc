// SPDX-License-Identifier: Apache-2.0
//
// Codec `x3`: lossless, 3-bit exponents below a block's base. Formulas: x3_math.h; layout:
// docs/codecs.md.

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "codec/builtin_codecs.h"
#include "codec/float_environment.h"
#include "codec/piece_loops.h"
#include "codec/pieces.h"
#include "codec/x3_math.h"

namespace thinwire {
namespace {

size_t Chunks(size_t count) { return CeilDivide(count, x3::kChunk); }
size_t TableBytes(size_t count) { return x3::TableBytes(Chunks(count)); }
// Where a chunk ends in a run; the table counts from its own end.
size_t EndAt(size_t piece) { return piece * sizeof(uint64_t); }

class X3 final : public Codec {
 public:
  CodecId id() const override { return CodecId::kX3; }
  const std::string& spec() const override { return spec_; }
  bool exact() const override { return true; }
  bool Supports(DataType dtype) const override {
    return dtype == DataType::kBfloat16 || dtype == DataType::kFloat32;
  }
  size_t granule() const override { return x3::kChunk; }
  size_t block() const override { return 1; }
  ErrorBound bound() const override { return {}; }
  bool fixed_size() const override { return false; }
  // As if every chunk were stored raw.
  size_t EncodedBytes(size_t count, DataType dtype) const override {
    return TableBytes(count) + count * SizeOf(dtype);
  }
  size_t UsedBytes(const std::byte* encoded, size_t count, DataType) const override {
    if (count == 0) return 0;
    return TableBytes(count) + LoadLittle<uint64_t>(encoded + EndAt(Chunks(count) - 1));
  }

  void Encode(const void* source, DataType dtype, size_t count, std::byte* target,
              const Noise&) const override {
    const bool stream = EncodedBytes(count, dtype) >= kStreamBytes;
    for (size_t piece = 0; piece < Chunks(count); ++piece) {
      Write(At(source, dtype, piece * kPiece), dtype, count, piece, stream, target);
    }
    if (stream) StreamFence();
  }

  Status Decode(std::span<const std::byte> source, DataType dtype, size_t count,
                void* target) const override {
    TW_TRY(CheckRun(source, dtype, count));
    const bool stream = count * SizeOf(dtype) >= kStreamBytes;
    for (size_t piece = 0; piece < Chunks(count); ++piece) {
      TW_TRY(Read(source, dtype, count, piece, stream, At(target, dtype, piece * kPiece)));
    }
    if (stream) StreamFence();
    return {};
  }

  Status DecodeAdd(std::span<const std::byte> source, DataType dtype, size_t count,
                   float* accumulator) const override {
    TW_TRY(CheckRun(source, dtype, count));
    const FloatEnvironment environment;
    Scratch<float> elements;
    Scratch<float> wide;
    for (size_t from = 0; from < count; from += kPiece) {
      const size_t size = std::min(kPiece, count - from);
      TW_TRY(ReadPiece(source, dtype, count, from / kPiece, elements.data));
      Simd().add(LoadFloats(elements.data, dtype, size, wide.data), size, accumulator + from);
    }
    return {};
  }

  void WritePiece(const void* source, DataType dtype, size_t count, size_t piece, std::byte* run,
                  const Noise&) const override {
    Write(source, dtype, count, piece, false, run);
  }
  Status ReadPiece(std::span<const std::byte> run, DataType dtype, size_t count, size_t piece,
                   void* target) const override {
    TW_TRY(CheckRun(run, dtype, count));
    return Read(run, dtype, count, piece, false, target);
  }

 private:
  static_assert(x3::kChunk == kPiece);

  static void Write(const void* source, DataType dtype, size_t count, size_t piece, bool stream,
                    std::byte* run) {
    const size_t table = TableBytes(count);
    if (piece == 0) std::memset(run, 0, table);
    const uint64_t begin = piece == 0 ? 0 : LoadLittle<uint64_t>(run + EndAt(piece - 1));
    const size_t size = std::min(kPiece, count - piece * kPiece);
    auto* const chunk = reinterpret_cast<uint8_t*>(run + table + begin);
    const size_t bytes = Simd().x3_encode(source, dtype == DataType::kFloat32, size, stream, chunk);
    StoreLittle<uint64_t>(begin + bytes, run + EndAt(piece));
  }

  // REQUIRES: CheckRun.
  static Status Read(std::span<const std::byte> run, DataType dtype, size_t count, size_t piece,
                     bool stream, void* target) {
    TW_ASSIGN(const auto chunk, Chunk(run, count, piece));
    const size_t size = std::min(kPiece, count - piece * kPiece);
    const size_t raw_bytes = size * SizeOf(dtype);
    if (chunk.size() == raw_bytes) {
      std::memcpy(target, chunk.data(), raw_bytes);
      return {};
    }
    if (chunk.size() > raw_bytes || chunk.size() < x3::FixedBytes(size, SizeOf(dtype))) {
      return Corrupt(piece, "its length does not fit its elements");
    }
    const auto* bytes = reinterpret_cast<const uint8_t*>(chunk.data());
    const bool wide = dtype == DataType::kFloat32;
    if (!Simd().x3_decode(bytes, chunk.size(), wide, size, stream, target)) {
      return Corrupt(piece, "its escapes do not fit its length, or its pads are not zero");
    }
    return {};
  }

  static Status Corrupt(size_t piece, std::string_view why) {
    return RemoteError(
        "codec x3: chunk {} can't be read: {}; the bytes are corrupt or of another codec", piece,
        why);
  }

  Status CheckRun(std::span<const std::byte> run, DataType dtype, size_t count) const {
    if (!Supports(dtype)) {
      return InvalidArgument("codec x3 takes bfloat16 and float elements, not {}; use raw",
                             NameOf(dtype));
    }
    if (run.size() > EncodedBytes(count, dtype) || run.size() < TableBytes(count)) {
      return RemoteError("codec x3: {} bytes came for {} elements, which take {} to {}", run.size(),
                         count, TableBytes(count), EncodedBytes(count, dtype));
    }
    return {};
  }

  // The bytes of one chunk. Its end is where the next begins, and the last one's is the run's.
  static Result<std::span<const std::byte>> Chunk(std::span<const std::byte> run, size_t count,
                                                  size_t piece) {
    const auto chunks = run.subspan(TableBytes(count));
    const uint64_t begin = piece == 0 ? 0 : LoadLittle<uint64_t>(run.data() + EndAt(piece - 1));
    const uint64_t end = LoadLittle<uint64_t>(run.data() + EndAt(piece));
    const bool last = piece + 1 == Chunks(count);
    const size_t pad = TableBytes(count) - EndAt(Chunks(count));
    const bool padded = std::all_of(chunks.data() - pad, chunks.data(),
                                    [](std::byte byte) { return byte == std::byte{0}; });
    if (begin > end || end > chunks.size() || (last && end != chunks.size()) || !padded) {
      return Corrupt(piece, "the table of ends makes no sense");
    }
    return chunks.subspan(begin, end - begin);
  }

  std::string spec_ = "x3";
};

}  // namespace

Result<std::unique_ptr<const Codec>> MakeX3(const CodecOptions&) {
  return std::unique_ptr<const Codec>(std::make_unique<X3>());
}

}  // namespace thinwire
