// SPDX-License-Identifier: Apache-2.0
//
// kernel_bench: the fused passes of every codec on a GPU, against copies within its memory.
//
// Counts the bytes that must move: each input is read once, each result written once. Buffers are
// larger than caches, and passes take turns on several. `10G link` is the share of the device's
// time that encoding and decoding take while a link of 10 Gbit/s is kept busy in one direction.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <regex>

#include "bench_device.h"
#include "codec/float_formats.h"
#include "kernel_report.h"

namespace thinwire::cuda {
namespace {

constexpr size_t kSets = 3;
constexpr size_t kPeers = 8;
constexpr double kLinkBytesPerSecond = 10e9 / 8;
constexpr auto kFloat = DataType::kFloat32;

struct Options {
  size_t elements = size_t{1} << 27;
  int repeats = 21;
  std::regex filter;
  std::string json;
};

using Buffers = std::vector<DeviceBuffer>;
Result<Buffers> MakeBuffers(size_t count, size_t bytes) {
  Buffers buffers;
  for (size_t i = 0; i < count; ++i) {
    TW_ASSIGN(DeviceBuffer buffer, DeviceBuffer::Make(bytes));
    buffers.push_back(std::move(buffer));
  }
  return buffers;
}
const DeviceBuffer& Turn(const Buffers& buffers, int visit) {
  return buffers[static_cast<size_t>(visit) % buffers.size()];
}

Status Copy(const void* from, void* to, size_t bytes, cudaStream_t stream) {
  return CheckCuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), "copying");
}

// Normal variates as elements of `dtype`, a sample repeated: the same ones each time, so that
// encoded sizes are the same too.
Status FillNormal(DataType dtype, const DeviceBuffer& target, cudaStream_t stream) {
  std::minstd_rand random(1);
  std::normal_distribution<float> normal;
  std::vector<std::byte> sample(std::min(target.size(), size_t{4} << 20));
  for (size_t at = 0; at < sample.size(); at += SizeOf(dtype)) {
    const float x = normal(random);
    const uint16_t narrow = Narrow<Bfloat16>(x);
    std::memcpy(&sample[at], dtype == kFloat ? static_cast<const void*>(&x) : &narrow,
                SizeOf(dtype));
  }
  TW_TRY(Copy(sample.data(), target.data(), sample.size(), stream));
  for (size_t done = sample.size(); done < target.size(); done *= 2) {
    const size_t bytes = std::min(done, target.size() - done);
    TW_TRY(Copy(target.data(), target.data() + done, bytes, stream));
  }
  return CheckCuda(cudaStreamSynchronize(stream), "filling memory");
}

// ---- One codec on elements of one type ----

class CodecBench {
 public:
  CodecBench(BenchDevice* device, const Options& options, const Codec& codec, DataType dtype,
             const Buffers& sources, std::vector<Row>* rows)
      : device_(*device),
        options_(options),
        codec_(codec),
        dtype_(dtype),
        sources_(sources),
        count_(options.elements),
        dense_bytes_(count_ * SizeOf(dtype)),
        rows_(*rows) {}

  Status Run() {
    TW_TRY(MeasureCopy());
    TW_TRY(EncodeSets());
    TW_TRY(EncodeAndDecode());
    if (codec_.contractive()) {
      TW_TRY(EncodeWithState("encode, residual in float32", Feedback::kResidual, RawCodec()));
      TW_ASSIGN(const Codec* narrow, FindCodec("bf16"));
      TW_TRY(EncodeWithState("encode, residual in bfloat16", Feedback::kResidual, *narrow));
      TW_TRY(EncodeWithState("encode, reference", Feedback::kReference, RawCodec()));
      TW_TRY(DecodeWithReference());
    }
    return dtype_ == kFloat || codec_.exact() ? Sum() : Status();
  }

 private:
  Status MeasureCopy() {
    TW_ASSIGN(const Buffers targets, MakeBuffers(2, dense_bytes_));
    TW_ASSIGN(const double seconds, device_.Time(options_.repeats, [&](int visit) {
      return Copy(Turn(sources_, visit).data(), Turn(targets, visit).data(), dense_bytes_,
                  device_.stream());
    }));
    copy_rate_ = 2.0 * static_cast<double>(dense_bytes_) / seconds;
    return {};
  }

  Status Launch(const Codec& codec, const DeviceBuffer& source, const DeviceBuffer& target,
                const StateSpan& state = {}) {
    return LaunchEncode({.codec = &codec,
                         .source = source.data(),
                         .dtype = dtype_,
                         .count = count_,
                         .target = target.data(),
                         .state = state},
                        device_.target());
  }

  Status EncodeSets() {
    TW_ASSIGN(encoded_, MakeBuffers(kSets, codec_.EncodedBytes(count_, dtype_)));
    TW_ASSIGN(results_, MakeBuffers(kSets, encoded_[0].size()));
    for (size_t i = 0; i < kSets; ++i) TW_TRY(Launch(codec_, sources_[i], encoded_[i]));
    TW_TRY(device_.Finish());
    TW_ASSIGN(used_, UsedBytes(codec_, encoded_[0]));
    return {};
  }
  Result<size_t> UsedBytes(const Codec& codec, const DeviceBuffer& encoded) {
    if (codec.fixed_size()) return encoded.size();
    std::vector<std::byte> bytes(encoded.size());
    TW_TRY(CheckCuda(cudaMemcpy(bytes.data(), encoded.data(), bytes.size(), cudaMemcpyDefault),
                     "reading encoded bytes"));
    return codec.UsedBytes(bytes.data(), count_, dtype_);
  }

  bool Wanted(const std::string& pass) const {
    return std::regex_search(fmt::format("{}/{}/{}", codec_.spec(), NameOf(dtype_), pass),
                             options_.filter);
  }
  // Times a pass that moves `bytes`, in seconds; NaN where nobody asked for it.
  Result<double> Measure(const std::string& pass, size_t bytes,
                         const std::function<Status(int visit)>& launch) {
    Row row = {.codec = codec_.spec(),
               .dtype = dtype_,
               .pass = pass,
               .bytes = static_cast<double>(bytes),
               .encoded_bytes = static_cast<double>(used_),
               .copy_rate = copy_rate_};
    if (!Wanted(pass)) return NAN;
    TW_ASSIGN(row.seconds, device_.Time(options_.repeats, launch));
    rows_.push_back(std::move(row));
    return rows_.back().seconds;
  }

  Status EncodeAndDecode() {
    const size_t bytes = dense_bytes_ + used_;
    TW_ASSIGN(const double encode, Measure("encode", bytes, [&](int visit) {
                return Launch(codec_, Turn(sources_, visit), Turn(results_, visit));
              }));
    const size_t row = rows_.size() - 1;
    TW_ASSIGN(const Buffers outputs, MakeBuffers(kSets, dense_bytes_));
    TW_ASSIGN(const double decode, Measure("decode", bytes, [&](int visit) {
                return LaunchDecode({.codec = &codec_,
                                     .bytes = Turn(encoded_, visit).bytes().first(used_),
                                     .dtype = dtype_,
                                     .count = count_,
                                     .target = Turn(outputs, visit).data()},
                                    device_.target());
              }));
    if (!std::isnan(encode + decode)) {
      rows_[row].link_percent =
          100 * (encode + decode) * kLinkBytesPerSecond / rows_[row].encoded_bytes;
    }
    return {};
  }

  // ---- State ----

  // States that begin with zeros. Their number is not that of the sources: elements are never those
  // that a state was advanced by last.
  Result<Buffers> MakeStates(const Codec& storage) {
    TW_ASSIGN(Buffers states, MakeBuffers(kSets - 1, storage.EncodedBytes(count_, kFloat)));
    for (const DeviceBuffer& state : states) {
      TW_TRY(CheckCuda(cudaMemsetAsync(state.data(), 0, state.size(), device_.stream()),
                       "clearing states"));
    }
    return states;
  }

  Status EncodeWithState(const std::string& pass, Feedback kind, const Codec& storage) {
    TW_ASSIGN(const Buffers states, MakeStates(storage));
    const size_t bytes = dense_bytes_ + used_ + 2 * states[0].size();
    const auto launch = [&](int visit) {
      std::byte* const state = Turn(states, visit).data();
      return Launch(codec_, Turn(sources_, visit), Turn(results_, visit),
                    {kind, &storage, state, state});
    };
    return Measure(pass, bytes, launch).status();
  }

  Status DecodeWithReference() {
    TW_ASSIGN(const Buffers states, MakeStates(RawCodec()));
    TW_ASSIGN(const Buffers outputs, MakeBuffers(kSets, dense_bytes_));
    const size_t bytes = dense_bytes_ + used_ + 2 * states[0].size();
    const auto launch = [&](int visit) {
      std::byte* const state = Turn(states, visit).data();
      return LaunchDecode({.codec = &codec_,
                           .bytes = Turn(encoded_, visit).bytes().first(used_),
                           .dtype = dtype_,
                           .count = count_,
                           .target = Turn(outputs, visit).data(),
                           .state = {Feedback::kReference, &RawCodec(), state, state}},
                          device_.target());
    };
    return Measure("decode, reference", bytes, launch).status();
  }

  // ---- Sums of encoded contributions, encoded again ----

  Status Sum() {
    const std::string pass = fmt::format("sum of {}", kPeers);
    const std::string unfused = pass + ", unfused";
    if (!Wanted(pass) && !Wanted(unfused)) return {};
    const Codec& sums = codec_.ForSums(kPeers);
    TW_ASSIGN(const Buffers peers,
              MakeBuffers(kPeers * kSets, codec_.EncodedBytes(count_, dtype_)));
    for (size_t i = 0; i < peers.size(); ++i) {
      TW_TRY(Launch(codec_, sources_[i % kSets], peers[i]));
    }
    TW_ASSIGN(const Buffers results, MakeBuffers(kSets, sums.EncodedBytes(count_, dtype_)));
    TW_TRY(SumFused(sums, peers, results[0]));  // for its size
    TW_TRY(device_.Finish());
    TW_ASSIGN(const size_t used_by_sum, UsedBytes(sums, results[0]));
    const size_t bytes = kPeers * used_ + used_by_sum;
    const auto of_visit = [&](int visit) {
      return std::span(peers).subspan(static_cast<size_t>(visit) % kSets * kPeers, kPeers);
    };
    TW_TRY(Measure(pass, bytes, [&](int visit) {
             return SumFused(sums, of_visit(visit), Turn(results, visit));
           }).status());
    TW_ASSIGN(const Buffers decoded, MakeBuffers(kPeers, dense_bytes_));
    return Measure(unfused, bytes,
                   [&](int visit) {
                     return SumUnfused(sums, of_visit(visit), decoded, Turn(results, visit));
                   })
        .status();
  }

  Status SumFused(const Codec& sums, std::span<const DeviceBuffer> peers,
                  const DeviceBuffer& result) {
    std::vector<Term> terms;
    for (const DeviceBuffer& peer : peers.first(kPeers)) {
      terms.push_back({.codec = &codec_, .bytes = peer.bytes().first(used_)});
    }
    ReducePass pass = {.terms = terms, .dtype = dtype_, .count = count_};
    pass.encoder = &sums;
    pass.encoded = result.data();
    return LaunchReduce(pass, device_.target());
  }

  // The same by separate launches, with elements in memory between them.
  Status SumUnfused(const Codec& sums, std::span<const DeviceBuffer> peers, const Buffers& decoded,
                    const DeviceBuffer& result) {
    std::vector<Term> terms;
    for (size_t i = 0; i < kPeers; ++i) {
      TW_TRY(LaunchDecode({.codec = &codec_,
                           .bytes = peers[i].bytes().first(used_),
                           .dtype = dtype_,
                           .count = count_,
                           .target = decoded[i].data()},
                          device_.target()));
      terms.push_back({.codec = nullptr, .bytes = decoded[i].bytes()});
    }
    ReducePass sum = {.terms = terms, .dtype = dtype_, .count = count_};
    sum.dense = decoded[0].data();
    TW_TRY(LaunchReduce(sum, device_.target()));
    return Launch(sums, decoded[0], result);
  }

  BenchDevice& device_;
  const Options& options_;
  const Codec& codec_;
  const DataType dtype_;
  const Buffers& sources_;
  const size_t count_;
  const size_t dense_bytes_;
  std::vector<Row>& rows_;

  double copy_rate_ = 0;
  Buffers encoded_;
  Buffers results_;
  size_t used_ = 0;  // of one of encoded_
};

// ---- All of them ----

// As many elements as wanted, or the largest part of them that there is memory for.
Result<size_t> FittingElements(size_t wanted) {
  // What the most demanding pass takes an element: the unfused sum of `raw`.
  constexpr size_t kBytesPerElement = sizeof(float) * (kSets * (kPeers + 4) + kPeers);
  size_t elements = wanted;
  while (elements > 1 && !DeviceBuffer::Make(elements * kBytesPerElement).ok()) elements /= 2;
  TW_TRY(DeviceBuffer::Make(elements * kBytesPerElement).status());
  return elements;
}

bool HasKernels(const Codec& codec) {
  return codec.id() == CodecId::kRaw || KernelsOf(codec.shape()).encode != nullptr;
}

Status Run(Options options) {
  TW_ASSIGN(const std::unique_ptr<BenchDevice> device, BenchDevice::Make());
  TW_ASSIGN(options.elements, FittingElements(options.elements));
  std::vector<Row> rows;
  for (const DataType dtype : {kFloat, DataType::kBfloat16}) {
    TW_ASSIGN(const Buffers sources, MakeBuffers(kSets, options.elements * SizeOf(dtype)));
    for (const DeviceBuffer& source : sources) {
      TW_TRY(FillNormal(dtype, source, device->stream()));
    }
    for (const std::string_view spec : CodecSpecs()) {
      TW_ASSIGN(const Codec* codec, FindCodec(std::string(spec)));
      if (!codec->Supports(dtype) || !HasKernels(*codec)) continue;
      CodecBench bench(device.get(), options, *codec, dtype, sources, &rows);
      const Status status = bench.Run();
      if (!status.ok()) return status.WithContext(fmt::format("{} of {}", spec, NameOf(dtype)));
    }
  }
  const Report report = {device->name(), device->multiprocessors(), options.elements,
                         options.repeats, std::move(rows)};
  PrintTable(report);
  return options.json.empty() ? Status() : WriteJson(report, options.json);
}

}  // namespace
}  // namespace thinwire::cuda

int main(int argc, char** argv) {
  thinwire::cuda::Options options;
  bool quick = false;
  std::string filter;
  CLI::App app("The fused passes of every codec on a GPU, against copies within its memory.",
               "kernel_bench");
  app.add_option("--elements", options.elements, "elements a pass; fewer where memory lacks")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--filter", filter, "only CODEC/TYPE/PASS that hold this expression");
  app.add_option("--json", options.json, "also write results to this file");
  app.add_flag("--quick", quick, "few repeats, for a first look");
  try {
    app.parse(argc, argv);
    options.filter = std::regex(filter);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::regex_error& error) {
    fmt::print(stderr, "kernel_bench: --filter {}: {}\n", filter, error.what());
    return 2;
  }
  if (quick) options.repeats = 3;
  const thinwire::Status status = thinwire::cuda::Run(options);
  if (status.ok()) return 0;
  fmt::print(stderr, "kernel_bench: {}\n", status.message());
  return 1;
}
