// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "batches.h"
#include "capture.h"
#include "journal.h"
#include "model.h"
#include "optimizer.h"
#include "training.h"

namespace train_text {
namespace {

constexpr size_t kHeldOutExamples = 1000;
// One gradient a step, so one state of codecs that keep any.
constexpr uint64_t kGradientKey = 1;

class Trainer {
 public:
  Trainer(const Options& options, const Text& text, const Rank& rank);

  Results Run();

 private:
  void Step(size_t step);
  void AverageGradients();

  const Options& options_;
  const Text& text_;
  const Rank& rank_;
  const Model model_;
  std::vector<float> parameters_;
  std::vector<float> gradient_;
  Model::Activations activations_;
  Optimizer optimizer_;
  std::mt19937_64 random_;
  Batches batches_;
  Journal journal_;
};

Trainer::Trainer(const Options& options, const Text& text, const Rank& rank)
    : options_(options),
      text_(text),
      rank_(rank),
      model_(options.context, text.vocabulary(), options.hidden),
      parameters_(model_.InitialParameters(options.seed)),
      gradient_(parameters_.size()),
      activations_(model_.ActivationsOf(options.batch)),
      optimizer_(options, parameters_.size()),
      random_(BatchRandom(options.seed, rank.rank)),
      batches_(options, text, &random_) {}

void Trainer::AverageGradients() {
  thinwireCallOptions_t call = THINWIRE_CALL_OPTIONS_INITIALIZER;  // policy: the communicator's
  call.tensor = "gradient";
  call.key = kGradientKey;
  const double start = Seconds();
  Must(thinwireAllReduce(gradient_.data(), gradient_.data(), gradient_.size(), thinwireFloat32,
                         thinwireAvg, rank_.comm, &call),
       "all-reduce of the gradient");
  journal_.communication_seconds.push_back(Seconds() - start);
}

void Trainer::Step(size_t step) {
  const double start = Seconds();
  const Batch& batch = batches_.Next();
  journal_.losses.push_back(
      static_cast<float>(model_.LossAndGradient(parameters_, batch, gradient_, &activations_)));
  if (rank_.rank == 0) {
    Capture(options_, step, "hidden", activations_.hidden);
    Capture(options_, step, "gradient", gradient_);
  }
  AverageGradients();
  optimizer_.Update(gradient_, parameters_);
  journal_.step_seconds.push_back(Seconds() - start);
  if (rank_.rank == 0) {
    journal_.PrintIfDue(options_.steps, rank_.Statistics(thinwireOpAllReduce).wireBytes);
  }
}

Results Trainer::Run() {
  rank_.CheckSettings(options_, text_);
  for (size_t step = 0; step < options_.steps; ++step) Step(step);

  Results results;
  results.ranks = rank_.ranks;
  results.parameters = parameters_.size();
  results.seconds_per_step = journal_.MedianStepSeconds();
  results.communication_seconds_per_step = journal_.MedianCommunicationSeconds();
  results.gradient = TrafficOf(rank_.Statistics(thinwireOpAllReduce), options_.steps);
  results.parameter_hash = Hash(parameters_);
  rank_.CheckEqual(results.parameter_hash, "its parameters after training",
                   "the replicas have drifted apart");

  std::vector<float>& losses = journal_.losses;
  const thinwireCallOptions_t exact = Exact();
  Must(thinwireAllReduce(losses.data(), losses.data(), losses.size(), thinwireFloat32, thinwireAvg,
                         rank_.comm, &exact),
       "all-reduce of the losses");
  results.loss_first = losses.front();
  results.loss_last = journal_.LastLoss();
  if (rank_.rank == 0) {
    const Batch batch =
        text_.Draw(Text::Part::kHeldOut, kHeldOutExamples, options_.context, &random_);
    results.loss_held_out = model_.Loss(parameters_, batch);
  }
  return results;
}

}  // namespace

Traffic TrafficOf(const thinwireStatistics_t& statistics, size_t steps) {
  return {.codec = statistics.codec,
          .algorithm = statistics.algorithm,
          .bytes_per_step = static_cast<double>(statistics.wireBytes) / static_cast<double>(steps),
          .ratio = statistics.ratio};
}

Results TrainDataParallel(const Options& options, const Text& text, const Rank& rank) {
  return Trainer(options, text, rank).Run();
}

}  // namespace train_text
