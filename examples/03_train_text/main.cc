// SPDX-License-Identifier: Apache-2.0
//
// train_text: trains a small language model on text with several ranks, to see what a codec does to
// the time of a step and to the loss.
//
//   train_text --ranks 4 --policy q8                      four threads of this process
//   mpirun -n 4 train_text --policy q8                    four processes
//   thinwire-lab run --ranks 4 --rate 500mbit --delay 20ms -- train_text --policy q8
//   train_text --mode pipeline --ranks 2 --epochs 10 --forward q8      two stages
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "options.h"
#include "training.h"

namespace train_text {
namespace {

std::string PolicyName(const Options& options) {
  const char* const environment = std::getenv("THINWIRE_POLICY");
  return options.policy.value_or(environment != nullptr ? environment : "");
}

nlohmann::ordered_json ToJson(const Options& options, const Results& results) {
  nlohmann::ordered_json json;
  if (options.mode == Mode::kData) {
    json = {{"mode", "data"},
            {"policy", PolicyName(options)},
            {"codec", results.gradient.codec},
            {"algorithm", results.gradient.algorithm},
            {"bytes_per_step", results.gradient.bytes_per_step},
            {"ratio", results.gradient.ratio},
            {"reduce_seconds_per_step", results.communication_seconds_per_step}};
  } else {
    json = {{"mode", "pipeline"},
            {"forward", results.forward.codec},
            {"forward_bytes_per_step", results.forward.bytes_per_step},
            {"forward_ratio", results.forward.ratio},
            {"backward", results.backward.codec},
            {"backward_bytes_per_step", results.backward.bytes_per_step},
            {"backward_ratio", results.backward.ratio},
            {"communication_seconds_per_step", results.communication_seconds_per_step}};
  }
  json.update({{"ranks", results.ranks},
               {"steps", options.steps},
               {"parameters", results.parameters},
               {"seconds_per_step", results.seconds_per_step},
               {"loss_first", results.loss_first},
               {"loss_last", results.loss_last},
               {"loss_held_out", results.loss_held_out},
               {"parameter_hash", fmt::format("{:016x}", results.parameter_hash)}});
  return json;
}

void Print(const Options& options, const Results& results) {
  if (options.mode == Mode::kData) {
    fmt::print(
        "{} ranks, {} parameters, {} by {}: {:.3f} s a step ({:.3f} s of it in the all-reduce), "
        "{:.2f} MB a step, ",
        results.ranks, results.parameters, results.gradient.codec, results.gradient.algorithm,
        results.seconds_per_step, results.communication_seconds_per_step,
        results.gradient.bytes_per_step / 1e6);
  } else {
    fmt::print(
        "2 stages, {} parameters: {:.3f} s a step, {:.3f} MB a step forward by {}, {:.3f} MB "
        "back by {}, ",
        results.parameters, results.seconds_per_step, results.forward.bytes_per_step / 1e6,
        results.forward.codec, results.backward.bytes_per_step / 1e6, results.backward.codec);
  }
  fmt::print("loss {:.3f} -> {:.3f}, held out {:.3f}; {}hash {:016x}\n", results.loss_first,
             results.loss_last, results.loss_held_out,
             options.mode == Mode::kData ? "all ranks equal, " : "", results.parameter_hash);
}

void Report(const Options& options, const Results& results) {
  Print(options, results);
  if (options.json.empty()) return;
  std::ofstream file(options.json);
  file << ToJson(options, results).dump(2) << '\n';
  file.close();
  if (!file) throw std::runtime_error(fmt::format("can't write {}", options.json));
}

// Trains as one rank and leaves the communicator: in good order, or so that the others fail too.
void RunRank(const Options& options, const Text& text, thinwireComm_t comm) {
  try {
    const Rank rank(comm);
    const Results results = options.mode == Mode::kData ? TrainDataParallel(options, text, rank)
                                                        : TrainPipeline(options, text, rank);
    if (rank.rank == 0) Report(options, results);
  } catch (...) {
    thinwireCommAbort(comm);
    throw;
  }
  Must(thinwireCommDestroy(comm), "end");
}

void RunOneRank(const Options& options, const Text& text, const thinwireConfig_t& config) {
  thinwireComm_t comm = nullptr;
  Must(thinwireCommInitFromEnvironment(&comm, &config), "start");
  RunRank(options, text, comm);
}

// Every rank is a thread; the first failure is thrown when all have ended.
void RunThreads(const Options& options, const Text& text, const thinwireConfig_t& config) {
  std::vector<thinwireComm_t> comms(static_cast<size_t>(options.ranks));
  Must(thinwireCommInitAll(comms.data(), options.ranks, &config), "start");
  std::vector<std::exception_ptr> failures(comms.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < comms.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        RunRank(options, text, comms[rank]);
      } catch (...) {
        failures[rank] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

void Run(const Options& options) {
  thinwireConfig_t config = THINWIRE_CONFIG_INITIALIZER;
  if (options.policy) config.policy = options.policy->c_str();
  const Text text = Text::Load(options.text);
  if (options.ranks == 0) {
    RunOneRank(options, text, config);
  } else {
    RunThreads(options, text, config);
  }
}

}  // namespace
}  // namespace train_text

int main(int argc, char** argv) {
  int status = 0;
  const auto options = train_text::ParseOptions(argc, argv, &status);
  if (!options) return status;
  try {
    train_text::Run(*options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "train_text: {}\n", error.what());
    return 1;
  }
  return 0;
}
