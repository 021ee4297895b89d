// SPDX-License-Identifier: Apache-2.0
//
// Chunks of varying size are placed one behind the other whichever thread blocks encode them, and
// whenever those get on. The emulated runtime runs the blocks of a launch one after the other, but
// streams side by side: several launches share the chunks of one run here.
#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "codec/inputs.h"
#include "cuda/device_memory.h"

namespace thinwire::cuda::test {
namespace {

TEST(ChainedEndsTest, BlocksSideBySidePlaceChunksInOrder) {
  constexpr size_t kCount = 300 * 4096 + 77;
  constexpr size_t kStreams = 6;
  constexpr auto kFloat = DataType::kFloat32;
  const Codec& codec = *FindCodec("x3").value();
  // Heavy tails: chunks of many sizes.
  const auto x = thinwire::test::FiniteInputs(kCount)[4].second;
  Bytes want(codec.EncodedBytes(kCount, kFloat));
  codec.Encode(x.data(), kFloat, kCount, want.data(), {});
  want.resize(codec.UsedBytes(want.data(), kCount, kFloat));

  const CodecKernels kernels = KernelsOf(codec.shape());
  const DeviceMemory source{std::span<const float>(x)};
  const Bytes zeros(kernels.encode_scratch_bytes(kCount));
  for (int round = 0; round < 3; ++round) {
    DeviceMemory scratch{std::span<const std::byte>(zeros)};
    DeviceMemory encoded(codec.EncodedBytes(kCount, kFloat));
    EncodeArguments arguments = {
        .source = source.data(), .count = kCount, .scratch = scratch.data()};
    arguments.encoder = {.shape = codec.shape(),
                         .target = reinterpret_cast<uint8_t*>(encoded.data())};
    std::vector<cudaStream_t> streams(kStreams);
    for (cudaStream_t& stream : streams) {
      ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
      ASSERT_EQ(kernels.encode(arguments, {.stream = stream}), cudaSuccess);
    }
    for (const cudaStream_t stream : streams) {
      ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
      ASSERT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    }
    Bytes got = encoded.Read();
    got.resize(want.size());
    ASSERT_TRUE(got == want);
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
