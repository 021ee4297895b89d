// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

namespace train_text {
namespace {

// Of a pipeline: an epoch of 128 batches of the usual size.
constexpr size_t kPipelineSamples = 4096;

const std::map<std::string, Mode> kModes = {{"data", Mode::kData}, {"pipeline", Mode::kPipeline}};
const std::map<std::string, OptimizerKind> kOptimizers = {{"adam", OptimizerKind::kAdam},
                                                          {"sgd", OptimizerKind::kSgd}};

void AddCommunication(CLI::App* app, Options* options) {
  app->add_option(
         "--mode", options->mode,
         "data: every rank holds the model, and all average their gradients; pipeline: rank "
         "0 holds the hidden layer and rank 1 the output layer")
      ->transform(CLI::CheckedTransformer(kModes).description("data|pipeline"))
      ->default_str("data");
  app->add_option("--ranks", options->ranks,
                  "ranks as threads of this process [one rank, of the job that torchrun, mpirun or "
                  "thinwire-lab started]")
      ->check(CLI::Range(0, 64));
  app->add_option("--policy", options->policy,
                  "codec and algorithm of the gradient's all-reduce, such as q8 [THINWIRE_POLICY]");
  app->add_option("--forward", options->forward,
                  "pipeline: codec of the activations that rank 0 sends, such as q8");
  app->add_option("--backward", options->backward,
                  "pipeline: codec of their gradient that rank 1 sends back");
}

void AddTraining(CLI::App* app, Options* options, std::optional<size_t>* epochs) {
  auto* const steps =
      app->add_option("--steps", options->steps, "updates")->check(CLI::Range(1, 1000000));
  app->add_option("--batch", options->batch, "examples a rank takes a step")
      ->check(CLI::Range(1, 65536));
  app->add_option("--samples", options->samples,
                  "examples of a rank, a multiple of --batch: the same batches come in the same "
                  "order every epoch; in a pipeline a batch's number is the key of what the codec "
                  "keeps [other examples every step; pipeline: 4096]")
      ->check(CLI::Range(1, 1 << 24));
  app->add_option("--epochs", *epochs, "passes over --samples, instead of --steps")
      ->check(CLI::Range(1, 1000000))
      ->excludes(steps);
  app->add_option("--optimizer", options->optimizer, "adam or sgd")
      ->transform(CLI::CheckedTransformer(kOptimizers).description("adam|sgd"))
      ->default_str("adam");
  app->add_option("--lr", options->learning_rate, "learning rate of the first step")
      ->check(CLI::PositiveNumber);
  app->add_option("--lr-decay", options->learning_rate_decay,
                  "learning rate of the last step over that of the first; it falls in a straight "
                  "line")
      ->check(CLI::Range(0.0, 1.0));
  app->add_option("--momentum", options->momentum, "of sgd")->check(CLI::Range(0.0, 0.999));
  app->add_option("--seed", options->seed, "of the first parameters and of the batches");
}

void AddRest(CLI::App* app, Options* options) {
  app->add_option("--text", options->text,
                  "file to learn [the King James Bible of package bible-kjv]");
  app->add_option("--context", options->context, "characters the model sees")
      ->check(CLI::Range(1, 256));
  app->add_option("--hidden", options->hidden, "width of the hidden layer")
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--json", options->json, "file that rank 0 writes the results to");
  app->add_option("--capture", options->capture,
                  "folder that rank 0 writes its gradient and activations of steps 1 and 10 and of "
                  "the last to, as raw binary32 (.f32)")
      ->check(CLI::ExistingDirectory);
}

// Throws CLI::ParseError.
void Complete(const CLI::App& app, std::optional<size_t> epochs, Options* options) {
  if (options->mode == Mode::kPipeline) {
    if (options->samples == 0) options->samples = kPipelineSamples;
    if (app.count("--policy") > 0) {
      throw CLI::ValidationError("--policy", "a pipeline takes --forward and --backward instead");
    }
  } else if (app.count("--forward") + app.count("--backward") > 0) {
    throw CLI::ValidationError("--forward, --backward", "belong to --mode pipeline");
  }
  if (options->samples % options->batch != 0) {
    throw CLI::ValidationError("--samples", fmt::format("{} is no multiple of --batch {}",
                                                        options->samples, options->batch));
  }
  if (epochs) {
    if (options->samples == 0) throw CLI::ValidationError("--epochs", "needs --samples");
    options->steps = *epochs * (options->samples / options->batch);
  }
}

}  // namespace

std::optional<Options> ParseOptions(int argc, char** argv, int* status) {
  Options options;
  std::optional<size_t> epochs;
  CLI::App app("Trains a small language model on text with several ranks over Thinwire.",
               "train_text");
  app.option_defaults()->always_capture_default();
  app.option_defaults()->take_last();
  AddCommunication(&app, &options);
  AddTraining(&app, &options, &epochs);
  AddRest(&app, &options);
  try {
    app.parse(argc, argv);
    Complete(app, epochs, &options);
  } catch (const CLI::ParseError& error) {
    *status = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace train_text
