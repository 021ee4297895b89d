// SPDX-License-Identifier: Apache-2.0
#include "rank.h"

#include <fmt/format.h>

#include <bit>
#include <stdexcept>

namespace train_text {

void Must(thinwireResult_t result, const char* what) {
  if (result == thinwireSuccess) return;
  throw std::runtime_error(fmt::format("{}: {}", what, thinwireGetLastError(nullptr)));
}

thinwireCallOptions_t Exact() {
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.policy = "";
  return options;
}

Rank::Rank(thinwireComm_t communicator) : comm(communicator) {
  Must(thinwireCommUserRank(comm, &rank), "rank");
  Must(thinwireCommCount(comm, &ranks), "number of ranks");
}

std::vector<uint64_t> Rank::Gather(uint64_t value) const {
  std::vector<uint64_t> values(static_cast<size_t>(ranks));
  const thinwireCallOptions_t exact = Exact();
  Must(thinwireAllGather(&value, values.data(), 1, thinwireUint64, comm, &exact), "all-gather");
  return values;
}

void Rank::CheckEqual(uint64_t value, const char* what, const char* advice) const {
  const std::vector<uint64_t> values = Gather(value);
  for (size_t other = 0; other < values.size(); ++other) {
    if (values[other] == values[0]) continue;
    throw std::runtime_error(
        fmt::format("rank {} differs from rank 0 in {}: {}", other, what, advice));
  }
}

void Rank::CheckSettings(const Options& options, const Text& text) const {
  const auto bits = [](float value) { return uint64_t{std::bit_cast<uint32_t>(value)}; };
  const std::vector<uint64_t> settings = {static_cast<uint64_t>(options.mode),
                                          options.steps,
                                          options.batch,
                                          options.samples,
                                          options.context,
                                          options.hidden,
                                          static_cast<uint64_t>(options.optimizer),
                                          bits(options.learning_rate),
                                          bits(options.learning_rate_decay),
                                          bits(options.momentum),
                                          options.seed};
  CheckEqual(Hash(settings, Hash(text.characters())), "its text or its flags",
             "start all ranks with the same");
}

thinwireStatistics_t Rank::Statistics(thinwireOperation_t operation) const {
  thinwireStatistics_t statistics{};
  statistics.size = sizeof(statistics);
  Must(thinwireCommGetStatistics(comm, operation, &statistics), "statistics");
  return statistics;
}

}  // namespace train_text
