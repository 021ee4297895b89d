// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "batches.h"
#include "capture.h"
#include "journal.h"
#include "model.h"
#include "optimizer.h"
#include "training.h"

namespace train_text {
namespace {

constexpr size_t kHeldOutExamples = 1000;

// One kind of message between the stages.
struct Message {
  const char* tensor;
  std::string policy;
};

// A rule must name sends, which move data without reducing it; it names receives too. It holds for
// messages of any size.
std::string SendsBy(const std::string& codec) { return fmt::format("send >=0: {}", codec); }

// The other rank.
class Neighbour {
 public:
  explicit Neighbour(const Rank& rank) : comm_(rank.comm), peer_(1 - rank.rank) {}

  // `key` is the number of the batch: what the codec keeps of it is met again in its next epoch.
  void Send(std::span<const float> values, const Message& message, uint64_t key) {
    const thinwireCallOptions_t call = Call(message, key);
    const double start = Seconds();
    Must(thinwireSend(values.data(), values.size(), thinwireFloat32, peer_, comm_, &call), "send");
    seconds_ += Seconds() - start;
  }
  void Receive(std::span<float> values, const Message& message, uint64_t key) {
    const thinwireCallOptions_t call = Call(message, key);
    const double start = Seconds();
    Must(thinwireRecv(values.data(), values.size(), thinwireFloat32, peer_, comm_, &call),
         "receive");
    seconds_ += Seconds() - start;
  }

  // Seconds in calls since this was last asked.
  double TakeSeconds() { return std::exchange(seconds_, 0); }

 private:
  static thinwireCallOptions_t Call(const Message& message, uint64_t key) {
    thinwireCallOptions_t call = THINWIRE_CALL_OPTIONS_INITIALIZER;
    call.policy = message.policy.c_str();
    call.tensor = message.tensor;
    call.key = key;
    return call;
  }

  const thinwireComm_t comm_;
  const int peer_;
  double seconds_ = 0;
};

// One rank's stage. Both draw the same batches: rank 0 reads the contexts, rank 1 the targets.
class Stage {
 public:
  Stage(const Options& options, const Text& text, const Rank& rank);

  Results Run();

 private:
  void StepHidden(size_t step, const Batch& batch);
  void StepOutput(const Batch& batch);
  void Step(size_t step);
  double HeldOutLoss(const Batch& batch);
  uint64_t HashOfBoth() const;
  void ShareResults(double held_out, Results* results) const;

  const Options& options_;
  const Text& text_;
  const Rank& rank_;
  const Model model_;
  std::vector<float> parameters_;  // of this rank's layer
  std::vector<float> gradient_;
  Model::Activations activations_;
  Optimizer optimizer_;
  std::mt19937_64 random_;
  Batches batches_;
  const Message forward_, backward_;
  Neighbour neighbour_;
  Journal journal_;
};

std::vector<float> StageParameters(const Model& model, uint64_t seed, int rank) {
  const std::vector<float> all = model.InitialParameters(seed);
  const auto border =
      all.begin() + static_cast<std::ptrdiff_t>(model.hidden_layer().parameter_count());
  return rank == 0 ? std::vector(all.begin(), border) : std::vector(border, all.end());
}

Stage::Stage(const Options& options, const Text& text, const Rank& rank)
    : options_(options),
      text_(text),
      rank_(rank),
      model_(options.context, text.vocabulary(), options.hidden),
      parameters_(StageParameters(model_, options.seed, rank.rank)),
      gradient_(parameters_.size()),
      activations_(model_.ActivationsOf(options.batch)),
      optimizer_(options, parameters_.size()),
      random_(BatchRandom(options.seed, /*rank=*/0)),
      batches_(options, text, &random_),
      forward_{"hidden", SendsBy(options.forward)},
      backward_{"d_hidden", SendsBy(options.backward)},
      neighbour_(rank) {}

void Stage::StepHidden(size_t step, const Batch& batch) {
  model_.hidden_layer().Forward(parameters_, batch, activations_.hidden);
  neighbour_.Send(activations_.hidden, forward_, batches_.number());
  neighbour_.Receive(activations_.d_hidden, backward_, batches_.number());
  model_.hidden_layer().Backward(batch, activations_.hidden, activations_.d_hidden, gradient_);
  Capture(options_, step, "hidden", activations_.hidden);
  Capture(options_, step, "d_hidden", activations_.d_hidden);
  Capture(options_, step, "gradient", gradient_);
}

void Stage::StepOutput(const Batch& batch) {
  neighbour_.Receive(activations_.hidden, forward_, batches_.number());
  const double loss = model_.output_layer().Forward(parameters_, batch, activations_.hidden,
                                                    activations_.probabilities);
  journal_.losses.push_back(static_cast<float>(loss));
  model_.output_layer().Backward(parameters_, batch, activations_.hidden,
                                 activations_.probabilities, gradient_, activations_.d_hidden);
  neighbour_.Send(activations_.d_hidden, backward_, batches_.number());
}

// Known to rank 1 only.
double Stage::HeldOutLoss(const Batch& batch) {
  const Message exact = {nullptr, ""};
  Model::Activations activations = model_.ActivationsOf(batch.size);
  if (rank_.rank == 0) {
    model_.hidden_layer().Forward(parameters_, batch, activations.hidden);
    neighbour_.Send(activations.hidden, exact, THINWIRE_NO_KEY);
    return 0;
  }
  neighbour_.Receive(activations.hidden, exact, THINWIRE_NO_KEY);
  return model_.output_layer().Forward(parameters_, batch, activations.hidden,
                                       activations.probabilities);
}

void Stage::Step(size_t step) {
  const double start = Seconds();
  const Batch& batch = batches_.Next();
  if (rank_.rank == 0) {
    StepHidden(step, batch);
  } else {
    StepOutput(batch);
  }
  optimizer_.Update(gradient_, parameters_);
  journal_.communication_seconds.push_back(neighbour_.TakeSeconds());
  journal_.step_seconds.push_back(Seconds() - start);
  if (rank_.rank == 1) {
    journal_.PrintIfDue(options_.steps, rank_.Statistics(thinwireOpSend).wireBytes);
  }
}

// The same as of a rank that holds both layers.
uint64_t Stage::HashOfBoth() const {
  const uint64_t first = rank_.Gather(Hash(parameters_))[0];
  return rank_.Gather(Hash(parameters_, first))[1];
}

// Fills in what rank 1 alone knows.
void Stage::ShareResults(double held_out, Results* results) const {
  std::array<double, 5> figures{};
  if (rank_.rank == 1) {
    figures = {journal_.losses.front(), journal_.LastLoss(), held_out,
               results->backward.bytes_per_step, results->backward.ratio};
  }
  const thinwireCallOptions_t exact = Exact();
  Must(thinwireBroadcast(figures.data(), figures.data(), figures.size(), thinwireFloat64,
                         /*root=*/1, rank_.comm, &exact),
       "broadcast of the results");
  results->loss_first = figures[0];
  results->loss_last = figures[1];
  results->loss_held_out = figures[2];
  results->backward.bytes_per_step = figures[3];
  results->backward.ratio = figures[4];
}

Results Stage::Run() {
  rank_.CheckSettings(options_, text_);
  for (size_t step = 0; step < options_.steps; ++step) Step(step);

  Results results;
  results.ranks = rank_.ranks;
  results.parameters = model_.parameter_count();
  results.seconds_per_step = journal_.MedianStepSeconds();
  results.communication_seconds_per_step = journal_.MedianCommunicationSeconds();
  Traffic& sent = rank_.rank == 0 ? results.forward : results.backward;
  sent = TrafficOf(rank_.Statistics(thinwireOpSend), options_.steps);
  if (rank_.rank == 0) results.backward.codec = rank_.Statistics(thinwireOpRecv).codec;
  results.parameter_hash = HashOfBoth();
  const Batch held_out =
      text_.Draw(Text::Part::kHeldOut, kHeldOutExamples, options_.context, &random_);
  ShareResults(HeldOutLoss(held_out), &results);
  return results;
}

}  // namespace

Results TrainPipeline(const Options& options, const Text& text, const Rank& rank) {
  if (rank.ranks != 2) {
    throw std::runtime_error(
        fmt::format("a pipeline has 2 stages: start 2 ranks, not {}", rank.ranks));
  }
  return Stage(options, text, rank).Run();
}

}  // namespace train_text
