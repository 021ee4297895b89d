// SPDX-License-Identifier: Apache-2.0
#include "base/units.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <span>

namespace thinwire {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKi = 1024.0;
constexpr std::array<Unit, 11> kByteUnits = {{{"", 1},
                                              {"b", 1},
                                              {"k", kKi},
                                              {"kb", kKi},
                                              {"kib", kKi},
                                              {"m", kKi* kKi},
                                              {"mb", kKi* kKi},
                                              {"mib", kKi* kKi},
                                              {"g", kKi* kKi* kKi},
                                              {"gb", kKi* kKi* kKi},
                                              {"gib", kKi* kKi* kKi}}};
constexpr std::array<Unit, 5> kTimeUnits = {
    {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"min", 60}}};
constexpr std::array<Unit, 4> kRateUnits = {
    {{"bit", 1. / 8}, {"kbit", 1e3 / 8}, {"mbit", 1e6 / 8}, {"gbit", 1e9 / 8}}};

Result<double> Parse(std::string_view text, std::span<const Unit> units, std::string_view kind) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string suffix;
  for (const char* c = rest; c != text.data() + text.size(); ++c) {
    if (*c != ' ') suffix += static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  }
  if (error == std::errc() && std::isfinite(number) && number >= 0) {
    if (number == 0 && suffix.empty()) return 0.0;  // nothing is nothing in any unit
    for (const Unit& unit : units) {
      if (unit.name == suffix) return number * unit.factor;
    }
  }
  std::string known;
  for (const Unit& unit : units) {
    if (!unit.name.empty()) known += fmt::format("{}{}", known.empty() ? "" : ", ", unit.name);
  }
  return InvalidArgument("'{}' is not a {}: write a number >= 0 and one of: {}", text, kind, known);
}

std::string Scaled(double value, double step, std::span<const std::string_view> names) {
  size_t i = 0;
  while (i + 1 < names.size() && value >= step) {
    value /= step;
    ++i;
  }
  return fmt::format("{:.4g} {}", value, names[i]);
}

}  // namespace

Result<size_t> ParseBytes(std::string_view text) {
  TW_ASSIGN(const double bytes, Parse(text, kByteUnits, "size"));
  if (bytes > 0x1p62) return InvalidArgument("'{}' is more bytes than can be addressed", text);
  return static_cast<size_t>(bytes);
}
Result<double> ParseSeconds(std::string_view text) { return Parse(text, kTimeUnits, "time"); }
Result<double> ParseRate(std::string_view text) { return Parse(text, kRateUnits, "rate"); }

Result<double> ParseLoss(std::string_view text) {
  constexpr std::array<Unit, 1> kPercent = {{{"%", 0.01}}};
  TW_ASSIGN(const double loss, Parse(text, kPercent, "loss"));
  if (loss >= 1) return InvalidArgument("a loss of '{}' lets nothing through", text);
  return loss;
}

std::string FormatBytes(size_t bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  return Scaled(static_cast<double>(bytes), kKi, kNames);
}
std::string FormatSeconds(double seconds) {
  constexpr std::array<std::string_view, 3> kNames = {"us", "ms", "s"};
  return Scaled(seconds * 1e6, 1e3, kNames);
}
std::string FormatRate(double bytes_per_second) {
  constexpr std::array<std::string_view, 4> kNames = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  return Scaled(bytes_per_second * 8, 1e3, kNames);
}

}  // namespace thinwire
