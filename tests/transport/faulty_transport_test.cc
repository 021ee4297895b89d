// SPDX-License-Identifier: Apache-2.0
#include "transport/faulty_transport.h"

#include "transport/transport_suite.h"

namespace thinwire {
namespace {

constexpr Duration kShuffle = std::chrono::milliseconds(3);

MakeForRanks Faulty(std::string inner_name, FaultOptions options) {
  return [=](int) -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport(inner_name, {}));
    return std::unique_ptr<Transport>(std::make_unique<FaultyTransport>(std::move(inner), options));
  };
}

std::vector<TransportCase> FaultlessCases() {
  std::vector<TransportCase> cases;
  for (const std::string_view name : TransportNames()) {
    const std::string inner(name);
    cases.push_back({inner + "InOrder", Faulty(inner, {})});
    cases.push_back({inner + "Shuffled", Faulty(inner, {.shuffle = kShuffle})});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Faulty, TransportSuite, testing::ValuesIn(FaultlessCases()), CaseName);

std::vector<std::byte> Sent(size_t index) { return Pattern(index, 1000); }

using Contents = std::vector<std::vector<std::byte>>;

// Rank 0 sends `count` messages and closes; returns what rank 1 receives behind its faults.
Contents SendThrough(const FaultOptions& options, size_t count,
                     const std::function<void(FaultyTransport&)>& prepare) {
  Contents received;
  Made made = MakeRanks(Faulty("loopback", options), 2);
  std::thread sender([&] {
    ASSERT_TRUE(made.transports[0]->Connect(0, made.addresses, Patience()).ok());
    for (size_t i = 0; i < count; ++i) {
      Request request;
      EXPECT_TRUE(made.transports[0]->Send(1, Sent(i), &request).ok());
      EXPECT_EQ(request.state, Request::State::kDone);
    }
    made.transports[0]->Close(Patience());  // the notice comes behind all messages
  });
  auto& faulty = static_cast<FaultyTransport&>(*made.transports[1]);
  prepare(faulty);
  EXPECT_TRUE(faulty.Connect(1, made.addresses, Patience()).ok());
  Rank self(1, 2, &faulty);
  EXPECT_EQ(self.UntilPeerFails(0).code(), Code::kRemote);
  sender.join();
  for (const Message& message : self.arrived) {
    received.emplace_back(message.bytes().begin(), message.bytes().end());
  }
  return received;
}

const std::function<void(FaultyTransport&)> kNothing = [](FaultyTransport&) {};

TEST(FaultyTransportTest, InjectedDropLosesOneMessage) {
  const Contents received = SendThrough({}, 3, [](FaultyTransport& t) { t.Inject(Fault::kDrop); });
  ASSERT_EQ(received.size(), 2u);
  EXPECT_TRUE(received[0] == Sent(1));
  EXPECT_TRUE(received[1] == Sent(2));
}

TEST(FaultyTransportTest, InjectedCorruptionFlipsBitsOfOneByte) {
  const Contents received =
      SendThrough({}, 2, [](FaultyTransport& t) { t.Inject(Fault::kCorrupt); });
  ASSERT_EQ(received.size(), 2u);
  ASSERT_EQ(received[0].size(), 1000u);
  const std::vector<std::byte> sent = Sent(0);
  int differing = 0;
  for (size_t i = 0; i < sent.size(); ++i) differing += received[0][i] != sent[i];
  EXPECT_EQ(differing, 1);
  EXPECT_TRUE(received[1] == Sent(1));
}

TEST(FaultyTransportTest, InjectedTruncationLeavesTheBeginning) {
  const Contents received =
      SendThrough({}, 2, [](FaultyTransport& t) { t.Inject(Fault::kTruncate); });
  ASSERT_EQ(received.size(), 2u);
  ASSERT_LT(received[0].size(), 1000u);
  const std::vector<std::byte> sent = Sent(0);
  EXPECT_TRUE(std::equal(received[0].begin(), received[0].end(), sent.begin()));
  EXPECT_EQ(received[1].size(), 1000u);
}

TEST(FaultyTransportTest, InjectedDuplicationDeliversTwice) {
  const Contents received =
      SendThrough({}, 2, [](FaultyTransport& t) { t.Inject(Fault::kDuplicate); });
  ASSERT_EQ(received.size(), 3u);
  EXPECT_TRUE(received[0] == Sent(0));
  EXPECT_TRUE(received[1] == Sent(0));
  EXPECT_TRUE(received[2] == Sent(1));
}

TEST(FaultyTransportTest, FaultsByChanceFollowTheSeed) {
  const FaultOptions options = {.seed = 7, .probability = {0.2, 0.2, 0.2, 0.2}};
  const Contents first = SendThrough(options, 200, kNothing);
  EXPECT_TRUE(SendThrough(options, 200, kNothing) == first);
  FaultOptions other = options;
  other.seed = 8;
  EXPECT_FALSE(SendThrough(other, 200, kNothing) == first);
}

TEST(FaultyTransportTest, EachProbabilityCausesItsFault) {
  const auto with = [](Fault fault) {
    FaultOptions options;
    options.probability[static_cast<size_t>(fault)] = 0.5;
    return SendThrough(options, 100, kNothing);
  };
  EXPECT_LT(with(Fault::kDrop).size(), 100u);
  EXPECT_GT(with(Fault::kDuplicate).size(), 100u);
  const auto corrupted = with(Fault::kCorrupt);
  const auto truncated = with(Fault::kTruncate);
  ASSERT_EQ(corrupted.size(), 100u);
  ASSERT_EQ(truncated.size(), 100u);
  size_t damaged = 0, shorter = 0;
  for (size_t i = 0; i < 100; ++i) {
    damaged += corrupted[i].size() == 1000 && corrupted[i] != Sent(i);
    shorter += truncated[i].size() < 1000;
  }
  EXPECT_GT(damaged, 0u);
  EXPECT_LT(damaged, 100u);
  EXPECT_GT(shorter, 0u);
  EXPECT_LT(shorter, 100u);
}

TEST(FaultyTransportTest, ShufflingChangesTheOrderAndLosesNothing) {
  Contents received = SendThrough({.shuffle = kShuffle}, 50, kNothing);
  std::vector<std::vector<std::byte>> sent;
  for (size_t i = 0; i < 50; ++i) sent.push_back(Sent(i));
  EXPECT_FALSE(received == sent);
  EXPECT_THAT(received, testing::UnorderedElementsAreArray(sent));
}

TEST(FaultyTransportTest, ACutPeerIsSilentBothWaysAndNotReported) {
  RunRanks(Faulty("loopback", {}), 3, [](Rank& self) {
    const std::vector<std::byte> content = Pattern(1, 10);
    if (self.rank() == 0) {
      static_cast<FaultyTransport&>(self.transport()).Cut(1);
      EXPECT_TRUE(self.SendAndWait(1, content).ok());  // swallowed
      EXPECT_TRUE(self.SendAndWait(2, content).ok());
      // Rank 2 closes last, having seen that rank 1 had closed: all of rank 1's is behind us.
      EXPECT_EQ(self.UntilPeerFails(2).code(), Code::kRemote);
      ASSERT_EQ(self.arrived.size(), 1u);
      EXPECT_EQ(self.arrived[0].source(), 2);
      EXPECT_TRUE(self.transport().PeerStatus(1).ok());
    } else if (self.rank() == 1) {
      EXPECT_TRUE(self.SendAndWait(0, content).ok());
      EXPECT_TRUE(self.SendAndWait(2, content).ok());
      self.UntilArrived(1);
      EXPECT_EQ(self.arrived[0].source(), 2);
    } else {
      EXPECT_TRUE(self.SendAndWait(0, content).ok());
      EXPECT_TRUE(self.SendAndWait(1, content).ok());
      self.UntilArrived(2);
      EXPECT_EQ(self.UntilPeerFails(1).code(), Code::kRemote);
    }
  });
}

}  // namespace
}  // namespace thinwire
