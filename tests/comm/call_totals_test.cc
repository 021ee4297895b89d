// SPDX-License-Identifier: Apache-2.0
#include "comm/call_totals.h"

#include <gtest/gtest.h>

#include "ended_calls.h"

namespace thinwire {
namespace {

std::vector<Link> LinksOf(double delay, double loss = 0) {
  return {Link{}, Link{.rate = 1e6, .delay = delay, .loss = loss}};
}

Bound BoundOfOne(const EndedCall& call, const std::vector<Link>& links = LinksOf(0.02)) {
  CallTotals totals;
  totals.Add(call, links);
  return BoundOf(totals.groups().begin()->second.Mean()).bound;
}

TEST(BoundTest, TheLargestPartOfThePredictionIfItCameTrue) {
  EXPECT_EQ(BoundOf({.total = 0.042, .predicted = 0.041, .latency = 0.04, .transfer = 0.001}).bound,
            Bound::kLatency);
  EXPECT_EQ(BoundOf({.total = 1.1, .predicted = 1.0, .latency = 0.04, .transfer = 0.96}).bound,
            Bound::kRate);
}

TEST(BoundTest, CodecsAndDevicesThatTakeLongerThanTheLink) {
  CallTimes times = {.total = 1, .predicted = 0.3, .latency = 0.02, .transfer = 0.28};
  times.codec = 0.9;
  EXPECT_EQ(BoundOf(times).bound, Bound::kCodec);
  EXPECT_EQ(BoundOf(times).seconds, 0.9);
  std::swap(times.codec, times.device);
  EXPECT_EQ(BoundOf(times).bound, Bound::kDevice);
}

TEST(BoundTest, WhatNothingExplainsIsTheLinksOrTheirLoss) {
  CallTimes times = {.total = 1, .predicted = 0.3, .latency = 0.02, .transfer = 0.28};
  EXPECT_EQ(BoundOf(times).bound, Bound::kSlowerLink);
  EXPECT_NEAR(BoundOf(times).seconds, 0.7, 1e-9);
  times.loss = 0.01;
  EXPECT_EQ(BoundOf(times).bound, Bound::kLoss);
}

TEST(BoundTest, WithoutAPredictionTheLinksAreUnknownUnlessTheProcessorExplainsIt) {
  EXPECT_EQ(BoundOf({.total = 1}).bound, Bound::kUnknownLinks);
  EXPECT_EQ(BoundOf({.total = 1, .codec = 0.6}).bound, Bound::kCodec);
}

TEST(CallTotalsTest, APeerIsLateByWhatItsFirstFrameTookBeyondTheDelay) {
  EndedCall call = AllReduceCall(0.5);
  call.note = Note(0.1, 0.02, 0.08);
  call.last_peer = 1;
  call.last_peer_seconds = 0.4;
  CallTotals totals;
  totals.Add(call, LinksOf(0.02));
  const CallGroup& group = totals.groups().begin()->second;
  EXPECT_NEAR(group.times.late, 0.38, 1e-9);
  EXPECT_NEAR(group.late.at(1).seconds, 0.38, 1e-9);
  EXPECT_EQ(group.late.at(1).calls, 1u);
  EXPECT_EQ(BoundOf(group.Mean()).bound, Bound::kLatePeer);
}

TEST(CallTotalsTest, NobodyIsLateInACallThatTookWhatWasPredicted) {
  EndedCall call = AllReduceCall(0.1);  // of a tree, whose frames come after several hops
  call.note = Note(0.1, 0.08, 0.02);
  call.last_peer = 1;
  call.last_peer_seconds = 0.09;
  EXPECT_EQ(BoundOfOne(call), Bound::kLatency);
}

TEST(CallTotalsTest, WithoutAPredictionNobodyIsLate) {
  EndedCall call = AllReduceCall(0.5);
  call.last_peer = 1;
  call.last_peer_seconds = 0.4;
  EXPECT_EQ(BoundOfOne(call, LinksOf(0)), Bound::kUnknownLinks);
}

TEST(CallTotalsTest, CallsInFlightAtOnceShareTheLink) {
  CallTotals totals;
  for (int i = 1; i <= 10; ++i) {  // begun together, ended one after another
    EndedCall call = AllReduceCall(0.1 * i);
    call.note = Note(0.1, 0.01, 0.09);
    totals.Add(call, LinksOf(0.01));
  }
  EXPECT_EQ(BoundOf(totals.groups().begin()->second.Mean()).bound, Bound::kOtherCalls);
}

TEST(CallTotalsTest, ACallIsNotSlowedByAShortOneWithinIt) {
  CallTotals totals;
  EndedCall inner = AllReduceCall(0.01, "q8", 1.5);
  totals.Add(inner, LinksOf(0.01));
  EndedCall outer = AllReduceCall(1);
  outer.note = Note(0.98, 0.02, 0.96);
  totals.Add(outer, LinksOf(0.01));
  for (const auto& [kind, group] : totals.groups()) {
    if (kind.codec != &RawCodec()) continue;
    EXPECT_EQ(BoundOf(group.Mean()).bound, Bound::kRate);
  }
}

TEST(CallTotalsTest, LossOfAnyLinkCounts) {
  EndedCall call = AllReduceCall(0.5);
  call.note = Note(0.1, 0.02, 0.08);
  EXPECT_EQ(BoundOfOne(call, LinksOf(0.02, 0.01)), Bound::kLoss);
  EXPECT_EQ(BoundOfOne(call, LinksOf(0.02)), Bound::kSlowerLink);
}

TEST(CallTotalsTest, LikeCallsAreAddedUpAndOthersStandApart) {
  CallTotals totals;
  for (const double seconds : {0.1, 0.9, 0.2}) totals.Add(AllReduceCall(seconds), LinksOf(0));
  totals.Add(AllReduceCall(0.1, "q8"), LinksOf(0));
  ASSERT_EQ(totals.groups().size(), 2u);
  for (const auto& [kind, group] : totals.groups()) {
    EXPECT_EQ(kind.size_bits, 21) << "1 MiB and more";
    if (kind.codec != &RawCodec()) continue;
    EXPECT_EQ(group.calls, 3u);
    EXPECT_NEAR(group.MedianSeconds(), 0.2, 1e-6);
    EXPECT_NEAR(group.Mean().total, 0.4, 1e-9);
    EXPECT_EQ(group.sum.raw_bytes, 3u << 20);
  }
}

TEST(CallTotalsTest, FailuresAreCountedAndTheirTimesAreNot) {
  CallTotals totals;
  totals.Add(AllReduceCall(0.1), LinksOf(0));
  EndedCall failed = AllReduceCall(600);
  failed.status = SystemError("rank 1 is gone");
  totals.Add(failed, LinksOf(0));
  const CallGroup& group = totals.groups().begin()->second;
  EXPECT_EQ(group.failures, 1u);
  EXPECT_NEAR(group.Mean().total, 0.1, 1e-9);
  EXPECT_EQ(totals.failures(), 1u);
  EXPECT_EQ(totals.failure(), "rank 1 is gone");
}

TEST(CallTotalsTest, ReasonsToStayExactAreCounted) {
  CallTotals totals;
  EndedCall call = AllReduceCall(0.1);
  call.note = Note(0, 0, 0, "q8 can't code int32");
  totals.Add(call, LinksOf(0));
  totals.Add(call, LinksOf(0));
  EXPECT_EQ(totals.exact_because().at("q8 can't code int32"), 2u);
}

}  // namespace
}  // namespace thinwire
