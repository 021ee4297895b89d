// SPDX-License-Identifier: Apache-2.0
#include "training.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>

#include "adam.h"
#include "model.h"

namespace train_text {
namespace {

constexpr size_t kProgressLines = 10;
constexpr size_t kHeldOutExamples = 1000;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Mean(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// FNV-1a over 64 bits.
template <typename T>
uint64_t Hash(const std::vector<T>& values, uint64_t hash = 0xcbf29ce484222325) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < values.size() * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

// One rank's training, and what it measures.
class Trainer {
 public:
  Trainer(const Options& options, const Text& text, thinwireComm_t comm);

  Results Run();

 private:
  void Step(size_t step);
  void PrintProgress(size_t step);
  thinwireStatistics_t Statistics() const;
  // Every rank must bring the same value.
  void CheckEqual(uint64_t value, const char* what, const char* advice) const;

  const Options& options_;
  const Text& text_;
  const thinwireComm_t comm_;
  int rank_ = 0, ranks_ = 0;

  const Model model_;
  std::vector<float> parameters_;
  std::vector<float> gradient_;
  Adam adam_;
  std::mt19937_64 random_;

  std::vector<float> losses_;  // of this rank's batches
  std::vector<double> step_seconds_, reduce_seconds_;
  size_t printed_ = 0;  // steps
};

Trainer::Trainer(const Options& options, const Text& text, thinwireComm_t comm)
    : options_(options),
      text_(text),
      comm_(comm),
      model_(options.context, text.vocabulary(), options.hidden),
      parameters_(model_.InitialParameters(options.seed)),
      gradient_(parameters_.size()),
      adam_(parameters_.size(), options.learning_rate) {
  Must(thinwireCommUserRank(comm_, &rank_), "rank");
  Must(thinwireCommCount(comm_, &ranks_), "number of ranks");
  // A stream of random numbers of its own for each rank, so that no two draw the same batches.
  std::seed_seq seed{options.seed, static_cast<uint64_t>(rank_)};
  random_.seed(seed);
}

void Trainer::CheckEqual(uint64_t value, const char* what, const char* advice) const {
  std::vector<uint64_t> values(static_cast<size_t>(ranks_));
  Must(thinwireAllGather(&value, values.data(), 1, thinwireUint64, comm_, nullptr), "all-gather");
  for (size_t rank = 0; rank < values.size(); ++rank) {
    if (values[rank] == values[0]) continue;
    throw std::runtime_error(
        fmt::format("rank {} differs from rank 0 in {}: {}", rank, what, advice));
  }
}

void Trainer::Step(size_t step) {
  const double start = Now();
  const Batch batch = text_.Draw(Text::Part::kTraining, options_.batch, options_.context, &random_);
  losses_.push_back(static_cast<float>(model_.LossAndGradient(parameters_, batch, gradient_)));

  const double reduce_start = Now();
  Must(thinwireAllReduce(gradient_.data(), gradient_.data(), gradient_.size(), thinwireFloat32,
                         thinwireAvg, comm_, nullptr),
       "all-reduce of the gradient");
  reduce_seconds_.push_back(Now() - reduce_start);

  adam_.Update(gradient_, parameters_);
  step_seconds_.push_back(Now() - start);
  const size_t every = (options_.steps + kProgressLines - 1) / kProgressLines;
  if (rank_ == 0 && ((step + 1) % every == 0 || step + 1 == options_.steps)) PrintProgress(step);
}

void Trainer::PrintProgress(size_t step) {
  const std::span<const float> losses = std::span(losses_).subspan(printed_);
  const double seconds =
      std::accumulate(step_seconds_.begin() + static_cast<std::ptrdiff_t>(printed_),
                      step_seconds_.end(), 0.0) /
      static_cast<double>(losses.size());
  fmt::print("step {:4}  loss {:.3f}  {:.3f} s a step  {:7.1f} MB sent\n", step + 1, Mean(losses),
             seconds, static_cast<double>(Statistics().wireBytes) / 1e6);
  std::fflush(stdout);
  printed_ = losses_.size();
}

thinwireStatistics_t Trainer::Statistics() const {
  thinwireStatistics_t statistics{};
  statistics.size = sizeof(statistics);
  Must(thinwireCommGetStatistics(comm_, thinwireOpAllReduce, &statistics), "statistics");
  return statistics;
}

Results Trainer::Run() {
  const std::vector<uint64_t> settings = {options_.steps, options_.batch, options_.context,
                                          options_.hidden, options_.seed};
  CheckEqual(Hash(settings, Hash(text_.characters())), "its text or its flags",
             "start all ranks with the same");

  for (size_t step = 0; step < options_.steps; ++step) Step(step);
  const thinwireStatistics_t used = Statistics();

  const uint64_t hash = Hash(parameters_);
  CheckEqual(hash, "its parameters after training", "the replicas have drifted apart");
  Must(thinwireAllReduce(losses_.data(), losses_.data(), losses_.size(), thinwireFloat32,
                         thinwireAvg, comm_, nullptr),
       "all-reduce of the losses");

  Results results;
  results.ranks = ranks_;
  results.parameters = parameters_.size();
  results.seconds_per_step = Median(step_seconds_);
  results.reduce_seconds_per_step = Median(reduce_seconds_);
  results.bytes_per_step =
      static_cast<double>(used.wireBytes) / static_cast<double>(options_.steps);
  results.ratio = used.ratio;
  results.codec = used.codec;
  results.algorithm = used.algorithm;
  results.loss_first = losses_.front();
  results.loss_last = Mean(std::span(losses_).last((losses_.size() + 9) / 10));
  if (rank_ == 0) {
    const Batch batch =
        text_.Draw(Text::Part::kHeldOut, kHeldOutExamples, options_.context, &random_);
    results.loss_held_out = model_.Loss(parameters_, batch);
  }
  results.parameter_hash = hash;
  return results;
}

}  // namespace

void Must(thinwireResult_t result, const char* what) {
  if (result == thinwireSuccess) return;
  throw std::runtime_error(fmt::format("{}: {}", what, thinwireGetLastError(nullptr)));
}

Results Train(const Options& options, const Text& text, thinwireComm_t comm) {
  return Trainer(options, text, comm).Run();
}

}  // namespace train_text
