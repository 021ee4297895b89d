// SPDX-License-Identifier: Apache-2.0
//
// thinwire-perf: how fast and how exact the operations are. Flags, columns and bus bandwidth are
// those of nccl-tests. Uses the public C API alone.
//
//  - A time is the median of single calls. All ranks start a call together and it lasts until the
//    last of them has returned (start_line.h).
//  - A check is one more call a row, after the measured ones. Exact codecs must give the very bits
//    of a result computed independently; lossy ones must stay within the bound they state, carried
//    through the algorithm (error_tolerance.h); ranks that hold equal results must agree in each
//    bit.
//  - Exit status: 0; 1 when an element was wrong or something failed; 2 for a bad command line.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "measurement.h"
#include "perf_options.h"
#include "report.h"

namespace thinwire::perf {
namespace {

constexpr int kExitWrong = 1;
constexpr int kExitUsage = 2;

thinwireConfig_t ConfigOf(const PerfOptions& options) {
  const auto text = [](const std::string& value) {
    return value.empty() ? nullptr : value.c_str();
  };
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  config.policy = text(options.policy);
  config.transport = text(options.transport);
  config.link = text(options.link);
  config.shape = text(options.shape);
  config.timeoutSeconds = options.timeout_seconds;
  config.device = options.device.c_str();
  return config;
}

// All rows on one rank; all ranks do this alike, rank 0 tells. Returns the number of wrong
// elements.
uint64_t RunRows(const Rank& rank, const PerfOptions& options, Report* report) {
  if (report != nullptr) report->Begin(rank.ranks());
  StartLine start(rank);
  uint64_t wrong = 0;
  for (const size_t bytes : options.sizes) {
    for (const ElementType* type : options.types) {
      for (const Reduction& reduction : options.reductions) {
        Workload work = MakeWorkload(*options.operation, *type, reduction.op, options.root,
                                     rank.rank(), rank.ranks(), bytes);
        work.calls = options.calls;
        const auto measure = [&](bool in_place) {
          const Figures figures =
              Measure(rank, &start, work, in_place, options.measurement, [&](int done, int total) {
                if (report != nullptr) report->Progress(work, done, total);
              });
          wrong += figures.wrong.value_or(0);
          return figures;
        };
        const Figures out_of_place = measure(false);
        std::optional<Figures> in_place;
        if (work.operation->in_place && options.in_place) in_place = measure(true);
        if (report != nullptr) report->Add(work, reduction, out_of_place, in_place);
      }
    }
  }
  return wrong;
}

uint64_t RunRank(const Rank& rank, const PerfOptions& options) {
  std::optional<Report> report;
  if (rank.rank() == 0) report.emplace(options);
  const uint64_t wrong = RunRows(rank, options, report ? &*report : nullptr);
  if (report) report->End();
  return wrong;
}

uint64_t RunThreads(const PerfOptions& options) {
  const thinwireConfig_t config = ConfigOf(options);
  std::vector<std::unique_ptr<TensorMemory>> memories;
  for (int i = 0; i < options.ranks; ++i) memories.push_back(MakeTensorMemory(options.device));
  std::vector<thinwireComm_t> comms(static_cast<size_t>(options.ranks));
  Check(thinwireCommInitAll(comms.data(), options.ranks, &config), nullptr);
  std::mutex mutex;
  std::string failure;  // the first: the others only follow from it
  uint64_t wrong = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < comms.size(); ++i) {
    threads.emplace_back([&, i] {
      Rank rank(comms[i], std::move(memories[i]));
      try {
        const uint64_t found = RunRank(rank, options);
        const std::lock_guard lock(mutex);
        wrong = found;
      } catch (const std::exception& error) {
        {
          const std::lock_guard lock(mutex);
          if (failure.empty()) failure = error.what();
        }
        rank.Abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!failure.empty()) throw PerfError(failure);
  return wrong;
}

uint64_t RunProcess(const PerfOptions& options) {
  const thinwireConfig_t config = ConfigOf(options);
  std::unique_ptr<TensorMemory> memory = MakeTensorMemory(options.device);
  thinwireComm_t comm = nullptr;
  Check(thinwireCommInitFromEnvironment(&comm, &config), nullptr);
  Rank rank(comm, std::move(memory));
  try {
    return RunRank(rank, options);
  } catch (...) {
    rank.Abort();
    throw;
  }
}

int Main(int argc, char** argv) {
  std::optional<PerfOptions> options;
  try {
    options = ParsePerfOptions(argc, argv);
    if (!options) return 0;  // --help
  } catch (const PerfError& error) {
    if (*error.what() != '\0') fmt::print(stderr, "thinwire-perf: {}\n", error.what());
    return kExitUsage;
  }
  try {
    const uint64_t wrong = options->ranks > 0 ? RunThreads(*options) : RunProcess(*options);
    return wrong == 0 ? 0 : kExitWrong;
  } catch (const std::exception& error) {
    fmt::print(stderr, "thinwire-perf: {}\n", error.what());
    return kExitWrong;
  }
}

}  // namespace
}  // namespace thinwire::perf

int main(int argc, char** argv) { return thinwire::perf::Main(argc, argv); }
