// SPDX-License-Identifier: Apache-2.0
// Parsing and printing of quantities: a decimal number followed by one unit of a small table.
#include "link_units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <span>

namespace thinwire::lab {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 4> kRateUnits = {
    {{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}};
constexpr std::array<Unit, 4> kTimeUnits = {{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}};
constexpr std::array<Unit, 7> kByteUnits = {{{"", 1},
                                             {"k", 1024},
                                             {"kb", 1024},
                                             {"m", 1024.0 * 1024},
                                             {"mb", 1024.0 * 1024},
                                             {"g", 1024.0 * 1024 * 1024},
                                             {"gb", 1024.0 * 1024 * 1024}}};
// Above this a double no longer holds every whole number.
constexpr double kLargest = 9007199254740992.0;

bool SameIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Splits off the leading decimal number; `rest` gets what follows.
std::optional<double> LeadingNumber(std::string_view text, std::string_view* rest) {
  // from_chars would take "inf", "nan" and a sign.
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return std::nullopt;
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc()) return std::nullopt;
  *rest = text.substr(static_cast<size_t>(stop - text.data()));
  return value;
}

std::optional<double> ParseQuantity(std::string_view text, std::span<const Unit> units) {
  std::string_view rest;
  const std::optional<double> number = LeadingNumber(text, &rest);
  if (!number) return std::nullopt;
  if (rest.empty() && *number == 0) return 0.0;
  for (const Unit& unit : units) {
    if (!SameIgnoringCase(rest, unit.name)) continue;
    const double value = std::round(*number * unit.factor);
    if (value > kLargest) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

std::string FormatWhole(uint64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    const auto factor = static_cast<uint64_t>(unit.factor);
    if (value >= factor && value % factor == 0) {
      return std::to_string(value / factor) + std::string(unit.name);
    }
  }
  return "0" + std::string(units.back().name);
}

}  // namespace

std::optional<uint64_t> ParseRate(std::string_view text) {
  const std::optional<double> value = ParseQuantity(text, kRateUnits);
  if (!value || *value < 1) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

std::optional<int64_t> ParseDuration(std::string_view text) {
  const std::optional<double> value = ParseQuantity(text, kTimeUnits);
  if (!value) return std::nullopt;
  return static_cast<int64_t>(*value);
}

std::optional<double> ParseLoss(std::string_view text) {
  std::string_view rest;
  const std::optional<double> number = LeadingNumber(text, &rest);
  if (!number || *number >= 100) return std::nullopt;
  if (rest == "%") return *number / 100;
  if (rest.empty() && *number == 0) return 0.0;
  return std::nullopt;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  const std::optional<double> value = ParseQuantity(text, kByteUnits);
  if (!value) return std::nullopt;
  return static_cast<uint64_t>(*value);
}

std::string FormatRate(uint64_t bits_per_second) {
  return FormatWhole(bits_per_second, kRateUnits);
}

std::string FormatDuration(int64_t nanoseconds) {
  return FormatWhole(static_cast<uint64_t>(nanoseconds), kTimeUnits);
}

}  // namespace thinwire::lab
