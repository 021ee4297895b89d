// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "codec/inputs.h"
#include "device/device.h"
#include "device/worker_team.h"

namespace thinwire {
namespace {

using Bytes = std::vector<std::byte>;
constexpr auto kFloat = DataType::kFloat32;

TEST(WorkerTeamTest, EveryPartRunsOnceARound) {
  WorkerTeam team(4);
  ASSERT_EQ(team.size(), 4u);
  std::vector<std::atomic<int>> runs(4);
  for (int round = 0; round < 200; ++round) {
    ASSERT_TRUE(team.Run([&](size_t part) -> Status {
                      ++runs[part];
                      return {};
                    })
                    .ok());
  }
  for (const auto& count : runs) EXPECT_EQ(count, 200);
}

TEST(WorkerTeamTest, TheFirstPartsErrorIsTheResult) {
  WorkerTeam team(3);
  const Status status =
      team.Run([](size_t part) { return part == 0 ? Status() : InternalError("part {}", part); });
  EXPECT_EQ(status.message(), "part 1");
  EXPECT_TRUE(team.Run([](size_t) { return Status(); }).ok()) << "errors don't stay";
}

class ThreadsTest : public testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Codecs, ThreadsTest,
                         testing::ValuesIn(CodecSpecs().begin(), CodecSpecs().end()),
                         [](const auto& tested) { return test::TestName(tested.param); });

TEST_P(ThreadsTest, AnyNumberOfThreadsGivesTheSameBits) {
  const Codec& codec = *FindCodec(std::string(GetParam())).value();
  const size_t count = 300'001;
  const auto x = test::FiniteInputs(count)[2].second;
  Bytes want_bytes, want_values, want_sums, want_residual;
  for (const int threads : {1, 2, 3, 5}) {
    const auto device = MakeHostDevice(threads);
    Bytes bytes(codec.EncodedBytes(count, kFloat)), residual(count * sizeof(float));
    StateSpan state;
    if (codec.contractive()) state = {Feedback::kResidual, &RawCodec(), nullptr, residual.data()};
    ASSERT_TRUE(device
                    ->Encode({.codec = &codec,
                              .source = x.data(),
                              .dtype = kFloat,
                              .count = count,
                              .target = bytes.data(),
                              .noise = {.key = 3},
                              .state = state})
                    .ok());
    bytes.resize(codec.UsedBytes(bytes.data(), count, kFloat));
    Bytes values(count * sizeof(float));
    ASSERT_TRUE(device
                    ->Decode({.codec = &codec,
                              .bytes = bytes,
                              .dtype = kFloat,
                              .count = count,
                              .target = values.data()})
                    .ok());
    const Term terms[] = {{.codec = &codec, .bytes = bytes},
                          {.codec = nullptr, .bytes = std::as_bytes(std::span(x))},
                          {.codec = &codec, .bytes = bytes}};
    Bytes sums(codec.EncodedBytes(count, kFloat));
    ReducePass pass;
    pass.terms = terms;
    pass.count = count;
    pass.encoder = &codec;
    pass.encoded = sums.data();
    ASSERT_TRUE(device->Reduce(pass).ok());
    sums.resize(codec.UsedBytes(sums.data(), count, kFloat));
    if (threads == 1) {
      want_bytes = bytes, want_values = values, want_sums = sums, want_residual = residual;
    }
    EXPECT_TRUE(bytes == want_bytes) << threads;
    EXPECT_TRUE(values == want_values) << threads;
    EXPECT_TRUE(sums == want_sums) << threads;
    EXPECT_TRUE(residual == want_residual) << threads;
  }
}

}  // namespace
}  // namespace thinwire
