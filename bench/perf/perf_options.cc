// SPDX-License-Identifier: Apache-2.0
#include "perf_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

namespace thinwire::perf {
namespace {

constexpr Reduction kReductions[] = {{"sum", thinwireSum},
                                     {"prod", thinwireProd},
                                     {"max", thinwireMax},
                                     {"min", thinwireMin},
                                     {"avg", thinwireAvg}};
constexpr const char* kAll = "all";
constexpr const char* kAutomatic = "auto";

// Flags as they were written.
struct Texts {
  std::string operation;
  std::string type = "float";
  std::string reduction = "sum";
  uint64_t smallest = 1024;
  uint64_t largest = 64 << 20;
  uint64_t step = 0;
  double factor = 4;
  int check = 1;
  bool out_of_place_only = false;
  std::string codec = "raw";
  std::string algorithm = kAutomatic;
  std::string delay;
  std::string rate;
};

// The values of `table` that `text` names: one, or all.
template <typename Table>
auto Named(const Table& table, const std::string& text, const char* what) {
  std::vector<const std::remove_reference_t<decltype(*std::begin(table))>*> found;
  std::vector<std::string> names;
  for (const auto& entry : table) {
    if (text == kAll || text == entry.name) found.push_back(&entry);
    names.emplace_back(entry.name);
  }
  if (found.empty()) {
    throw PerfError(
        fmt::format("unknown {} '{}': write one of {}", what, text, fmt::join(names, ", ")));
  }
  return found;
}

std::vector<size_t> Sizes(const Texts& texts) {
  if (texts.smallest > texts.largest) {
    throw PerfError(fmt::format("-b {} is more than -e {}", texts.smallest, texts.largest));
  }
  if (texts.step == 0 && texts.factor <= 1) throw PerfError("-f must be more than 1");
  std::vector<size_t> sizes;
  for (uint64_t size = texts.smallest; size <= texts.largest;) {
    sizes.push_back(size);
    const auto grown = static_cast<uint64_t>(static_cast<double>(size) * texts.factor);
    size = texts.step > 0 ? size + texts.step : std::max(grown, size + 1);
  }
  return sizes;
}

// -i wins over -f, as in nccl-tests.
void AddFlags(CLI::App* app, Texts* texts, PerfOptions* options) {
  const CLI::AsSizeValue bytes(/*kb_is_1000=*/false);
  app->add_option(
         "operation", texts->operation,
         "all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, reduce, send_recv or "
         "barrier")
      ->required();
  app->add_option("-b,--minbytes", texts->smallest, "smallest size, such as 1K [1K]")
      ->transform(bytes);
  app->add_option("-e,--maxbytes", texts->largest, "largest size [64M]")->transform(bytes);
  app->add_option("-i,--stepbytes", texts->step, "sizes grow by so many bytes")->transform(bytes);
  app->add_option("-f,--stepfactor", texts->factor, "sizes grow by this factor")
      ->capture_default_str();
  app->add_option("-n,--iters", options->measurement.iterations, "measured calls of a row")
      ->default_val(10)
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("-w,--warmup_iters", options->measurement.warmups, "calls before those")
      ->default_val(2)
      ->check(CLI::Range(0, 1'000'000));
  app->add_option("-m,--agg_iters", options->calls,
                  "so many calls in a group, each on its part of the elements")
      ->default_val(1)
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("-d,--datatype", texts->type,
                  "int8, uint8, int32, uint32, int64, uint64, half, float, double, bfloat16, "
                  "f8e4m3, f8e5m2 or all")
      ->capture_default_str();
  app->add_option("-o,--op", texts->reduction, "sum, prod, max, min, avg or all")
      ->capture_default_str();
  app->add_option("-r,--root", options->root, "root of broadcast and reduce")
      ->capture_default_str();
  app->add_flag("--out-of-place", texts->out_of_place_only, "don't measure in place too");
  app->add_option("-c,--check", texts->check, "1: check the results; 0: don't")
      ->capture_default_str();
  app->add_option("--codec", texts->codec, "codec of what it can code, at every size")
      ->capture_default_str();
  app->add_option("--algo", texts->algorithm, "auto, or an algorithm (docs/policy.md)")
      ->capture_default_str();
  app->add_option("--policy", options->policy, "a policy instead of --codec and --algo");
  app->add_option("--transport", options->transport, "tcp, ucx, loopback, mpi or auto");
  app->add_option("--device", options->device,
                  "where tensors stand: host, or cuda (calls go on a stream)")
      ->capture_default_str()
      ->check(CLI::IsMember({"host", "cuda"}));
  app->add_option("--ranks", options->ranks,
                  "so many ranks as threads of this process [as mpirun or torchrun started it]")
      ->check(CLI::Range(1, 256));
  app->add_option("--delay", texts->delay, "emulate this one-way delay, such as 20ms");
  app->add_option("--rate", texts->rate, "emulate this rate of each rank, such as 500mbit");
  app->add_option("--link", options->link, "what the links are like: rate=500mbit,delay=20ms");
  app->add_option("--timeout", options->timeout_seconds, "longest wait of a call, in seconds");
  app->add_option("--json", options->json_path, "write the rows to this file");
}

void Apply(const Texts& texts, PerfOptions* options) {
  options->operation = Named(Operations(), texts.operation, "operation").front();
  if (options->calls > 1 && !options->operation->divides()) {
    throw PerfError(fmt::format("{} can't be divided into several calls", texts.operation));
  }
  options->types = Named(ElementTypes(), texts.type, "type");
  for (const Reduction* reduction : Named(kReductions, texts.reduction, "reduction")) {
    options->reductions.push_back(*reduction);
  }
  if (!options->operation->reduces) options->reductions = {kReductions[0]};
  options->sizes = Sizes(texts);
  if (options->operation->id == OperationId::kBarrier) {
    options->sizes = {0};
    options->types.resize(1);
  }
  options->measurement.check = texts.check != 0;
  options->in_place = !texts.out_of_place_only;
  if (options->policy.empty()) {
    options->policy = fmt::format("* >=0: {} algo={}", texts.codec, texts.algorithm);
  }
  std::vector<std::string> shape;
  if (!texts.rate.empty()) shape.push_back("rate=" + texts.rate);
  if (!texts.delay.empty()) shape.push_back("delay=" + texts.delay);
  options->shape = fmt::format("{}", fmt::join(shape, ","));
}

}  // namespace

std::optional<PerfOptions> ParsePerfOptions(int argc, char** argv) {
  Texts texts;
  PerfOptions options;
  CLI::App app("Measures and checks Thinwire's operations.", "thinwire-perf");
  app.footer(
      "Times are medians of single calls over all ranks; wire is what the busiest rank sends in a\n"
      "call; codec and algorithm are what really ran; issue is how long a call on a stream takes "
      "to\n"
      "return, which is before it is done. Examples:\n"
      "  thinwire-perf all_reduce --ranks 4 --codec q8 --delay 20ms --rate 500mbit\n"
      "  mpirun -n 4 thinwire-perf all_gather -b 1M -e 1M -d all");
  AddFlags(&app, &texts, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) return std::nullopt;
    throw PerfError("");
  }
  Apply(texts, &options);
  return options;
}

}  // namespace thinwire::perf
