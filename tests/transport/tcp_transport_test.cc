// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <sys/socket.h>

#include "transport/child_rank.h"
#include "transport/tcp/tcp_protocol.h"
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

MakeForRanks Tcp(const TransportOptions& options) {
  return [options](int) { return MakeTransport("tcp", options); };
}

INSTANTIATE_TEST_SUITE_P(Tcp, TransportSuite,
                         testing::Values(TransportCase{"adaptive", Tcp({})},
                                         TransportCase{"lo", Tcp({.interface = "lo"})},
                                         TransportCase{"manyFlows", Tcp({.flows = 7})},
                                         TransportCase{"reno", Tcp({.congestion = "reno"})}),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(Tcp, ProcessSuite, testing::Values("tcp"));

// ---- Options ------------------------------------------------------------------------------------

TEST(TcpTransportTest, WhatTheSystemDoesNotHaveIsNamed) {
  const auto message = [](const TransportOptions& options) {
    const Status status = MakeTransport("tcp", options).status();
    EXPECT_FALSE(status.ok());
    return status.message();
  };
  EXPECT_THAT(message({.interface = "wan77"}), testing::HasSubstr("wan77"));
  EXPECT_THAT(message({.congestion = "pigeon"}),
              testing::AllOf(testing::HasSubstr("pigeon"), testing::HasSubstr("reno")));
}

TcpAddress AddressOf(Transport* transport) {
  const std::string address = transport->Address().value();
  return *ParseTcpAddress(UnpackAddress("tcp", address, 0).value());
}

TEST(TcpTransportTest, ListensOnAFreePortOfTheRange) {
  const auto any = MakeTransport("tcp", {});
  ASSERT_TRUE(any.ok());
  const uint16_t taken = AddressOf(any.value().get()).port;
  const auto within = [](uint16_t first, uint16_t last) {
    return MakeTransport("tcp", {.ports = {first, last}});
  };
  const Status none = within(taken, taken).status();
  EXPECT_EQ(none.code(), Code::kSystem);
  EXPECT_THAT(none.message(), testing::HasSubstr(std::to_string(taken)));
  const auto next = within(taken, static_cast<uint16_t>(std::min(taken + 100, 65535)));
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_GT(AddressOf(next.value().get()).port, taken);
}

TEST(TcpTransportTest, TheGivenHostIsTriedFirst) {
  const auto made = MakeTransport("tcp", {.host = "192.0.2.7"});
  ASSERT_TRUE(made.ok());
  const TcpAddress address = AddressOf(made.value().get());
  EXPECT_GT(address.addresses.size(), 1u);
  EXPECT_EQ(AddressText(address.addresses.front(), 80), "192.0.2.7:80");
}

// ---- Reachability -------------------------------------------------------------------------------

// A port on which nobody listens: of a listener that has gone.
uint16_t DeadPort() { return AddressOf(MakeTransport("tcp", {}).value().get()).port; }

std::string WithPort(std::string_view blob, uint16_t port) {
  TcpAddress address = *ParseTcpAddress(UnpackAddress("tcp", blob, 0).value());
  address.port = port;
  return PackAddress("tcp", PackTcpAddress(address));
}

size_t OpenDescriptors() {
  size_t count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Two ranks with addresses as `edit` leaves them; `body` runs on each.
void RunPair(const TransportOptions& options, const std::function<void(Made*)>& edit,
             const std::function<void(Rank&, const Status& connected)>& body,
             Duration patience = std::chrono::seconds(60)) {
  Made made = MakeRanks(Tcp(options), 2);
  edit(&made);
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r) {
    threads.emplace_back([&, r] {
      const auto transport = std::move(made.transports[static_cast<size_t>(r)]);
      const Status connected = transport->Connect(r, made.addresses, Now() + patience);
      Rank self(r, 2, transport.get());
      body(self, connected);
      self.Close();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class OneSidedTest : public testing::TestWithParam<int> {};  // the rank that nobody reaches
INSTANTIATE_TEST_SUITE_P(Tcp, OneSidedTest, testing::Values(0, 1));

TEST_P(OneSidedTest, APeerThatCanOnlyDialOutIsReached) {
  const size_t unreachable = static_cast<size_t>(GetParam());
  RunPair(
      {},
      [&](Made* made) {
        made->addresses[unreachable] = WithPort(made->addresses[unreachable], DeadPort());
      },
      [](Rank& self, const Status& connected) {
        ASSERT_TRUE(connected.ok()) << connected.message();
        ExchangeWithAll(self, kSizes);
      });
}

// The pair's end that wants more flows may be the one that can't dial.
TEST_P(OneSidedTest, FlowsAreOpenedByTheSideThatCan) {
  constexpr size_t kFlows = 9;
  const size_t unreachable = static_cast<size_t>(GetParam());
  const size_t before = OpenDescriptors();
  size_t during = 0;
  RunPair(
      {.flows = kFlows},
      [&](Made* made) {
        made->addresses[unreachable] = WithPort(made->addresses[unreachable], DeadPort());
      },
      [&](Rank& self, const Status& connected) {
        ASSERT_TRUE(connected.ok()) << connected.message();
        // Both ends of each flow are here. Counted before the exchange, since the peer may leave as
        // soon as it has all of it.
        size_t open = 0;
        self.Until([&] { return (open = OpenDescriptors()) >= before + 2 * kFlows; });
        if (self.rank() == 0) during = open;
        ExchangeWithAll(self, {0, 100, 100000, 3000000});
      });
  EXPECT_GE(during, before + 2 * kFlows);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(TcpTransportTest, AddressesThatLeadNowhereArePassedOver) {
  RunPair(
      {},
      [](Made* made) {
        TcpAddress address = *ParseTcpAddress(UnpackAddress("tcp", made->addresses[1], 1).value());
        address.addresses = ResolveHost("192.0.2.1", 1).value();  // for documentation: nobody's
        address.addresses.push_back(ResolveHost("127.0.0.1", 1).value()[0]);
        made->addresses[1] = PackAddress("tcp", PackTcpAddress(address));
        made->addresses[0] = WithPort(made->addresses[0], DeadPort());
      },
      [](Rank& self, const Status& connected) {
        ASSERT_TRUE(connected.ok()) << connected.message();
        ExchangeWithAll(self, {1, 100000});
      });
}

TEST(TcpTransportTest, APairInWhichNoneReachesTheOtherSaysWhatItTried) {
  RunPair(
      {},
      [](Made* made) {
        for (std::string& address : made->addresses) address = WithPort(address, DeadPort());
      },
      [](Rank& self, const Status& connected) {
        EXPECT_EQ(connected.code(), Code::kTimeout);
        EXPECT_THAT(connected.message(),
                    testing::AllOf(testing::HasSubstr(fmt::format("rank {}", 1 - self.rank())),
                                   testing::HasSubstr("refused")));
      },
      std::chrono::seconds(1));
}

// ---- Strangers ----------------------------------------------------------------------------------

// A program that has found the port.
class Stranger {
 public:
  explicit Stranger(uint16_t port)
      : fd_(Connect(ResolveHost("127.0.0.1", 1).value()[0], port, Patience()).value()) {}
  void Say(std::span<const std::byte> bytes) const {
    EXPECT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Whether the other end has hung up.
  bool TurnedAway() const {
    char byte;
    const ssize_t got = recv(fd_.get(), &byte, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

TEST(TcpTransportTest, StrangersAreTurnedAway) {
  RunRanks(Tcp({}), 2, [](Rank& self) {
    if (self.rank() == 1) return ExchangeWithAll(self, {1, 100000});
    const TcpAddress address = AddressOf(&self.transport());
    const auto turned_away = [&](const FlowGreeting& greeting) {
      const Stranger stranger(address.port);
      stranger.Say(PackFlowGreeting(greeting));
      self.Until([&] { return stranger.TurnedAway(); });
    };
    turned_away({.rank = 1, .token = MakeToken()});
    turned_away({.rank = 0, .token = address.token});
    turned_away({.rank = 2, .token = address.token});
    turned_away({.rank = -1, .token = address.token});
    const Stranger browser(address.port);
    browser.Say(std::as_bytes(std::span(std::string_view("GET / HTTP/1.1\r\nHost: thinwire\r\n"))));
    self.Until([&] { return browser.TurnedAway(); });
    EXPECT_TRUE(self.transport().PeerStatus(1).ok());
    ExchangeWithAll(self, {1, 100000});
  });
}

TEST(TcpTransportTest, OfManySilentStrangersTheOldestGo) {
  RunRanks(Tcp({}), 2, [](Rank& self) {
    if (self.rank() == 1) return ExchangeWithAll(self, {1});
    const TcpAddress address = AddressOf(&self.transport());
    std::vector<std::unique_ptr<Stranger>> strangers;
    for (int i = 0; i < 300; ++i) {
      strangers.push_back(std::make_unique<Stranger>(address.port));
    }
    self.Until([&] { return strangers.front()->TurnedAway(); });
    EXPECT_FALSE(strangers.back()->TurnedAway());
    ExchangeWithAll(self, {1});
  });
}

// Says it is rank 1, with the right token, and then `bytes`; what rank 0 makes of it.
Status AfterPeerSaid(std::span<const std::byte> bytes) {
  Made made = MakeRanks(Tcp({}), 2);
  const Stranger peer(AddressOf(made.transports[0].get()).port);
  peer.Say(PackFlowGreeting({.rank = 1, .token = AddressOf(made.transports[0].get()).token}));
  EXPECT_TRUE(made.transports[0]->Connect(0, made.addresses, Patience()).ok());
  peer.Say(bytes);
  return Rank(0, 2, made.transports[0].get()).UntilPeerFails(1);
}

TEST(TcpTransportTest, APeerThatSendsWhatIsNoMessageIsReported) {
  const std::vector<std::byte> junk = Pattern(1, 1000);
  EXPECT_THAT(AfterPeerSaid(junk).message(), testing::HasSubstr("no message"));
  constexpr auto kOver = static_cast<uint32_t>(kMaxMessageBytes) + 1;
  const auto overlong =
      PackMessageHead({.kind = MessageHead::Kind::kData, .length = kOver, .total = kOver});
  EXPECT_THAT(AfterPeerSaid(overlong).message(), testing::HasSubstr("rank 1"));
}

// ---- Messages and figures -----------------------------------------------------------------------

TEST(TcpTransportTest, MessagesOfTheLargestFrameAndMoreArrive) {
  RunRanks(Tcp({.flows = 5}), 2, [](Rank& self) {
    ExchangeWithAll(self, {(16 << 20) + 64, (16 << 20) + 65});
  });
}

TEST(TcpTransportTest, AMessageOverTheBoundIsRefused) {
  RunRanks(Tcp({}), 2, [](Rank& self) {
    const std::vector<std::byte> content(kMaxMessageBytes + 1);
    Request request;
    const Status sent = self.transport().Send(1 - self.rank(), content, &request);
    EXPECT_EQ(sent.code(), Code::kInvalidArgument);
    EXPECT_FALSE(request.pending());
  });
}

TEST(TcpTransportTest, APathIsKnownOnceSomethingWasSent) {
  RunRanks(Tcp({.flows = 3}), 2, [](Rank& self) {
    ExchangeWithAll(self, {100, 3000000, 100});
    const PathFigures path = self.transport().PathTo(1 - self.rank());
    EXPECT_GT(path.round_trip_seconds, 0);
    EXPECT_LT(path.round_trip_seconds, 60);
    EXPECT_GT(path.rate, 0);
    EXPECT_GE(path.packets, 3000000U / 65536);
    EXPECT_LT(path.packets_again, path.packets);
    EXPECT_EQ(self.transport().PathTo(2).rate, 0);
    EXPECT_EQ(self.transport().PathTo(self.rank()).rate, 0);
  });
}

TEST(TcpTransportTest, NoDescriptorIsLeft) {
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 3; ++i) {
    RunRanks(Tcp({.flows = i}), 4, [](Rank& self) { ExchangeWithAll(self, {1, 100000}); });
    Made never = MakeRanks(Tcp({}), 2);
    EXPECT_FALSE(never.transports[0]->Connect(0, never.addresses, Now()).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace thinwire
