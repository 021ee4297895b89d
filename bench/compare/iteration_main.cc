// SPDX-License-Identifier: Apache-2.0
//
// thinwire-iteration: the communication of one training iteration, without the computing. Forward,
// every stage passes micro-batches on to the next; backward, their gradients return; then the
// replicas of each stage sum the gradients of its weights. The three are timed apart, each from a
// common start to the last rank's end. RANK is in the environment; rank 0 prints a JSON object.
// bench/compare/worldwide runs it under thinwire-lab.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "training_grid.h"

namespace thinwire::compare {
namespace {

struct Options {
  GridOptions grid;
  size_t gradient_bytes = 1 << 20;
  size_t activation_bytes = 64 << 10;
  int micro_batches = 8;
  int warmups = 1;
  int iterations = 3;
};

// Values that any rank can work out again, spread over -1 ... 1.
float ValueAt(size_t i, int salt) {
  const uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(salt) * 0x85ebca6bu;
  return static_cast<float>(static_cast<int64_t>(mixed)) * 0x1p-63f;
}

uint16_t ToBfloat16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>(bits >> 16);  // to zero is near enough for test data
}
float FromBfloat16(uint16_t value) {
  const uint32_t bits = uint32_t{value} << 16;
  float result = 0;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// sqrt(sum of squares of what is wrong / of what is right)
class RelativeError {
 public:
  void Add(double value, double right) {
    wrong_ += (value - right) * (value - right);
    right_ += right * right;
  }
  double Value() const { return right_ > 0 ? std::sqrt(wrong_ / right_) : 0; }

 private:
  double wrong_ = 0;
  double right_ = 0;
};

class Iteration {
 public:
  Iteration(const Options& options, TrainingGrid* grid)
      : options_(options),
        grid_(*grid),
        gradients_(options.gradient_bytes / sizeof(float)),
        batches_(static_cast<size_t>(options.micro_batches),
                 std::vector<uint16_t>(options.activation_bytes / sizeof(uint16_t))) {}

  void Forward() {
    const int last = options_.grid.stages - 1;
    PassOn(grid_.stage() > 0 ? grid_.stage() - 1 : kNobody,
           grid_.stage() < last ? grid_.stage() + 1 : kNobody);
  }
  void Backward() {
    const int last = options_.grid.stages - 1;
    PassOn(grid_.stage() < last ? grid_.stage() + 1 : kNobody,
           grid_.stage() > 0 ? grid_.stage() - 1 : kNobody);
  }
  void SumGradients() {
    Check(thinwireAllReduce(gradients_.data(), gradients_.data(), gradients_.size(),
                            thinwireFloat32, thinwireSum, grid_.replicas(), nullptr),
          "sum of gradients");
  }

  void Prepare() {
    for (size_t i = 0; i < gradients_.size(); ++i) gradients_[i] = ValueAt(i, grid_.replica());
    for (size_t batch = 0; batch < batches_.size(); ++batch) {
      for (size_t i = 0; i < batches_[batch].size(); ++i) {
        batches_[batch][i] = grid_.stage() == 0 ? ActivationAt(batch, i) : uint16_t{0};
      }
    }
  }

  // After all three: every rank holds sums, and what the first stage sent out and got back.
  double Error() const {
    RelativeError error;
    for (size_t i = 0; i < gradients_.size(); ++i) {
      double right = 0;
      for (int replica = 0; replica < options_.grid.replicas; ++replica) {
        right += static_cast<double>(ValueAt(i, replica));
      }
      error.Add(static_cast<double>(gradients_[i]), right);
    }
    RelativeError of_batches;
    for (size_t batch = 0; batch < batches_.size(); ++batch) {
      for (size_t i = 0; i < batches_[batch].size(); ++i) {
        of_batches.Add(static_cast<double>(FromBfloat16(batches_[batch][i])),
                       static_cast<double>(FromBfloat16(ActivationAt(batch, i))));
      }
    }
    return std::max(error.Value(), of_batches.Value());
  }

 private:
  static constexpr int kNobody = -1;

  uint16_t ActivationAt(size_t batch, size_t i) const {
    const int salt = grid_.replica() * options_.micro_batches + static_cast<int>(batch);
    return ToBfloat16(ValueAt(i, salt));
  }

  // Receives every micro-batch and sends it on as soon as it is there.
  void PassOn(int from, int to) {
    std::vector<thinwireRequest_t> receives(batches_.size());
    std::vector<thinwireRequest_t> sends(batches_.size());
    for (size_t i = 0; i < batches_.size() && from != kNobody; ++i) {
      thinwireCallOptions_t call = THINWIRE_CALL_OPTIONS_INITIALIZER;
      call.request = &receives[i];
      Check(thinwireRecv(batches_[i].data(), batches_[i].size(), thinwireBfloat16, from,
                         grid_.pipeline(), &call),
            "receive");
    }
    for (size_t i = 0; i < batches_.size(); ++i) {
      if (from != kNobody) Check(thinwireRequestWait(receives[i]), "receive");
      if (to == kNobody) continue;
      thinwireCallOptions_t call = THINWIRE_CALL_OPTIONS_INITIALIZER;
      call.request = &sends[i];
      Check(thinwireSend(batches_[i].data(), batches_[i].size(), thinwireBfloat16, to,
                         grid_.pipeline(), &call),
            "send");
    }
    for (size_t i = 0; i < batches_.size() && to != kNobody; ++i) {
      Check(thinwireRequestWait(sends[i]), "send");
    }
  }

  const Options& options_;
  TrainingGrid& grid_;
  std::vector<float> gradients_;
  std::vector<std::vector<uint16_t>> batches_;
};

double SecondsOf(TrainingGrid* grid, const std::function<void()>& phase) {
  const int64_t start = grid->Start();
  phase();
  return static_cast<double>(grid->Largest(TrainingGrid::Now()) - start) / 1e9;
}

// In parts per million, so that ranks find it as they find times.
double LargestError(const TrainingGrid& grid, double mine) {
  return static_cast<double>(grid.Largest(static_cast<int64_t>(std::ceil(mine * 1e6)))) / 1e6;
}

void Measure(const Options& options) {
  TrainingGrid grid(options.grid);
  Iteration iteration(options, &grid);
  nlohmann::json rows = nlohmann::json::array();
  double error = 0;
  for (int i = 0; i < options.warmups + options.iterations; ++i) {
    iteration.Prepare();
    const double forward = SecondsOf(&grid, [&] { iteration.Forward(); });
    const double backward = SecondsOf(&grid, [&] { iteration.Backward(); });
    const double gradients = SecondsOf(&grid, [&] { iteration.SumGradients(); });
    error = std::max(error, LargestError(grid, iteration.Error()));
    if (i < options.warmups) continue;
    rows.push_back({{"activation_seconds", forward + backward}, {"gradient_seconds", gradients}});
  }
  if (options.grid.rank == 0) {
    std::printf("%s\n", nlohmann::json{{"iterations", rows}, {"error", error}}.dump().c_str());
    std::fflush(stdout);
  }
}

int Main(int argc, char** argv) {
  Options options;
  options.grid.codec = "raw";
  CLI::App app("The communication of a training iteration.", "thinwire-iteration");
  app.add_option("--stages", options.grid.stages)->required()->check(CLI::PositiveNumber);
  app.add_option("--replicas", options.grid.replicas)->required()->check(CLI::PositiveNumber);
  app.add_option("--meet", options.grid.meet, "new folder that all ranks see")->required();
  app.add_option("--link-file", options.grid.link_file, "as thinwire-plan place writes it");
  app.add_option("--codec", options.grid.codec)->capture_default_str();
  app.add_option("--gradients", options.gradient_bytes, "bytes of a stage, float");
  app.add_option("--activations", options.activation_bytes, "bytes of a micro-batch, bfloat16");
  app.add_option("--micro-batches", options.micro_batches)->check(CLI::PositiveNumber);
  app.add_option("--warmups", options.warmups)->capture_default_str();
  app.add_option("--iterations", options.iterations)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const char* rank = std::getenv("RANK");
  options.grid.rank = rank == nullptr ? 0 : std::atoi(rank);
  try {
    Measure(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "thinwire-iteration: rank %d: %s\n", options.grid.rank, error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace thinwire::compare

int main(int argc, char** argv) { return thinwire::compare::Main(argc, argv); }
