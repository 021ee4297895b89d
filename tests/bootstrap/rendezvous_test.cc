// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/rendezvous.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "base/socket.h"
#include "rank_threads.h"

namespace thinwire {
namespace {

// What `rank` gives in `round`: deterministic, of any length, with zeros in it.
std::string Blob(int rank, int round, size_t bytes) {
  std::string blob(bytes, '\0');
  std::minstd_rand random(static_cast<unsigned>(1 + rank * 1000 + round));
  for (char& c : blob) c = static_cast<char>(random());
  return blob;
}

class RendezvousTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, RendezvousTest, testing::Range(1, 9));

TEST_P(RendezvousTest, EveryRankGetsEveryBlobInEveryRound) {
  const int nranks = GetParam();
  const UniqueId id = StartServer();
  const std::vector<size_t> sizes = {0, 1, 100, 65536, size_t{1} << 20, 3};
  RunThreads(nranks, [&](int rank) {
    JoinResult joined = Rendezvous::Join(id, rank, nranks, Soon());
    ASSERT_TRUE(joined.ok()) << joined.status().message();
    for (int round = 0; round < static_cast<int>(sizes.size()); ++round) {
      // Ranks give different lengths in the same round.
      const auto size_of = [&](int r) { return sizes[static_cast<size_t>(round)] / size_t(r + 1); };
      auto blobs = (*joined)->Exchange(Blob(rank, round, size_of(rank)), Soon());
      ASSERT_TRUE(blobs.ok()) << blobs.status().message();
      ASSERT_EQ(blobs->size(), static_cast<size_t>(nranks));
      for (int r = 0; r < nranks; ++r) {
        ASSERT_TRUE((*blobs)[static_cast<size_t>(r)] == Blob(r, round, size_of(r)))
            << "rank " << rank << " round " << round << " blob of " << r;
      }
    }
  });
}

TEST_P(RendezvousTest, RanksMayJoinInAnyOrder) {
  const int nranks = GetParam();
  std::vector<int> order(static_cast<size_t>(nranks));
  for (int i = 0; i < nranks; ++i) order[static_cast<size_t>(i)] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937(static_cast<unsigned>(nranks)));
  const UniqueId id = StartServer();
  RunThreads(nranks, [&](int i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * i));
    const int rank = order[static_cast<size_t>(i)];
    JoinResult joined = Rendezvous::Join(id, rank, nranks, Soon());
    ASSERT_TRUE(joined.ok()) << joined.status().message();
    auto blobs = (*joined)->Exchange(std::to_string(rank), Soon());
    ASSERT_TRUE(blobs.ok());
    for (int r = 0; r < nranks; ++r) EXPECT_EQ((*blobs)[static_cast<size_t>(r)], std::to_string(r));
  });
}

TEST(RendezvousServerTest, RanksThatComeBeforeTheServerWait) {
  const UniqueId probe = StartServer();
  UniqueIdFields fields = ParseUniqueId(probe).value();
  { auto ranks = JoinRanks(probe, 1); }  // ends that server, so its port is free
  const UniqueId id = PackUniqueId(fields);
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const Status started = RendezvousServer::StartWith(id, {});
    EXPECT_TRUE(started.ok()) << started.message();
  });
  const auto ranks = JoinRanks(id, 3);
  late.join();
}

TEST(RendezvousServerTest, PortIsFreeOnceAllHaveJoined) {
  const UniqueId id = StartServer();
  for (int communicator = 0; communicator < 5; ++communicator) {
    if (communicator > 0) {
      const Status started = RendezvousServer::StartWith(id, {});
      ASSERT_TRUE(started.ok()) << started.message();
    }
    const auto ranks = JoinRanks(id, 3);  // the old one's connections are still open
    for (const auto& rank : ranks) ASSERT_NE(rank, nullptr);
    const UniqueIdFields fields = ParseUniqueId(id).value();
    EXPECT_FALSE(Connect(fields.addresses[0], fields.port, Soon()).ok());
  }
}

TEST(RendezvousServerTest, ServersOfManyCommunicatorsDoNotMeet) {
  RunThreads(6, [](int) {
    const UniqueId id = StartServer();
    const auto ranks = JoinRanks(id, 2);
    for (const auto& rank : ranks) EXPECT_NE(rank, nullptr);
  });
}

TEST(RendezvousServerTest, IdNamesAddressesOfThisMachine) {
  const Result<UniqueId> id = RendezvousServer::Start({});
  ASSERT_TRUE(id.ok()) << id.status().message();
  const UniqueIdFields fields = ParseUniqueId(id.value()).value();
  ASSERT_FALSE(fields.addresses.empty());
  EXPECT_EQ(AddressText(fields.addresses.back(), 1), "127.0.0.1:1") << "the last resort";
  EXPECT_TRUE(Rendezvous::Join(id.value(), 0, 1, Soon()).ok());
}

TEST(RendezvousServerTest, SecondIdOnOnePortLeavesTheFirstAlone) {
  RendezvousServer::Options options;
  options.host = "127.0.0.1";
  const Result<UniqueId> first = RendezvousServer::Start(options);
  ASSERT_TRUE(first.ok());
  options.port = ParseUniqueId(first.value()).value().port;
  EXPECT_EQ(RendezvousServer::Start(options).status().code(), Code::kSystem);
  EXPECT_TRUE(Rendezvous::Join(first.value(), 0, 1, Soon()).ok());
}

TEST(RendezvousServerTest, ForkedChildEndsAndLeavesTheServerAlone) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer ends forked children that start threads";
#endif
  const UniqueId id = StartServer();
  const pid_t child = fork();
  if (child == 0) std::exit(StartServer() == UniqueId{} ? 1 : 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const auto& rank : JoinRanks(id, 2)) EXPECT_NE(rank, nullptr);
}

TEST(RendezvousServerTest, InterfaceLimitsTheAddresses) {
  RendezvousServer::Options options;
  options.interface = "lo";
  const Result<UniqueId> id = RendezvousServer::Start(options);
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(AddressText(ParseUniqueId(id.value()).value().addresses[0], 1), "127.0.0.1:1");
  EXPECT_TRUE(Rendezvous::Join(id.value(), 0, 1, Soon()).ok());
}

TEST(RendezvousServerTest, UnknownInterfaceAndHostAreNamed) {
  RendezvousServer::Options options;
  options.interface = "nosuch0";
  EXPECT_NE(RendezvousServer::Start(options).status().message().find("nosuch0"), std::string::npos);
  options = {};
  options.host = "no-such-host.invalid";
  EXPECT_NE(RendezvousServer::Start(options).status().message().find("no-such-host.invalid"),
            std::string::npos);
}

TEST(RendezvousServerTest, Ipv6IsListenedToWhereTheMachineHasIt) {
  RendezvousServer::Options options;
  options.host = "::1";
  const Result<UniqueId> id = RendezvousServer::Start(options);
  if (!id.ok()) GTEST_SKIP() << id.status().message();
  const UniqueIdFields fields = ParseUniqueId(id.value()).value();
  if (!Connect(fields.addresses[0], fields.port, Soon()).ok()) GTEST_SKIP() << "no IPv6 here";
  EXPECT_TRUE(Rendezvous::Join(id.value(), 0, 1, Soon()).ok());
}

}  // namespace
}  // namespace thinwire
