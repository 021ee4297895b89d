// SPDX-License-Identifier: Apache-2.0
#include "comm/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ended_calls.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

std::string TextOf(const std::vector<std::string>& samples) {
  std::string text;
  for (size_t i = 0; i < samples.size(); ++i) text += std::string(MetricHeads()[i]) + samples[i];
  return text;
}

TEST(MetricsTest, SumsStandByOperationAndCodec) {
  CallTotals totals;
  const std::vector<Link> links = {Link{}, Link{.rate = 1e6, .delay = 0.02, .loss = 0.01}};
  totals.Add(AllReduceCall(0.25, "q8"), links);
  totals.Add(AllReduceCall(0.5, "q8"), links);
  EndedCall failed = AllReduceCall(1, "rq4+ef");
  failed.status = SystemError("broken");
  totals.Add(failed, links);
  const std::string text =
      TextOf(MetricSamples({.rank = 0, .ranks = 2, .communicator = 1}, totals, links, 3));
  const std::string who = R"(communicator="0000000000000001",rank="0")";
  const std::string of = who + R"(,operation="all_reduce",codec="q8")";
  EXPECT_THAT(text, HasSubstr("thinwire_calls_total{" + of + "} 2\n"));
  EXPECT_THAT(text, HasSubstr("thinwire_raw_bytes_total{" + of + "} 2097152\n"));
  EXPECT_THAT(text, HasSubstr("thinwire_wire_bytes_total{" + of + "} 524288\n"));
  EXPECT_THAT(text, HasSubstr("thinwire_seconds_total{" + of + R"(,phase="total"} 0.75)"));
  EXPECT_THAT(text, HasSubstr(R"(codec="rq4+ef"} 1)"
                              "\n"))
      << "failed";
  EXPECT_THAT(text, HasSubstr("thinwire_missed_calls_total{" + who + "} 3\n"));
  EXPECT_THAT(text, HasSubstr("thinwire_link_bytes_per_second{" + who + R"(,peer="1"} 1000000)"));
  EXPECT_THAT(text, HasSubstr("thinwire_link_loss_ratio{" + who + R"(,peer="1"} 0.01)"));
}

TEST(MetricsTest, EveryFamilyHasHelpAndType) {
  const std::vector<std::string> samples = MetricSamples({}, CallTotals(), {}, 0);
  ASSERT_EQ(samples.size(), MetricHeads().size());
  for (const std::string_view head : MetricHeads()) {
    EXPECT_THAT(head, HasSubstr("# HELP thinwire_"));
    EXPECT_THAT(head, HasSubstr("\n# TYPE thinwire_"));
    EXPECT_TRUE(head.ends_with("counter\n") || head.ends_with("gauge\n")) << head;
  }
}

}  // namespace
}  // namespace thinwire
