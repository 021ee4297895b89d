// SPDX-License-Identifier: Apache-2.0
//
// codec_bench: encode, decode and reduce of every codec on one core, against memcpy.
//
// `traffic` counts the bytes read and written once each; `vs_memcpy` is its ratio to memcpy of the
// same working set. Memory speed drifts on shared machines, so every benchmark times a memcpy after
// each of its own passes, outside its own time, and compares medians.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "base/clock.h"
#include "codec/codec.h"
#include "codec/passes.h"
#include "codec/simd.h"
#include "device/device.h"

namespace thinwire {
namespace {

constexpr size_t kCount = size_t{32} << 20;  // 128 MiB of binary32

// Memory on its own cache lines, as frameworks allocate tensors.
template <typename T>
class Tensor {
 public:
  explicit Tensor(size_t count)
      : data_(static_cast<T*>(::operator new(count * sizeof(T), kAlignment))), count_(count) {
    std::uninitialized_fill_n(data_, count, T{});
  }
  ~Tensor() { ::operator delete(data_, kAlignment); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  T* data() { return data_; }
  size_t size() const { return count_; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  T* const data_;
  const size_t count_;
};
using Bytes = Tensor<std::byte>;

struct Arrays {
  Tensor<float> input{kCount};
  Tensor<float> output{kCount};
  Arrays() {
    std::minstd_rand random(1);
    for (float& x : input) x = static_cast<float>(random()) / 2147483648.0f - 0.5f;
  }
};
Arrays& Data() {
  static Arrays arrays;
  return arrays;
}

// kCount elements for `codec`. What an exact codec saves depends on them: its are Gaussian.
const void* Input(const Codec& codec, DataType dtype) {
  if (!codec.exact()) return Data().input.data();
  static std::vector<std::byte> elements[kDataTypes];
  std::vector<std::byte>& made = elements[static_cast<size_t>(dtype)];
  if (!made.empty()) return made.data();
  made.resize(kCount * SizeOf(dtype));
  std::minstd_rand random(2);
  std::normal_distribution<float> normal;
  std::vector<float> sample(size_t{1} << 20);
  for (float& x : sample) x = normal(random);
  for (size_t i = 0; i < kCount; ++i) {  // bfloat16 is the upper half
    const auto* x = reinterpret_cast<const std::byte*>(&sample[i % sample.size()]);
    std::memcpy(&made[i * SizeOf(dtype)], x + sizeof(float) - SizeOf(dtype), SizeOf(dtype));
  }
  return made.data();
}

double Seconds(const std::function<void()>& work) {
  const TimePoint start = Now();
  work();
  benchmark::ClobberMemory();
  return ToSeconds(Now() - start);
}

double Median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
  return values[values.size() / 2];
}

// Times `work`, which moves `traffic` bytes, and memcpy of `count` floats in turn.
void Compare(benchmark::State& state, size_t count, double traffic,
             const std::function<void()>& work) {
  Arrays& arrays = Data();
  std::vector<double> own, copy;
  work();
  for (auto _ : state) {
    own.push_back(Seconds(work));
    state.SetIterationTime(own.back());
    copy.push_back(Seconds(
        [&] { std::memcpy(arrays.output.data(), arrays.input.data(), count * sizeof(float)); }));
  }
  const double rate = traffic / Median(own);
  const double copy_rate = 2.0 * static_cast<double>(count * sizeof(float)) / Median(copy);
  state.counters["traffic_GB/s"] = rate / 1e9;
  state.counters["memcpy_GB/s"] = copy_rate / 1e9;
  state.counters["vs_memcpy"] = rate / copy_rate;
}

double DenseBytes(size_t count) { return static_cast<double>(count * sizeof(float)); }

const Codec& Find(const std::string& spec) { return *FindCodec(spec).value(); }

// Bytes of the first `count` elements of the input, encoded.
std::vector<std::byte> Encoded(const Codec& codec, DataType dtype, const void* source,
                               size_t count) {
  std::vector<std::byte> encoded(codec.EncodedBytes(count, dtype));
  codec.Encode(source, dtype, count, encoded.data());
  encoded.resize(codec.UsedBytes(encoded.data(), count, dtype));
  return encoded;
}

void Encode(benchmark::State& state, const std::string& spec, const SimdLoops* loops,
            DataType dtype = DataType::kFloat32) {
  ForceSimd(loops);
  const Codec& codec = Find(spec);
  const void* input = Input(codec, dtype);
  const size_t dense = kCount * SizeOf(dtype);
  const size_t used = Encoded(codec, dtype, input, kCount).size();
  Bytes encoded(codec.EncodedBytes(kCount, dtype));
  Compare(state, dense / sizeof(float), static_cast<double>(dense + used),
          [&] { codec.Encode(input, dtype, kCount, encoded.data()); });
  state.counters["bits"] = 8.0 * static_cast<double>(used) / kCount;
  ForceSimd(nullptr);
}

void Decode(benchmark::State& state, const std::string& spec, const SimdLoops* loops,
            DataType dtype = DataType::kFloat32) {
  ForceSimd(loops);
  const Codec& codec = Find(spec);
  const size_t dense = kCount * SizeOf(dtype);
  const std::vector<std::byte> encoded = Encoded(codec, dtype, Input(codec, dtype), kCount);
  bool ok = true;
  Compare(state, dense / sizeof(float), static_cast<double>(dense + encoded.size()),
          [&] { ok &= codec.Decode(encoded, dtype, kCount, Data().output.data()).ok(); });
  if (!ok) state.SkipWithError("decode failed");
  ForceSimd(nullptr);
}

// Encode with a residual or a reference that is advanced in place. `input_vs_memcpy`: elements
// taken to elements copied.
void EncodeStateful(benchmark::State& state, const std::string& spec) {
  const Codec& codec = Find(spec);
  const Codec& storage = codec.storage();
  const auto* const input = static_cast<const float*>(Input(codec, DataType::kFloat32));
  Bytes encoded(codec.EncodedBytes(kCount, DataType::kFloat32));
  Bytes kept(storage.EncodedBytes(kCount, DataType::kFloat32));
  storage.Encode(std::vector<float>(kCount).data(), DataType::kFloat32, kCount, kept.data());
  const EncodePass pass = {.codec = &codec,
                           .source = input,
                           .count = kCount,
                           .target = encoded.data(),
                           .state = {codec.feedback(), &storage, kept.data(), kept.data()}};
  bool ok = true;
  Compare(state, kCount, DenseBytes(kCount) + static_cast<double>(2 * kept.size() + encoded.size()),
          [&] { ok &= Encode(pass).ok(); });
  if (!ok) state.SkipWithError("encode failed");
  state.counters["input_vs_memcpy"] =
      state.counters["vs_memcpy"] * 2 * DenseBytes(kCount) /
      (DenseBytes(kCount) + static_cast<double>(2 * kept.size() + encoded.size()));
}

// Encode by several threads.
void EncodeThreads(benchmark::State& state, const std::string& spec, int threads) {
  const Codec& codec = Find(spec);
  const auto device = MakeHostDevice(threads);
  Bytes encoded(codec.EncodedBytes(kCount, DataType::kFloat32));
  const EncodePass pass = {.codec = &codec,
                           .source = Input(codec, DataType::kFloat32),
                           .count = kCount,
                           .target = encoded.data()};
  bool ok = true;
  Compare(state, kCount, DenseBytes(kCount) + static_cast<double>(encoded.size()),
          [&] { ok &= device->Encode(pass).ok(); });
  if (!ok) state.SkipWithError("encode failed");
}

// `peers` encoded contributions, encoded again: what the owner of a chunk does.
void ReducePeers(benchmark::State& state, const std::string& spec, size_t peers) {
  const Codec& codec = Find(spec);
  const size_t count = kCount / peers;
  const size_t bytes = codec.EncodedBytes(count, DataType::kFloat32);
  std::vector<std::vector<std::byte>> encoded(peers);
  std::vector<Term> terms;
  size_t read = 0;
  const auto* const input = static_cast<const float*>(Input(codec, DataType::kFloat32));
  for (size_t i = 0; i < peers; ++i) {
    encoded[i] = Encoded(codec, DataType::kFloat32, input + i * count, count);
    read += encoded[i].size();
    terms.push_back({&codec, encoded[i]});
  }
  std::vector<std::byte> result(bytes);
  const ReducePass pass = {
      .terms = terms, .count = count, .encoder = &codec, .encoded = result.data()};
  bool ok = true;
  Compare(state, kCount, static_cast<double>(read + read / peers),
          [&] { ok &= Reduce(pass).ok(); });
  if (!ok) state.SkipWithError("reduce failed");
}

void Register(const std::string& name, const std::function<void(benchmark::State&)>& run) {
  benchmark::RegisterBenchmark(name.c_str(), run)
      ->UseManualTime()
      ->MinTime(1.0)
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  for (const std::string_view name : CodecSpecs()) {
    const std::string spec(name);
    Register(spec + "/encode", [=](auto& state) { Encode(state, spec, nullptr); });
    Register(spec + "/decode", [=](auto& state) { Decode(state, spec, nullptr); });
    for (const size_t peers : {4, 8}) {
      Register(spec + "/reduce/" + std::to_string(peers),
               [=](auto& state) { ReducePeers(state, spec, peers); });
    }
  }
  for (const std::string spec : {"q8+ef", "q8+ef(bf16)", "q4+ef", "rq4+ef", "rq2+ef", "rq1+ef",
                                 "tk(1%)+ef", "tk(1%)+ef(bf16)", "delta(rq2)", "delta(q8)"}) {
    Register(spec + "/encode", [=](auto& state) { EncodeStateful(state, spec); });
  }
  for (const std::string spec : {"q8", "rq4"}) {
    Register(spec + "/encode/2_threads", [=](auto& state) { EncodeThreads(state, spec, 2); });
  }
  Register("x3/bfloat16/encode",
           [](auto& state) { Encode(state, "x3", nullptr, DataType::kBfloat16); });
  Register("x3/bfloat16/decode",
           [](auto& state) { Decode(state, "x3", nullptr, DataType::kBfloat16); });
  for (const SimdLoops* loops : SimdAvailable()) {
    const std::string name = std::string("q8/") + loops->name;
    Register(name + "/encode", [=](auto& state) { Encode(state, "q8", loops); });
    Register(name + "/decode", [=](auto& state) { Decode(state, "q8", loops); });
  }
  return true;
}();

}  // namespace
}  // namespace thinwire
