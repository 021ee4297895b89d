// SPDX-License-Identifier: Apache-2.0
//
// Bytes that no encoder wrote: kernels give the host's verdict, and never touch memory out of
// range.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "codec/float_formats.h"
#include "codec/inputs.h"
#include "codec/x3_math.h"
#include "cuda/device_memory.h"

namespace thinwire::cuda::test {
namespace {

using thinwire::test::FiniteInputs;
using thinwire::test::Floats;
using thinwire::test::TestName;

// Device memory whose last byte is the content's: the emulated runtime ends the program where
// anything behind it is read. The content begins at a multiple of `alignment`, so up to that many
// bytes less one may follow.
class MemoryAtEdge {
 public:
  MemoryAtEdge(std::span<const std::byte> content, size_t alignment) : bytes_(content.size()) {
    constexpr size_t kGrain = 256;  // of allocations
    const size_t most = (bytes_ / kGrain + 1) * kGrain;
    EXPECT_EQ(cudaMalloc(&memory_, most), cudaSuccess);
    data_ = static_cast<std::byte*>(memory_) + (most - bytes_) / alignment * alignment;
    EXPECT_EQ(cudaMemcpy(data_, content.data(), bytes_, cudaMemcpyDefault), cudaSuccess);
  }
  ~MemoryAtEdge() { cudaFree(memory_); }
  MemoryAtEdge(const MemoryAtEdge&) = delete;
  MemoryAtEdge& operator=(const MemoryAtEdge&) = delete;

  std::span<const std::byte> bytes() const { return {data_, bytes_}; }

 private:
  void* memory_ = nullptr;
  std::byte* data_ = nullptr;
  const size_t bytes_;
};

// Equal, but that one NaN is as good as another.
bool SameFloats(const Bytes& a, const Bytes& b) {
  for (size_t i = 0; i < a.size(); i += sizeof(float)) {
    float x = 0, y = 0;
    std::memcpy(&x, a.data() + i, sizeof(x));
    std::memcpy(&y, b.data() + i, sizeof(y));
    if (std::memcmp(&x, &y, sizeof(x)) != 0 && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

Bytes Encoded(const Codec& codec, const void* elements, DataType dtype, size_t count) {
  Bytes bytes(codec.EncodedBytes(count, dtype));
  codec.Encode(elements, dtype, count, bytes.data(), {});
  bytes.resize(codec.UsedBytes(bytes.data(), count, dtype));
  return bytes;
}

// Decodes on the host and on the device, and compares; whether both took the bytes.
bool DecodeOnBoth(const Codec& codec, DataType dtype, size_t count, const Bytes& bytes,
                  size_t alignment, LaunchSite* site) {
  Bytes want(count * SizeOf(dtype));
  const bool good = codec.Decode(bytes, dtype, count, want.data()).ok();
  const MemoryAtEdge encoded(bytes, alignment);
  DeviceMemory decoded(want.size());
  EXPECT_TRUE(LaunchDecode({.codec = &codec,
                            .bytes = encoded.bytes(),
                            .dtype = dtype,
                            .count = count,
                            .target = decoded.data()},
                           site->target())
                  .ok());
  EXPECT_EQ(site->Finish(), !good);
  if (!good) return false;
  const Bytes got = decoded.Read();
  EXPECT_TRUE(codec.exact() || dtype != DataType::kFloat32 ? got == want : SameFloats(got, want));
  return true;
}

// ---- Any codec ----

class HostileSuite : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Codecs, HostileSuite,
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return TestName(tested.param); });

TEST_P(HostileSuite, GivesTheHostsVerdict) {
  const Codec& codec = *FindCodec(std::string(GetParam())).value();
  LaunchSite site;
  std::mt19937 random(11);
  for (const size_t count : {1, 100, 4096, 4096 + 77}) {
    const Floats x = FiniteInputs(count)[4].second;
    const Bytes good = Encoded(codec, x.data(), DataType::kFloat32, count);
    for (int trial = 0; trial < 40; ++trial) {
      SCOPED_TRACE(testing::Message() << count << " elements, trial " << trial);
      Bytes bytes = good;
      // Heads and tables stand at the beginning, so half of the changes are made there.
      const size_t most = trial % 2 == 0 ? bytes.size() : std::min<size_t>(bytes.size(), 24);
      for (int change = 0; change <= trial % 3; ++change) {
        bytes[random() % most] = static_cast<std::byte>(random());
      }
      DecodeOnBoth(codec, DataType::kFloat32, count, bytes, 16, &site);
      if (HasFailure()) return;
    }
  }
}

// ---- Runs of x3 ----

constexpr size_t kCount = 3 * x3::kChunk + 333;
constexpr size_t kChunks = 4;

class HostileX3 : public testing::TestWithParam<DataType> {
 protected:
  HostileX3() {
    const Floats x = FiniteInputs(kCount)[4].second;
    std::vector<uint16_t> narrow;
    for (const float value : x) narrow.push_back(Narrow<Bfloat16>(value));
    const void* const elements =
        dtype_ == DataType::kFloat32 ? static_cast<const void*>(x.data()) : narrow.data();
    good_ = Encoded(codec_, elements, dtype_, kCount);
  }
  // Wherever the run begins.
  bool Takes(const Bytes& bytes) {
    const bool aligned = DecodeOnBoth(codec_, dtype_, kCount, bytes, 16, &site_);
    EXPECT_EQ(DecodeOnBoth(codec_, dtype_, kCount, bytes, 1, &site_), aligned);
    return aligned;
  }
  static void SetEnd(size_t chunk, uint64_t end, Bytes* bytes) {
    std::memcpy(bytes->data() + chunk * sizeof(end), &end, sizeof(end));
  }
  uint64_t EndOf(size_t chunk) const {
    uint64_t end = 0;
    std::memcpy(&end, good_.data() + chunk * sizeof(end), sizeof(end));
    return end;
  }

  const Codec& codec_ = *FindCodec("x3").value();
  const DataType dtype_ = GetParam();
  LaunchSite site_;
  Bytes good_;
};
INSTANTIATE_TEST_SUITE_P(Types, HostileX3, testing::Values(DataType::kFloat32, DataType::kBfloat16),
                         [](const auto& tested) { return std::string(NameOf(tested.param)); });

TEST_P(HostileX3, TakesWhatAnEncoderWrote) { EXPECT_TRUE(Takes(good_)); }

TEST_P(HostileX3, RefusesTruncatedAndOverlongRuns) {
  for (const size_t bytes : {size_t{0}, size_t{7}, kChunks * 8 - 1, kChunks * 8, kChunks * 8 + 1,
                             good_.size() / 2, good_.size() - 16, good_.size() - 1}) {
    SCOPED_TRACE(bytes);
    EXPECT_FALSE(Takes(Bytes(good_.begin(), good_.begin() + static_cast<long>(bytes))));
  }
  for (const size_t more : {size_t{1}, size_t{16}, kCount * SizeOf(dtype_)}) {
    Bytes longer = good_;
    longer.resize(good_.size() + more);
    EXPECT_FALSE(Takes(longer));
  }
}

TEST_P(HostileX3, RefusesEndsThatDescendOrLieBehindTheRun) {
  for (size_t chunk = 0; chunk < kChunks; ++chunk) {
    const uint64_t end = EndOf(chunk);
    for (const uint64_t wrong :
         {uint64_t{0}, uint64_t{1}, end - 16, end - 1, end + 1, end + 16, 2 * end, end << 32,
          uint64_t{1} << 62, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 31}) {
      SCOPED_TRACE(testing::Message() << "chunk " << chunk << " ends at " << wrong);
      Bytes bytes = good_;
      SetEnd(chunk, wrong, &bytes);
      EXPECT_FALSE(Takes(bytes));
    }
  }
}

TEST_P(HostileX3, RefusesATableWhosePadsAreSet) {
  const size_t count = x3::kChunk;
  const Bytes zeros(count * SizeOf(dtype_));
  Bytes bytes = Encoded(codec_, zeros.data(), dtype_, count);
  EXPECT_TRUE(DecodeOnBoth(codec_, dtype_, count, bytes, 16, &site_));
  bytes[15] = std::byte{1};
  EXPECT_FALSE(DecodeOnBoth(codec_, dtype_, count, bytes, 16, &site_));
}

TEST_P(HostileX3, RefusesEscapesBehindTheEndOfAChunk) {
  for (size_t chunk = 0; chunk < kChunks; ++chunk) {
    SCOPED_TRACE(chunk);
    const size_t elements = std::min(x3::kChunk, kCount - chunk * x3::kChunk);
    const x3::Parts parts(elements, SizeOf(dtype_));
    const size_t begin = x3::TableBytes(kChunks) + (chunk == 0 ? 0 : EndOf(chunk - 1));
    Bytes bytes = good_;
    std::fill_n(bytes.begin() + static_cast<long>(begin + parts.codes), parts.escapes - parts.codes,
                std::byte{0xff});
    EXPECT_FALSE(Takes(bytes));
  }
}

TEST_P(HostileX3, GivesTheHostsVerdictOfAnything) {
  std::mt19937 random(12);
  for (int trial = 0; trial < 60; ++trial) {
    SCOPED_TRACE(trial);
    Bytes bytes = good_;
    const size_t table = x3::TableBytes(kChunks);
    const size_t begin = trial % 3 == 0 ? 0 : table;
    const size_t end = trial % 3 == 0 ? table : bytes.size();
    for (int change = 0; change <= trial % 4; ++change) {
      bytes[begin + random() % (end - begin)] = static_cast<std::byte>(random());
    }
    Takes(bytes);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
