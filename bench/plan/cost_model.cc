// SPDX-License-Identifier: Apache-2.0
#include "cost_model.h"

#include <fmt/ranges.h>

#include <cmath>
#include <utility>

namespace thinwire::plan {
namespace {

constexpr double kBitsPerByte = 8;

// Twice all but one's own part: out to be summed, and back.
double ThereAndBack(double n) { return 2 * (n - 1) / n; }
double Levels(double n) { return std::ceil(std::log2(n)); }

struct NamedPattern {
  std::string_view name;
  Pattern (*of)(double ranks);
};

constexpr NamedPattern kPatterns[] = {
    {"one-shot",
     [](double n) {
       return Pattern{n - 1, n - 1, 1};
     }},
    {"sra",
     [](double n) {
       return Pattern{ThereAndBack(n), ThereAndBack(n), 2};
     }},
    {"sra-2d",
     [](double n) {
       return Pattern{ThereAndBack(n), ThereAndBack(n), 4};
     }},
    {"ring",
     [](double n) {
       return Pattern{ThereAndBack(n), ThereAndBack(n), 2 * (n - 1)};
     }},
    {"doubling",
     [](double n) {
       return Pattern{Levels(n), Levels(n), Levels(n)};
     }},
    {"halving-doubling",
     [](double n) {
       return Pattern{ThereAndBack(n), ThereAndBack(n), 2 * Levels(n)};
     }},
    {"double-tree",
     [](double n) {
       return Pattern{2, 2, 2 * Levels(n)};
     }},
    // A server of its own takes n vectors in and, when it has them, sends n out.
    {"star",
     [](double n) {
       return Pattern{n, 2 * n, 2};
     }},
};

// A block of `size` values shares a scale of 16 bits.
constexpr double InBlocks(double bits, double size) { return bits + 16 / size; }
// Of each chunk of 4096 the 64 largest, at a 12-bit index and a 2-bit value, and a 32-bit scale.
constexpr double kSparseLoCoBits = (64 * (12 + 2) + 32) / 4096.0;
// A tenth is looked at: a bitmap, and of a fifth of it 4 bits in blocks of 128.
constexpr double kCocktailBits = 0.1 * (1 + 0.2 * InBlocks(4, 128));

}  // namespace

std::vector<std::string_view> PatternNames() {
  std::vector<std::string_view> names;
  for (const NamedPattern& pattern : kPatterns) names.push_back(pattern.name);
  return names;
}

Result<Pattern> PatternOf(std::string_view algorithm, int ranks) {
  if (ranks < 2) return InvalidArgument("{} ranks: an exchange takes two or more", ranks);
  for (const NamedPattern& pattern : kPatterns) {
    if (pattern.name == algorithm) return pattern.of(ranks);
  }
  return InvalidArgument("unknown algorithm '{}': write one of {}", algorithm,
                         fmt::join(PatternNames(), ", "));
}

double VectorBytes(const Wire& wire, double parameters) {
  const double share = parameters / wire.stages;
  if (wire.codec == nullptr) return share * wire.stated_bits / kBitsPerByte;
  const auto count = static_cast<size_t>(std::ceil(share));
  return static_cast<double>(wire.codec->EncodedBytes(count, DataType::kFloat32));
}

Cost CostOf(const Wire& wire, const Job& job, const Pattern& pattern, const Link& link) {
  Cost cost;
  cost.vector_bytes = VectorBytes(wire, job.parameters);
  cost.bits_per_parameter = cost.vector_bytes * kBitsPerByte / job.parameters;
  cost.all_vectors_bytes = job.ranks * cost.vector_bytes;
  cost.one_way_seconds = link.delay + cost.vector_bytes / link.rate;
  cost.sent_bytes = pattern.sent * cost.vector_bytes;
  cost.all_reduce_seconds =
      pattern.hops * link.delay + pattern.in_series * cost.vector_bytes / link.rate;
  cost.seconds_per_step = cost.all_reduce_seconds / job.steps_between;
  return cost;
}

std::span<const Wire> PublishedWires() {
  static const Wire kWires[] = {
      {.name = "fp32", .stated_bits = 32},
      {.name = "bf16", .stated_bits = 16},
      {.name = "int8 b128", .stated_bits = InBlocks(8, 128)},
      {.name = "int4 b128", .stated_bits = InBlocks(4, 128)},
      {.name = "2-bit b128", .stated_bits = InBlocks(2, 128)},
      {.name = "1-bit", .stated_bits = 1},
      {.name = "SparseLoCo", .stated_bits = kSparseLoCoBits},
      {.name = "Cocktail", .stated_bits = kCocktailBits},
      {.name = "10 stages, int4", .stated_bits = InBlocks(4, 128), .stages = 10},
  };
  return kWires;
}

}  // namespace thinwire::plan
