// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <CLI/CLI.hpp>

namespace train_text {

std::optional<Options> ParseOptions(int argc, char** argv, int* status) {
  Options options;
  CLI::App app("Trains a small language model on text, data-parallel over Thinwire.", "train_text");
  app.option_defaults()->always_capture_default();
  app.option_defaults()->take_last();
  app.add_option("--ranks", options.ranks,
                 "ranks as threads of this process [one rank, of the job that torchrun, mpirun or "
                 "thinwire-lab started]")
      ->check(CLI::Range(0, 64));
  app.add_option("--steps", options.steps, "updates")->check(CLI::Range(1, 1000000));
  app.add_option("--policy", options.policy, "codec and algorithm, such as q8 [THINWIRE_POLICY]");
  app.add_option("--text", options.text,
                 "file to learn [the King James Bible of package bible-kjv]");
  app.add_option("--batch", options.batch, "examples a rank takes a step")
      ->check(CLI::Range(1, 65536));
  app.add_option("--context", options.context, "characters the model sees")
      ->check(CLI::Range(1, 256));
  app.add_option("--hidden", options.hidden, "width of the hidden layer")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--lr", options.learning_rate, "learning rate of Adam");
  app.add_option("--seed", options.seed, "of the first parameters and of the batches");
  app.add_option("--json", options.json, "file that rank 0 writes the results to");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *status = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace train_text
