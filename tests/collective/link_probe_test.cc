// SPDX-License-Identifier: Apache-2.0
//
// Links are emulated and this machine may be busy: what is measured is bounded by what the
// emulation lets through, never from below.
#include "collective/link_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <optional>

#include "collective/link_model.h"
#include "transport/shaped_ranks.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

Result<std::unique_ptr<Transport>> Loopback(int) { return MakeTransport("loopback", {}); }

ProbeOptions OptionsOf(const Rank& self) {
  ProbeOptions options;
  options.self = {.rank = self.rank(), .ranks = self.ranks(), .communicator = 42};
  options.deadline = Patience();
  return options;
}

std::vector<LinkModel> ProbeAll(const MakeForRanks& make, int ranks) {
  std::vector<std::optional<LinkModel>> found(static_cast<size_t>(ranks));
  RunRanks(make, ranks, [&](Rank& self) {
    std::vector<Message> early;
    Result<LinkModel> links = ProbeLinks(OptionsOf(self), &self.transport(), &early);
    ASSERT_TRUE(links.ok()) << links.status().message();
    found[static_cast<size_t>(self.rank())] = std::move(links).value();
  });
  std::vector<LinkModel> all;
  for (auto& links : found) {
    if (links) all.push_back(std::move(*links));
  }
  EXPECT_EQ(all.size(), found.size());
  return all;
}

TEST(LinkProbeTest, AllRanksFindTheSame) {
  for (const int ranks : {2, 3, 5}) {
    const std::vector<LinkModel> all = ProbeAll(Loopback, ranks);
    for (const LinkModel& links : all) {
      for (int from = 0; from < ranks; ++from) {
        for (int to = 0; to < ranks; ++to) {
          EXPECT_EQ(links.at(from, to).rate, all[0].at(from, to).rate);
          EXPECT_EQ(links.at(from, to).delay, all[0].at(from, to).delay);
          EXPECT_EQ(links.at(from, to).loss, all[0].at(from, to).loss);
          EXPECT_TRUE(from == to || links.at(from, to).delay > 0);
        }
      }
    }
  }
}

TEST(LinkProbeTest, DelaysAndRatesAreThoseOfTheLinks) {
  constexpr double kRate = 200 * kMbit;
  const std::vector<LinkModel> all = ProbeAll(Shaped(kRate, std::chrono::milliseconds(10)), 3);
  ASSERT_FALSE(all.empty());
  for (int from = 0; from < 3; ++from) {
    for (int to = 0; to < 3; ++to) {
      if (from == to) continue;
      EXPECT_GE(all[0].at(from, to).delay, 0.0099);
      EXPECT_GT(all[0].at(from, to).rate, 0);
      EXPECT_LT(all[0].at(from, to).rate, 1.5 * kRate);
    }
  }
}

TEST(LinkProbeTest, EndsWithinItsBudgetAndARoundTripOnAnEmulatedLongLink) {
  const TimePoint start = Now();
  ProbeAll(Shaped(1 * kMbit, std::chrono::milliseconds(100)), 4);
  EXPECT_LT(ToSeconds(Now() - start), 20);  // hung, if not
}

TEST(LinkProbeTest, OneRankHasNothingToMeasure) {
  const std::vector<LinkModel> all = ProbeAll(Loopback, 1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].known());
}

TEST(LinkProbeTest, FramesOfTheEngineThatComeEarlyAreKept) {
  RunRanks(Loopback, 2, [](Rank& self) {
    std::vector<std::byte> frame(kFrameHeaderBytes);
    Request request;
    if (self.rank() == 1) {
      FrameHeader header;
      header.kind = FrameKind::kHeartbeat;
      header.source = 1;
      SealFrame(header, frame.data());
      ASSERT_TRUE(self.transport().Send(0, frame, &request).ok());
    }
    std::vector<Message> early;
    ASSERT_TRUE(ProbeLinks(OptionsOf(self), &self.transport(), &early).ok());
    EXPECT_EQ(early.size(), self.rank() == 0 ? 1u : 0u);
  });
}

TEST(LinkProbeTest, ARankThatLeavesIsNamed) {
  std::latch told(2);
  RunRanks(Loopback, 3, [&](Rank& self) {
    if (self.rank() == 2) return;  // closes its transport
    std::vector<Message> early;
    const Status status = ProbeLinks(OptionsOf(self), &self.transport(), &early).status();
    EXPECT_THAT(status.message(), testing::HasSubstr("rank 2"));
    told.arrive_and_wait();
  });
}

TEST(LinkProbeTest, ARankThatTellsNothingIsNamedAtTheDeadline) {
  RunRanks(Loopback, 2, [](Rank& self) {
    if (self.rank() == 1) {
      self.Until([&] { return self.arrived.size() >= 3; });  // hears pings and doesn't answer
      return;
    }
    ProbeOptions options = OptionsOf(self);
    options.budget_seconds = 0.05;
    options.deadline = Now() + FromSeconds(0.2);
    std::vector<Message> early;
    const Status status = ProbeLinks(options, &self.transport(), &early).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
  });
}

}  // namespace
}  // namespace thinwire
