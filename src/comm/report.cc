// SPDX-License-Identifier: Apache-2.0
#include "comm/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/units.h"

namespace thinwire {
namespace {

double Ratio(uint64_t raw, uint64_t wire) {
  return wire > 0 ? static_cast<double>(raw) / static_cast<double>(wire) : 1;
}

std::string Percent(double part, double whole) {
  return fmt::format("{:.0f} %", whole > 0 ? 100 * part / whole : 0);
}

std::string_view Plural(uint64_t count) { return count == 1 ? "" : "s"; }

// Bytes a second of this rank's own, over all its peers; 0: not known.
double UplinkOf(const ReportFacts& facts) {
  double best = facts.nic;
  for (const Link& link : facts.links) {
    if (facts.nic == 0) best = std::max(best, link.rate);
  }
  return best;
}

// Sums of calls that sent something.
struct Sent {
  uint64_t calls = 0;
  uint64_t raw = 0;
  uint64_t wire = 0;
  std::set<std::string> codecs;
  void Add(const CallKind& kind, const CallGroup& group) {
    calls += group.calls;
    raw += group.sum.raw_bytes;
    wire += group.sum.wire_bytes;
    codecs.insert(kind.codec->spec());
  }
};

std::string ExactCalls(const ReportFacts& facts, const CallTotals& totals, const Sent& exact) {
  std::string text = fmt::format("  Exact: {} call{}, {} on the wire.\n", exact.calls,
                                 Plural(exact.calls), FormatBytes(exact.wire));
  uint64_t others = exact.calls;
  for (const auto& [reason, calls] : totals.exact_because()) {
    text += fmt::format("  {:>9}: {}\n", calls, reason);
    others -= std::min(others, calls);
  }
  if (others == 0) return text;
  return text + fmt::format(
                    "  {:>9}: {}\n", others,
                    facts.policy.empty()
                        ? "there is no policy; THINWIRE_POLICY=q8 would be one"
                        : "no rule of the policy names a codec for their operation, type and size");
}

std::string Compression(const ReportFacts& facts, const CallTotals& totals) {
  Sent coded;
  Sent exact;
  for (const auto& [kind, group] : totals.groups()) {
    if (group.sum.wire_bytes == 0 || kind.operation == Operation::kBarrier) continue;
    (kind.codec == &RawCodec() ? exact : coded).Add(kind, group);
  }
  const uint64_t calls = coded.calls + exact.calls;
  std::string text = "Is compression on? ";
  if (calls == 0) return text + "Nothing was sent.\n";
  if (coded.calls == 0) {
    text += "No: every call was exact.\n";
  } else {
    text += fmt::format("Yes: {} of {} call{}, in {}.\n", coded.calls, calls, Plural(calls),
                        fmt::join(coded.codecs, ", "));
    const uint64_t saved = coded.raw - std::min(coded.raw, coded.wire);
    const double rate = UplinkOf(facts) * kWireEfficiency;
    text += fmt::format("  {} took {} on the wire ({:.2f}x): saved {}", FormatBytes(coded.raw),
                        FormatBytes(coded.wire), Ratio(coded.raw, coded.wire), FormatBytes(saved));
    text += rate > 0 ? fmt::format(", {} at the {} of this rank's link.\n",
                                   FormatSeconds(static_cast<double>(saved) / rate),
                                   FormatRate(UplinkOf(facts)))
                     : ".\n";
  }
  return exact.calls == 0 ? text : text + ExactCalls(facts, totals, exact);
}

std::string LinksText(const ReportFacts& facts) {
  std::string text;
  for (size_t peer = 0; peer < facts.links.size(); ++peer) {
    const Link& link = facts.links[peer];
    if (static_cast<int>(peer) == facts.writer.rank || link.rate == 0) continue;
    text += fmt::format("  to rank {}: {}, {} one way, loss {:.2g} % ({})\n", peer,
                        FormatRate(link.rate), FormatSeconds(link.delay), link.loss * 100,
                        NameOf(link.origin));
  }
  return text.empty() ? "Links: unknown.\n" : "Links:\n" + text;
}

using Row = std::pair<CallKind, const CallGroup*>;

// The groups, what took longest first.
std::vector<Row> RowsOf(const CallTotals& totals) {
  std::vector<Row> rows;
  for (const auto& [kind, group] : totals.groups()) {
    if (group.calls > 0) rows.emplace_back(kind, &group);
  }
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) {
    return a.second->sum.total_seconds > b.second->sum.total_seconds;
  });
  return rows;
}

std::string SizeText(const CallKind& kind) {
  return kind.size_bits == 0 ? "0" : FormatBytes(size_t{1} << (kind.size_bits - 1)) + "+";
}

std::string Line(const Row& row, std::string_view bound) {
  const auto& [kind, group] = row;
  const CallTimes mean = group->Mean();
  const RunFigures& sum = group->sum;
  const double total = sum.total_seconds;
  return fmt::format(
      "{:<14} {:>9} {:<10} {:<18} {:>7} {:>10} {:>10} {:>10} {:>6.2f} {:>6} {:>6} {:>6} {:>6}  "
      "{}\n",
      NameOf(kind.operation), SizeText(kind), kind.codec->spec(), NameOf(kind.algorithm),
      group->calls, FormatSeconds(group->MedianSeconds()), FormatSeconds(mean.total),
      mean.predicted > 0 ? FormatSeconds(mean.predicted) : "-",
      Ratio(sum.raw_bytes, sum.wire_bytes), Percent(sum.encode_seconds, total),
      Percent(sum.decode_seconds, total), Percent(sum.wire_seconds, total),
      Percent(sum.wait_seconds, total), bound);
}

// Time that one bound and its advice explain.
struct Share {
  double seconds = 0;
  std::vector<std::string> calls;
};

std::string Reasons(const std::map<std::string, Share>& shares) {
  std::vector<std::pair<std::string, Share>> rows(shares.begin(), shares.end());
  std::ranges::stable_sort(
      rows, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  double all = 0;
  for (const auto& [advice, share] : rows) all += share.seconds;
  std::string text =
      fmt::format("What bounds them, and what to do (of {} in calls):\n", FormatSeconds(all));
  for (const auto& [advice, share] : rows) {
    text += fmt::format("  {:>5} {}\n        {}\n", Percent(share.seconds, all), advice,
                        fmt::join(share.calls, ", "));
  }
  return text;
}

std::string Times(const ReportFacts& facts, const CallTotals& totals) {
  const std::vector<Row> rows = RowsOf(totals);
  if (rows.empty()) return "";
  std::string table = fmt::format(
      "{:<14} {:>9} {:<10} {:<18} {:>7} {:>10} {:>10} {:>10} {:>6} {:>6} {:>6} {:>6} {:>6}  {}\n",
      "operation", "bytes", "codec", "algorithm", "calls", "median", "mean", "predicted", "ratio",
      "encode", "decode", "wire", "wait", "bound");
  std::map<std::string, Share> shares;
  for (const Row& row : rows) {
    const auto& [kind, group] = row;
    const Bound bound = BoundOf(group->Mean()).bound;
    const bool alone = group->request.ranks == 1;
    table += Line(row, alone ? "nothing is sent" : NameOf(bound));
    if (alone) continue;
    Share& share = shares[fmt::format("{}: {}", NameOf(bound), AdviceOn(bound, *group, facts))];
    share.seconds += group->sum.total_seconds;
    share.calls.push_back(
        fmt::format("{} of {} in {}", NameOf(kind.operation), SizeText(kind), kind.codec->spec()));
  }
  return shares.empty() ? table : table + "\n" + Reasons(shares);
}

// A codec by which such calls would take clearly fewer bytes; null: none is known.
const Codec* SmallerCodec(const PlanRequest& request) {
  const size_t now = request.codec->EncodedBytes(request.count, request.dtype);
  for (const char* spec : {"q8", "rq4+ef", "rq2+ef", "rq1+ef", "tk(1%)+ef"}) {
    Result<const Codec*> codec = FindCodec(spec);
    if (!codec.ok() || !codec.value()->Supports(request.dtype)) continue;
    if (codec.value()->EncodedBytes(request.count, request.dtype) * 10 < now * 7) return *codec;
  }
  return nullptr;
}

std::string FewerBytes(const PlanRequest& request) {
  const bool sums = request.reduction == Reduction::kSum || request.reduction == Reduction::kAvg;
  const Codec* const codec = Reduces(request.operation) && !sums ? nullptr : SmallerCodec(request);
  if (codec == nullptr) {
    return fmt::format("only fewer bytes help, and no codec makes {} much smaller",
                       NameOf(request.dtype));
  }
  const auto bytes = [&](const Codec& of) {
    return static_cast<double>(of.EncodedBytes(request.count, request.dtype));
  };
  return fmt::format("only fewer bytes help: the policy '{}: {}' would take 1/{:.1f} of them{}",
                     NameOf(request.operation), codec->spec(),
                     bytes(*request.codec) / bytes(*codec),
                     codec->feedback() == Feedback::kNone ? "" : " (its calls need a key)");
}

std::string LatePeers(const CallGroup& group) {
  const auto latest = std::ranges::max_element(
      group.late, {}, [](const auto& entry) { return entry.second.seconds; });
  if (latest == group.late.end()) return "ranks begin later than this one";
  const auto& [rank, late] = *latest;
  return fmt::format(
      "rank {} begins later than this one in {} of {} call{}, by {} each: look at what it does "
      "before (loading data, computing more)",
      rank, late.calls, group.calls, Plural(group.calls),
      FormatSeconds(late.seconds / static_cast<double>(late.calls)));
}

}  // namespace

std::string AdviceOn(Bound bound, const CallGroup& group, const ReportFacts& facts) {
  switch (bound) {
    case Bound::kLatency:
      return "no codec helps; make fewer and larger calls, or several at once in a group";
    case Bound::kRate:
      return FewerBytes(group.request);
    case Bound::kCodec:
      return fmt::format(
          "the processor is slower than the link; THINWIRE_THREADS is {}, or take "
          "a codec that costs less, such as q8",
          facts.threads);
    case Bound::kDevice:
      return "the device's kernels and copies; other work may be ahead of them on the device";
    case Bound::kLatePeer:
      return LatePeers(group);
    case Bound::kOtherCalls:
      return "they shared the link with calls made before; what takes fewer bytes helps all";
    case Bound::kLoss:
      return fmt::format(
          "packets are lost ({:.2g} %); THINWIRE_CONGESTION=bbr and THINWIRE_FLOWS "
          "say what is done about it",
          group.times.loss * 100);
    case Bound::kSlowerLink:
      return "beyond the prediction and not explained here: the links carry less than is known of "
             "them (thinwire-info links), or the host is busy with something else";
    case Bound::kUnknownLinks:
      return "nothing is known of the links to compare with; THINWIRE_LINK=measure finds out";
  }
  return "";
}

std::string ReportOf(const ReportFacts& facts, const CallTotals& totals) {
  std::string text = fmt::format(
      "Thinwire: rank {} of {}, communicator {}, transport {}, policy '{}'\n\n", facts.writer.rank,
      facts.writer.ranks, facts.writer.name(), facts.transport, facts.policy);
  text += Compression(facts, totals);
  if (totals.failures() > 0) {
    text += fmt::format("Failed: {} call{}, the first because {}\n", totals.failures(),
                        Plural(totals.failures()), totals.failure());
  }
  if (facts.missed > 0) {
    text += fmt::format("Not counted here: {} call{} that ended too fast.\n", facts.missed,
                        Plural(facts.missed));
  }
  return text + LinksText(facts) + "\n" + Times(facts, totals) + "\n";
}

std::string SummaryOf(const Ledger& ledger) {
  uint64_t raw = 0;
  uint64_t wire = 0;
  std::vector<std::string> parts;
  for (int i = 0; i < kOperations; ++i) {
    const auto operation = static_cast<Operation>(i);
    const Statistics statistics = ledger.Of(operation);
    if (statistics.calls == 0) continue;
    const RunFigures& figures = statistics.figures;
    raw += figures.raw_bytes;
    wire += figures.wire_bytes;
    parts.push_back(fmt::format("{} {} call{} {:.2f}x ({})", NameOf(operation), statistics.calls,
                                Plural(statistics.calls),
                                Ratio(figures.raw_bytes, figures.wire_bytes), statistics.codec));
  }
  if (parts.empty()) return "no calls";
  return fmt::format("{} took {} on the wire ({:.2f}x): {}", FormatBytes(raw), FormatBytes(wire),
                     Ratio(raw, wire), fmt::join(parts, ", "));
}

}  // namespace thinwire
