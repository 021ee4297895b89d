// SPDX-License-Identifier: Apache-2.0
//
// seal_bench: sealing and opening messages on one core, by cipher and size, beside memcpy.
//
// `bytes_per_second` counts the message once. `link` is the time, in seconds for each second that
// the same bytes take on a link of 1 Gbit/s; `both`: of a rank that seals as much as it opens.

#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "transport/seal.h"

namespace thinwire {
namespace {

constexpr double kLinkBytesPerSecond = 1e9 / 8;

void Report(benchmark::State& state, size_t message_bytes) {
  const auto bytes = static_cast<int64_t>(message_bytes) * state.iterations();
  state.SetBytesProcessed(bytes);
  state.counters["link"] =
      benchmark::Counter(static_cast<double>(bytes) / kLinkBytesPerSecond,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

struct Messages {
  explicit Messages(const benchmark::State& state)
      : plain(static_cast<size_t>(state.range(0)), std::byte{1}),
        sealed(plain.size() + kSealBytes) {}
  std::vector<std::byte> plain;
  std::vector<std::byte> sealed;
};

void Seal(benchmark::State& state, CipherId id) {
  Messages messages(state);
  Sealer sealer(MakeCipher(id, Digest{}));
  for (auto _ : state) {
    if (!sealer.Seal(messages.plain, messages.sealed.data()).ok()) state.SkipWithError("refused");
    benchmark::ClobberMemory();
  }
  Report(state, messages.plain.size());
}

// A message opens once: each is sealed anew, outside the time.
void Open(benchmark::State& state, CipherId id) {
  constexpr size_t kBatch = 8;  // fits the second-level cache, as what just arrived does
  Messages messages(state);
  Sealer sealer(MakeCipher(id, Digest{}));
  Opener opener(MakeCipher(id, Digest{}));
  std::vector<std::vector<std::byte>> batch(kBatch, messages.sealed);
  while (state.KeepRunningBatch(kBatch)) {
    state.PauseTiming();
    for (auto& sealed : batch) (void)sealer.Seal(messages.plain, sealed.data());
    state.ResumeTiming();
    for (auto& sealed : batch) {
      if (!opener.Open(sealed).ok()) state.SkipWithError("refused");
    }
  }
  Report(state, messages.plain.size());
}

void SealAndOpen(benchmark::State& state, CipherId id) {
  Messages messages(state);
  Sealer sealer(MakeCipher(id, Digest{}));
  Opener opener(MakeCipher(id, Digest{}));
  for (auto _ : state) {
    (void)sealer.Seal(messages.plain, messages.sealed.data());
    if (!opener.Open(messages.sealed).ok()) state.SkipWithError("refused");
  }
  Report(state, messages.plain.size());
}

void Memcpy(benchmark::State& state) {
  Messages messages(state);
  for (auto _ : state) {
    std::memcpy(messages.sealed.data(), messages.plain.data(), messages.plain.size());
    benchmark::ClobberMemory();
  }
  Report(state, messages.plain.size());
}

void Register(const char* what, const char* cipher, void (*run)(benchmark::State&, CipherId),
              CipherId id) {
  const std::string name = std::string(what) + "/" + cipher;
  benchmark::RegisterBenchmark(name.c_str(), run, id)->Arg(1 << 10)->Arg(128 << 10);
}

void RegisterAll() {
  benchmark::RegisterBenchmark("memcpy", Memcpy)->Arg(1 << 10)->Arg(128 << 10);
  if (!CheckSealing().ok()) return;
  for (const auto& [id, name] : {std::pair{CipherId::kAes256Gcm, "aes-256-gcm"},
                                 std::pair{CipherId::kChaCha20Poly1305, "chacha20-poly1305"}}) {
    if ((CiphersHere() & Only(id)) == 0) continue;
    Register("seal", name, Seal, id);
    Register("open", name, Open, id);
    Register("both", name, SealAndOpen, id);
  }
}

}  // namespace
}  // namespace thinwire

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  thinwire::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
