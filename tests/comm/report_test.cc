// SPDX-License-Identifier: Apache-2.0
#include "comm/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ended_calls.h"

namespace thinwire {
namespace {

using testing::HasSubstr;
using testing::Not;

ReportFacts FactsOf(const std::string& policy) {
  return {.writer = {.rank = 0, .ranks = 2, .communicator = 0xabc},
          .policy = policy,
          .transport = "loopback",
          .links = {Link{}, Link{.rate = 1e6, .delay = 0.02}}};
}

std::string ReportOfCalls(const std::vector<EndedCall>& calls, const std::string& policy) {
  const ReportFacts facts = FactsOf(policy);
  CallTotals totals;
  for (const EndedCall& call : calls) totals.Add(call, facts.links);
  return ReportOf(facts, totals);
}

TEST(ReportTest, SaysFirstWhatCompressionSaved) {
  const std::string report =
      ReportOfCalls({AllReduceCall(0.3, "q8"), AllReduceCall(0.3, "q8")}, "q8");
  EXPECT_THAT(report, HasSubstr("Is compression on? Yes: 2 of 2 calls, in q8.\n"));
  EXPECT_THAT(report, HasSubstr("2 MiB took 512 KiB on the wire (4.00x): saved 1.5 MiB, 1.629 s"));
  EXPECT_THAT(report, Not(HasSubstr("Exact:")));
}

TEST(ReportTest, SaysWhichCallsStayedExactAndWhy) {
  EndedCall refused = AllReduceCall(0.3);
  refused.note = Note(0.3, 0.02, 0.28, "q8 is for sums and averages, not max");
  const std::string report =
      ReportOfCalls({AllReduceCall(0.3, "q8"), refused, refused, AllReduceCall(0.1)}, "q8");
  EXPECT_THAT(report, HasSubstr("Yes: 1 of 4 calls, in q8"));
  EXPECT_THAT(report, HasSubstr("Exact: 3 calls, 3 MiB on the wire"));
  EXPECT_THAT(report, HasSubstr("2: q8 is for sums and averages, not max"));
  EXPECT_THAT(report, HasSubstr("1: no rule of the policy"));
}

TEST(ReportTest, WithoutAPolicySaysHowToHaveOne) {
  const std::string report = ReportOfCalls({AllReduceCall(0.3)}, "");
  EXPECT_THAT(report, HasSubstr("Is compression on? No: every call was exact.\n"));
  EXPECT_THAT(report, HasSubstr("1: there is no policy; THINWIRE_POLICY=q8"));
}

TEST(ReportTest, NothingSentIsSaidSo) {
  EXPECT_THAT(ReportOfCalls({}, "q8"), HasSubstr("Nothing was sent."));
}

TEST(ReportTest, WhatTheRateBoundsIsToldWhichCodecTakesLess) {
  EndedCall call = AllReduceCall(1.1);
  call.note = Note(1.08, 0.04, 1.04);
  EXPECT_THAT(ReportOfCalls({call}, ""), HasSubstr("the policy 'all_reduce: q8' would take 1/3.9"));
  EndedCall coded = AllReduceCall(1.1, "q8");
  coded.note = call.note;
  EXPECT_THAT(ReportOfCalls({coded}, "q8"), HasSubstr("'all_reduce: rq4+ef' would take 1/2.0"));
}

TEST(ReportTest, WhatNoCodecCodesIsToldSo) {
  EndedCall call = AllReduceCall(1.1);
  auto plan = std::make_shared<Plan>(*call.plan);
  plan->request.dtype = DataType::kInt32;
  call.plan = plan;
  call.note = Note(1.08, 0.04, 1.04);
  EXPECT_THAT(ReportOfCalls({call}, ""), HasSubstr("no codec makes int32 much smaller"));
}

TEST(ReportTest, NamesTheLatePeer) {
  EndedCall call = AllReduceCall(0.5);
  call.note = Note(0.1, 0.02, 0.08);
  call.last_peer = 1;
  call.last_peer_seconds = 0.42;
  EXPECT_THAT(ReportOfCalls({call}, ""),
              HasSubstr("rank 1 begins later than this one in 1 of 1 call, by 400 ms"));
}

TEST(ReportTest, EveryBoundHasAdvice) {
  CallGroup group;
  group.calls = 1;
  group.request.count = 1 << 20;
  for (int i = 0; i <= static_cast<int>(Bound::kUnknownLinks); ++i) {
    const auto bound = static_cast<Bound>(i);
    EXPECT_GT(AdviceOn(bound, group, FactsOf("")).size(), 20u) << NameOf(bound);
  }
  EXPECT_THAT(AdviceOn(Bound::kCodec, group, FactsOf("")), HasSubstr("THINWIRE_THREADS is 1"));
}

TEST(ReportTest, FailuresAndWhatWasMissedAreNamed) {
  EndedCall failed = AllReduceCall(1);
  failed.status = SystemError("rank 1 is gone");
  ReportFacts facts = FactsOf("");
  facts.missed = 7;
  CallTotals totals;
  totals.Add(failed, facts.links);
  EXPECT_THAT(ReportOf(facts, totals),
              HasSubstr("Failed: 1 call, the first because rank 1 is gone\n"));
  EXPECT_THAT(ReportOf(facts, totals), HasSubstr("7 calls that ended too fast"));
}

TEST(SummaryTest, AddsUpAndNamesEachOperation) {
  Ledger ledger;
  EXPECT_EQ(SummaryOf(ledger), "no calls");
  for (int i = 0; i < 2; ++i) {
    const EndedCall call = AllReduceCall(0.1, "q8");
    ledger.Add(*call.plan, call.figures);
  }
  EXPECT_EQ(SummaryOf(ledger),
            "2 MiB took 512 KiB on the wire (4.00x): all_reduce 2 calls 4.00x (q8)");
}

}  // namespace
}  // namespace thinwire
