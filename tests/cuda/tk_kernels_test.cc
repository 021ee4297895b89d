// SPDX-License-Identifier: Apache-2.0
//
// What codec `tk` does on the device where the suite of all codecs does not look: any k, ties and
// clusters, bytes that no encoder wrote, sums of negative zeros.
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>

#include "codec/inputs.h"
#include "cuda/device_memory.h"

namespace thinwire::cuda::test {
namespace {

using thinwire::test::AllInputs;
using thinwire::test::Floats;
constexpr auto kFloat = DataType::kFloat32;
constexpr size_t kCount = 2 * 4096 + 1500;

Bytes HostEncode(const Codec& codec, const Floats& x) {
  Bytes bytes(codec.EncodedBytes(x.size(), kFloat));
  codec.Encode(x.data(), kFloat, x.size(), bytes.data());
  return bytes;
}

// All inputs, and some that bring the search for the k-th key to its limits.
std::vector<std::pair<std::string, Floats>> Inputs() {
  auto inputs = AllInputs(kCount);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Floats clustered(kCount), mostly_zeros(kCount), plateau(kCount), outlier(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    clustered[i] = normal(random) * (i / 16 % 16 == 3 ? 100.0f : 1.0f);
    mostly_zeros[i] = i % 113 == 0 ? normal(random) : i % 2 == 0 ? -0.0f : 0.0f;
    plateau[i] = i % 50 == 0 ? 2.0f + normal(random) / 8 : i % 3 == 0 ? 1.0f : 0.5f;
    outlier[i] = i % 4096 == 7 ? 1e30f : normal(random) * 1e-20f;
  }
  inputs.emplace_back("clustered", clustered);
  inputs.emplace_back("mostly_zeros", mostly_zeros);
  inputs.emplace_back("plateau", plateau);
  inputs.emplace_back("outlier", outlier);
  inputs.emplace_back("negative_zeros", Floats(kCount, -0.0f));
  return inputs;
}

class TkKernelsTest : public testing::TestWithParam<const char*> {
 protected:
  const Codec& codec_ = *FindCodec(GetParam()).value();
  LaunchSite site_;
};
INSTANTIATE_TEST_SUITE_P(Shares, TkKernelsTest,
                         testing::Values("tk(1,q8)", "tk(2,raw)", "tk(41,q4)", "tk(128,bf16)",
                                         "tk(129,q8)", "tk(256,raw)", "tk(257,q4)", "tk(1086,q4)",
                                         "tk(1688,q8)", "tk(2335,bf16)", "tk(2976,raw)"),
                         [](const auto& tested) { return thinwire::test::TestName(tested.param); });

TEST_P(TkKernelsTest, ChoosesAndDecodesWhatTheHostDoes) {
  for (const auto& [name, x] : Inputs()) {
    SCOPED_TRACE(name);
    const Bytes want = HostEncode(codec_, x);
    const DeviceMemory source{std::span<const float>(x)};
    DeviceMemory encoded(want.size());
    const EncodePass encode = {
        .codec = &codec_, .source = source.data(), .count = kCount, .target = encoded.data()};
    ASSERT_TRUE(LaunchEncode(encode, site_.target()).ok());
    ASSERT_FALSE(site_.Finish());
    ASSERT_TRUE(encoded.Read() == want);

    Floats values(kCount);
    ASSERT_TRUE(codec_.Decode(want, kFloat, kCount, values.data()).ok());
    DeviceMemory decoded(kCount * sizeof(float));
    const DecodePass decode = {
        .codec = &codec_, .bytes = encoded.bytes(), .count = kCount, .target = decoded.data()};
    ASSERT_TRUE(LaunchDecode(decode, site_.target()).ok());
    ASSERT_FALSE(site_.Finish());
    const auto bytes = std::as_bytes(std::span(values));
    ASSERT_TRUE(decoded.Read() == Bytes(bytes.begin(), bytes.end()));
  }
}

// A byte is changed at a time: both accept it, and give the same, or neither does.
TEST_P(TkKernelsTest, RefusesWhatTheHostRefuses) {
  const size_t count = 1000;
  Floats x = AllInputs(count)[2].second;
  const Bytes good = HostEncode(codec_, x);
  std::mt19937 random(4);
  DeviceMemory decoded(count * sizeof(float));
  int refused = 0;
  for (int trial = 0; trial < 200; ++trial) {
    Bytes bytes = good;
    const size_t at = trial < 8 ? static_cast<size_t>(trial) : random() % bytes.size();
    bytes[at] = static_cast<std::byte>(random());
    Floats values(count);
    const bool accepted = codec_.Decode(bytes, kFloat, count, values.data()).ok();
    refused += accepted ? 0 : 1;
    const DeviceMemory on_device{std::span<const std::byte>(bytes)};
    const DecodePass decode = {
        .codec = &codec_, .bytes = on_device.bytes(), .count = count, .target = decoded.data()};
    ASSERT_TRUE(LaunchDecode(decode, site_.target()).ok());
    ASSERT_EQ(site_.Finish(), !accepted) << "byte " << at;
    const auto want = std::as_bytes(std::span(values));
    const bool same = decoded.Read() == Bytes(want.begin(), want.end());
    ASSERT_TRUE(same || !accepted) << "byte " << at;
  }
  EXPECT_GT(refused, 0);
}

TEST_P(TkKernelsTest, TouchesOnlyWhatWasSentInASum) {
  const Floats zeros(kCount, -0.0f);
  const Bytes dense(std::as_bytes(std::span(zeros)).begin(), std::as_bytes(std::span(zeros)).end());
  const Bytes coded = HostEncode(codec_, zeros);
  const DeviceMemory dense_on_device{std::span<const std::byte>(dense)};
  const DeviceMemory coded_on_device{std::span<const std::byte>(coded)};
  Floats want(kCount);
  DeviceMemory got(kCount * sizeof(float));
  const Term host[] = {{.codec = nullptr, .bytes = dense}, {.codec = &codec_, .bytes = coded}};
  const Term device[] = {{.codec = nullptr, .bytes = dense_on_device.bytes()},
                         {.codec = &codec_, .bytes = coded_on_device.bytes()}};
  ASSERT_TRUE(Reduce({.terms = host, .count = kCount, .dense = want.data()}).ok());
  const ReducePass pass = {.terms = device, .count = kCount, .dense = got.data()};
  ASSERT_TRUE(LaunchReduce(pass, site_.target()).ok());
  ASSERT_FALSE(site_.Finish());
  const auto bytes = std::as_bytes(std::span(want));
  EXPECT_TRUE(got.Read() == Bytes(bytes.begin(), bytes.end()));
}

TEST(TkSharesTest, SumsChunksOfOtherShares) {
  const Codec& many = *FindCodec("tk(10%,q8)").value();
  const Codec& few = *FindCodec("tk(1%,q4)").value();
  const Floats x = AllInputs(kCount)[2].second;
  const Bytes of_many = HostEncode(many, x), of_few = HostEncode(few, x);
  const DeviceMemory many_on_device{std::span<const std::byte>(of_many)};
  const DeviceMemory few_on_device{std::span<const std::byte>(of_few)};
  const Term host[] = {{.codec = &many, .bytes = of_many}, {.codec = &few, .bytes = of_few}};
  const Term device[] = {{.codec = &many, .bytes = many_on_device.bytes()},
                         {.codec = &few, .bytes = few_on_device.bytes()}};
  LaunchSite site;
  for (const Codec* encoder : {&many, &few}) {
    Bytes want(encoder->EncodedBytes(kCount, kFloat));
    DeviceMemory got(want.size());
    ReducePass pass = {.terms = host, .count = kCount, .encoder = encoder, .encoded = want.data()};
    ASSERT_TRUE(Reduce(pass).ok());
    pass.terms = device;
    pass.encoded = got.data();
    ASSERT_TRUE(LaunchReduce(pass, site.target()).ok());
    ASSERT_FALSE(site.Finish());
    EXPECT_TRUE(got.Read() == want);
  }
}

}  // namespace
}  // namespace thinwire::cuda::test
