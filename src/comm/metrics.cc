// SPDX-License-Identifier: Apache-2.0
#include "comm/metrics.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <tuple>

namespace thinwire {
namespace {

enum Family {
  kCalls,
  kFailed,
  kRawBytes,
  kWireBytes,
  kSeconds,
  kPredicted,
  kMissed,
  kLinkRate,
  kLinkDelay,
  kLinkLoss,
  kFamilies
};

constexpr std::array<std::string_view, kFamilies> kHeads = {
    "# HELP thinwire_calls_total Calls that ended well.\n# TYPE thinwire_calls_total counter\n",
    "# HELP thinwire_failed_calls_total Calls that ended with an error.\n"
    "# TYPE thinwire_failed_calls_total counter\n",
    "# HELP thinwire_raw_bytes_total What this rank sent, before encoding.\n"
    "# TYPE thinwire_raw_bytes_total counter\n",
    "# HELP thinwire_wire_bytes_total What this rank sent, headers included.\n"
    "# TYPE thinwire_wire_bytes_total counter\n",
    "# HELP thinwire_seconds_total Time of calls, by phase; phases overlap.\n"
    "# TYPE thinwire_seconds_total counter\n",
    "# HELP thinwire_predicted_seconds_total Time that the planner expected of these calls.\n"
    "# TYPE thinwire_predicted_seconds_total counter\n",
    "# HELP thinwire_missed_calls_total Calls that ended too fast to be counted in the others.\n"
    "# TYPE thinwire_missed_calls_total counter\n",
    "# HELP thinwire_link_bytes_per_second Known rate from this rank to a peer.\n"
    "# TYPE thinwire_link_bytes_per_second gauge\n",
    "# HELP thinwire_link_delay_seconds Known one-way delay from this rank to a peer.\n"
    "# TYPE thinwire_link_delay_seconds gauge\n",
    "# HELP thinwire_link_loss_ratio Known probability that a packet to a peer is lost.\n"
    "# TYPE thinwire_link_loss_ratio gauge\n"};

// Sums over all sizes and algorithms.
struct Sum {
  uint64_t calls = 0;
  uint64_t failures = 0;
  double predicted = 0;
  RunFigures figures;
  void Add(const CallGroup& group) {
    calls += group.calls;
    failures += group.failures;
    predicted += group.times.predicted;
    figures += group.sum;
  }
};

}  // namespace

std::span<const std::string_view> MetricHeads() { return kHeads; }

std::vector<std::string> MetricSamples(const Writer& writer, const CallTotals& totals,
                                       const std::vector<Link>& links, uint64_t missed) {
  std::vector<std::string> samples(kFamilies);
  const std::string who = fmt::format(R"(communicator="{}",rank="{}")", writer.name(), writer.rank);
  std::map<std::tuple<Operation, std::string>, Sum> sums;
  for (const auto& [kind, group] : totals.groups()) {
    sums[{kind.operation, kind.codec->spec()}].Add(group);
  }
  const auto add = [&](Family family, std::string_view name, const std::string& labels,
                       auto value) {
    samples[family] += fmt::format("thinwire_{}{{{}}} {}\n", name, labels, value);
  };
  for (const auto& [of, sum] : sums) {
    const auto& [operation, codec] = of;
    const std::string labels =
        fmt::format(R"({},operation="{}",codec={})", who, NameOf(operation), Quoted(codec));
    add(kCalls, "calls_total", labels, sum.calls);
    add(kFailed, "failed_calls_total", labels, sum.failures);
    add(kRawBytes, "raw_bytes_total", labels, sum.figures.raw_bytes);
    add(kWireBytes, "wire_bytes_total", labels, sum.figures.wire_bytes);
    for (const auto& [phase, seconds] : {std::pair{"encode", sum.figures.encode_seconds},
                                         {"decode", sum.figures.decode_seconds},
                                         {"wire", sum.figures.wire_seconds},
                                         {"wait", sum.figures.wait_seconds},
                                         {"total", sum.figures.total_seconds}}) {
      add(kSeconds, "seconds_total", fmt::format(R"({},phase="{}")", labels, phase), seconds);
    }
    add(kPredicted, "predicted_seconds_total", labels, sum.predicted);
  }
  add(kMissed, "missed_calls_total", who, missed);
  for (size_t peer = 0; peer < links.size(); ++peer) {
    if (static_cast<int>(peer) == writer.rank || links[peer].rate == 0) continue;
    const std::string labels = fmt::format(R"({},peer="{}")", who, peer);
    add(kLinkRate, "link_bytes_per_second", labels, links[peer].rate);
    add(kLinkDelay, "link_delay_seconds", labels, links[peer].delay);
    add(kLinkLoss, "link_loss_ratio", labels, links[peer].loss);
  }
  return samples;
}

}  // namespace thinwire
