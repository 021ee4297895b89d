// SPDX-License-Identifier: Apache-2.0
//
// What the NCCL-shaped API costs over the native one: the same small call by both, a rank alone and
// two ranks in memory; and a group of a thousand small all-reduces on a link of 50 ms one way.
//   shim_bench --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "nccl_compat/nccl.h"
#include "thinwire/thinwire.h"

namespace {

// Ranks of a communicator in this process.
class Ranks {
 public:
  Ranks(int ranks, const char* shape) : comms_(static_cast<size_t>(ranks)) {
    setenv("THINWIRE_TRANSPORT", "loopback", 1);
    setenv("THINWIRE_DEVICE", "host", 1);
    setenv("THINWIRE_SHAPE", shape, 1);
    made_ = ncclCommInitAll(comms_.data(), ranks, nullptr) == ncclSuccess;
  }
  ~Ranks() {
    std::vector<std::thread> leaving;
    for (const ncclComm_t comm : comms_) leaving.emplace_back([comm] { ncclCommDestroy(comm); });
    for (std::thread& thread : leaving) thread.join();
  }
  bool made() const { return made_; }
  const std::vector<ncclComm_t>& comms() const { return comms_; }

 private:
  std::vector<ncclComm_t> comms_;
  bool made_ = false;
};

bool ByNccl(ncclComm_t comm, float* value) {
  return ncclAllReduce(value, value, 1, ncclFloat, ncclSum, comm, nullptr) == ncclSuccess;
}
bool ByThinwire(ncclComm_t comm, float* value) {
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  return thinwireAllReduce(value, value, 1, thinwireFloat32, thinwireSum, comm, &options) ==
         thinwireSuccess;
}

// Calls of one float, in a group.
template <bool (*kCall)(ncclComm_t, float*)>
bool Group(const std::vector<ncclComm_t>& comms, int calls, float* values) {
  bool good = ncclGroupStart() == ncclSuccess;
  for (int call = 0; call < calls; ++call) {
    for (const ncclComm_t comm : comms) good = good && kCall(comm, values++);
  }
  return ncclGroupEnd() == ncclSuccess && good;
}

// A group of `calls` all-reduces on each rank: all by this thread, or, as ranks are, by one of
// each.
template <bool (*kCall)(ncclComm_t, float*)>
void SmallCalls(benchmark::State& state, int ranks, int calls, const char* shape, bool threads) {
  const Ranks all(ranks, shape);
  const std::vector<ncclComm_t>& comms = all.comms();
  std::vector<float> values(static_cast<size_t>(ranks * calls));
  std::atomic<bool> good = all.made();
  for (auto _ : state) {
    if (threads) {
      std::vector<std::thread> others;
      for (size_t rank = 0; rank < comms.size(); ++rank) {
        others.emplace_back([&, rank] {
          if (!Group<kCall>({comms[rank]}, calls, &values[rank * static_cast<size_t>(calls)])) {
            good = false;
          }
        });
      }
      for (std::thread& other : others) other.join();
    } else if (!Group<kCall>(comms, calls, values.data())) {
      good = false;
    }
    if (!good) state.SkipWithError(ncclGetLastError(nullptr));
    if (!good) break;
  }
}

void Register(const std::string& name, int ranks, int calls, const char* shape,
              bool threads = false) {
  const auto run = [&](const char* by, auto body) {
    benchmark::RegisterBenchmark((name + "/" + by).c_str(), body, ranks, calls, shape, threads)
        ->UseRealTime();
  };
  run("native", SmallCalls<ByThinwire>);
  run("nccl", SmallCalls<ByNccl>);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  Register("one_rank", 1, 1, "");
  Register("two_ranks", 2, 1, "");
  Register("group_of_1000_at_50ms/one_thread", 2, 1000, "rate=1gbit,delay=50ms");
  Register("group_of_1000_at_50ms/thread_each", 2, 1000, "rate=1gbit,delay=50ms", true);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
