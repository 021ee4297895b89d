// SPDX-License-Identifier: Apache-2.0
#include "link_report.h"

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace thinwire::info {
namespace {

constexpr double kBitsOfMegabit = 1e6;

using Visit = std::function<void(int from, int to, const Link& link)>;

void ForEachPair(const LinkModel& links, const Visit& visit) {
  for (int from = 0; from < links.ranks(); ++from) {
    for (int to = 0; to < links.ranks(); ++to) {
      if (from != to) visit(from, to, links.at(from, to));
    }
  }
}

}  // namespace

std::string LinksAsFile(const LinkModel& links, double age_seconds) {
  std::string text =
      fmt::format("# links of {} ranks, found {} ago\n", links.ranks(), FormatSeconds(age_seconds));
  text += fmt::format("# {:>4} {:>4} {:>14} {:>12} {:>8}\n", "from", "to", "rate", "delay", "loss");
  ForEachPair(links, [&](int from, int to, const Link& link) {
    // Nothing is known of it: no line of a link file says so.
    const char* const start = link.rate > 0 ? " " : "#";
    text += fmt::format("{} {:>4} {:>4} {:>14} {:>12} {:>8}  # {}\n", start, from, to,
                        fmt::format("{:.2f}mbit", link.rate * 8 / kBitsOfMegabit),
                        fmt::format("{:.3f}ms", link.delay * 1e3),
                        fmt::format("{:.3g}%", link.loss * 100), NameOf(link.origin));
  });
  return text;
}

std::string LinksAsJson(const LinkModel& links, double age_seconds) {
  nlohmann::json rows = nlohmann::json::array();
  ForEachPair(links, [&](int from, int to, const Link& link) {
    rows.push_back({{"from", from},
                    {"to", to},
                    {"bits_per_second", link.rate * 8},
                    {"delay_seconds", link.delay},
                    {"loss", link.loss},
                    {"origin", NameOf(link.origin)}});
  });
  const nlohmann::json report = {
      {"ranks", links.ranks()}, {"age_seconds", age_seconds}, {"links", rows}};
  return report.dump(1) + "\n";
}

}  // namespace thinwire::info
