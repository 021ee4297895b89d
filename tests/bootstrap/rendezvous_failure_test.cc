// SPDX-License-Identifier: Apache-2.0
//
// Mistakes of ranks that know the secret: every rank that has joined hears what was wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "bootstrap/protocol.h"
#include "bootstrap/rendezvous.h"
#include "base/socket.h"
#include "rank_threads.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

template <typename Matcher>
void ExpectAllFail(const std::vector<JoinResult>& results, Code code, const Matcher& text) {
  for (const JoinResult& result : results) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), code) << result.status().message();
    EXPECT_THAT(result.status().message(), text);
  }
}

// A joiner made by hand, up to and with its hello.
Fd RawHello(const UniqueId& id, const Hello& hello) {
  const UniqueIdFields fields = ParseUniqueId(id).value();
  Result<Fd> fd = Connect(fields.addresses[0], fields.port, Soon());
  EXPECT_TRUE(fd.ok()) << fd.status().message();
  std::array<std::byte, Greeting::kBytes> greeting;
  EXPECT_TRUE(ReadAll(fd->get(), greeting, Soon()).ok());
  const auto bytes = PackHello(hello, fields.secret, ParseGreeting(greeting).nonce);
  EXPECT_TRUE(WriteAll(fd->get(), bytes, Soon()).ok());
  return std::move(fd).value();
}

void AwaitAccepted(const Fd& fd) {
  std::array<std::byte, MessageHeader::kBytes + kDigestBytes> accepted;
  EXPECT_TRUE(ReadAll(fd.get(), accepted, Soon()).ok());
}

// Reads until it is told an error, which comes back.
Status RawFailure(const Fd& fd) {
  for (;;) {
    std::array<std::byte, MessageHeader::kBytes> bytes;
    TW_TRY(ReadAll(fd.get(), bytes, Soon()));
    const MessageHeader header = ParseMessageHeader(bytes);
    std::string body(header.length, '\0');
    TW_TRY(ReadAll(fd.get(), std::as_writable_bytes(std::span(body)), Soon()));
    if (header.type == MessageType::kFailed) return ParseFailed(body);
  }
}

TEST(RendezvousFailureTest, TakenRankIsNamedToAll) {
  ExpectAllFail(JoinAll(StartServer(), {{0, 3}, {1, 3}, {1, 3}}), Code::kInvalidArgument,
                ContainsRegex("rank 1 \\(127.*taken"));
}

TEST(RendezvousFailureTest, RankOutOfRangeIsNamedToAll) {
  for (const int rank : {2, -1, 1000000}) {
    ExpectAllFail(JoinAll(StartServer(), {{0, 2}, {rank, 2}}), Code::kInvalidArgument,
                  AllOf(HasSubstr(fmt::format("rank {} (", rank)), HasSubstr("out of range")));
  }
}

TEST(RendezvousFailureTest, DifferentNumberOfRanksIsNamedToAll) {
  ExpectAllFail(JoinAll(StartServer(), {{0, 4}, {1, 4}, {2, 5}}), Code::kInvalidArgument,
                ContainsRegex("says there are [45] ranks, others said [45]"));
}

TEST(RendezvousFailureTest, ImpossibleNumberOfRanksIsRefused) {
  for (const int nranks : {0, -1, 70000}) {
    ExpectAllFail(JoinAll(StartServer(), {{0, nranks}}), Code::kInvalidArgument,
                  HasSubstr("1 to 65535 are possible"));
  }
}

TEST(RendezvousFailureTest, OtherWireVersionIsNamedToAll) {
  const UniqueId id = StartServer();
  std::vector<JoinResult> results;
  std::thread good([&] { results = JoinAll(id, {{0, 3}, {1, 3}}); });
  const Fd old = RawHello(id, {.version = 77, .rank = 2, .nranks = 3, .budget_ms = 60000});
  const Status told = RawFailure(old);
  good.join();
  EXPECT_THAT(told.message(), HasSubstr("wire version 77"));
  ExpectAllFail(results, Code::kInvalidUsage, ContainsRegex("rank 2 .*wire version 77"));
}

TEST(RendezvousFailureTest, MissingRanksAreNamedAtTheEarliestDeadline) {
  ExpectAllFail(JoinAll(StartServer(), {{0, 4, 1.0}, {1, 4, 60}}), Code::kTimeout,
                ContainsRegex("ranks 2,3 of 4 did not join within (1 s|[0-9]+ ms)"));
  ExpectAllFail(JoinAll(StartServer(), {{0, 3, 1.0}, {2, 3, 1.0}}), Code::kTimeout,
                ContainsRegex("rank 1 of 3 did not join within (1 s|[0-9]+ ms)"));
}

TEST(RendezvousFailureTest, LongListsOfMissingRanksAreCut) {
  ExpectAllFail(JoinAll(StartServer(), {{0, 1000, 0.5}}), Code::kTimeout,
                HasSubstr("14,15,16 and 983 more of 1000"));
}

TEST(RendezvousFailureTest, LateRankHearsWhyTheRendezvousFailed) {
  const UniqueId id = StartServer();
  ExpectAllFail(JoinAll(id, {{0, 3, 0.5}}), Code::kTimeout, HasSubstr("ranks 1,2 of 3"));
  ExpectAllFail(JoinAll(id, {{1, 3, 60}}), Code::kTimeout, HasSubstr("ranks 1,2 of 3"));
}

TEST(RendezvousFailureTest, RanksMayTryAgainOnTheSamePort) {
  const UniqueId id = StartServer();
  ExpectAllFail(JoinAll(id, {{0, 2, 0.5}}), Code::kTimeout, HasSubstr("rank 1 of 2"));
  std::thread again([&] {  // waits for the new server, is not told the old story again
    const JoinResult joined = Rendezvous::Join(id, 0, 2, Soon());
    EXPECT_TRUE(joined.ok()) << joined.status().message();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const Status started = RendezvousServer::StartWith(id, {});
  EXPECT_TRUE(started.ok()) << started.message();
  const JoinResult joined = Rendezvous::Join(id, 1, 2, Soon());
  EXPECT_TRUE(joined.ok()) << joined.status().message();
  again.join();
}

TEST(RendezvousFailureTest, RankThatDiesWhileOthersGatherIsNamed) {
  const UniqueId id = StartServer();
  std::vector<JoinResult> results;
  std::thread waiting([&] { results = JoinAll(id, {{0, 3}}); });
  {
    const Fd dying = RawHello(id, {.rank = 2, .nranks = 3, .budget_ms = 60000});
    AwaitAccepted(dying);
  }
  waiting.join();
  ExpectAllFail(results, Code::kRemote, ContainsRegex("rank 2 .*went away.*join"));
}

TEST(RendezvousFailureTest, RankThatDiesDuringAnExchangeIsNamedToAllOthers) {
  const UniqueId id = StartServer();
  std::thread dying([&] {
    const Fd fd = RawHello(id, {.rank = 2, .nranks = 3, .budget_ms = 60000});
    const std::string half = PackBlob("half a blob", 60000).substr(0, 12);
    AwaitAccepted(fd);
    std::array<std::byte, MessageHeader::kBytes> ready;
    EXPECT_TRUE(ReadAll(fd.get(), ready, Soon()).ok());
    EXPECT_TRUE(WriteAll(fd.get(), BytesOf(half), Soon()).ok());
  });
  RunThreads(2, [&](int rank) {
    JoinResult joined = Rendezvous::Join(id, rank, 3, Soon());
    ASSERT_TRUE(joined.ok()) << joined.status().message();
    const auto blobs = (*joined)->Exchange("blob", Soon());
    ASSERT_FALSE(blobs.ok());
    EXPECT_EQ(blobs.status().code(), Code::kRemote);
    EXPECT_THAT(blobs.status().message(), ContainsRegex("rank 2 .*went away.*exchange 1"));
    EXPECT_EQ((*joined)->Exchange("blob", Soon()).status().code(), Code::kInvalidUsage);
  });
  dying.join();
}

TEST(RendezvousFailureTest, RankThatHasLeftIsNamedToThoseWhoExchangeOn) {
  auto ranks = JoinRanks(StartServer(), 3);
  ranks[1].reset();
  RunThreads(2, [&](int i) {
    const auto blobs = ranks[static_cast<size_t>(2 * i)]->Exchange("blob", Soon());
    ASSERT_FALSE(blobs.ok());
    EXPECT_THAT(blobs.status().message(), HasSubstr("rank 1 has left"));
  });
}

TEST(RendezvousFailureTest, RankThatSkipsAnExchangeIsNamedAtTheDeadline) {
  auto ranks = JoinRanks(StartServer(), 3);
  RunThreads(2, [&](int rank) {
    const auto blobs = ranks[static_cast<size_t>(rank)]->Exchange("blob", In(0.5));
    ASSERT_FALSE(blobs.ok());
    EXPECT_EQ(blobs.status().code(), Code::kTimeout) << blobs.status().message();
    EXPECT_THAT(blobs.status().message(), HasSubstr("rank 2 of 3 did not take part in exchange 1"));
  });
}

TEST(RendezvousFailureTest, BlobOverTheLimitIsRefusedBeforeItIsSent) {
  auto ranks = JoinRanks(StartServer(), 1);
  const std::string huge(kMaxBlobBytes + 1, 'x');
  EXPECT_EQ(ranks[0]->Exchange(huge, Soon()).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(ranks[0]->Exchange("fits", Soon()).ok());
}

TEST(RendezvousFailureTest, MemberThatAnnouncesTooMuchEndsTheRendezvous) {
  const UniqueId id = StartServer();
  std::vector<JoinResult> results;
  std::thread good([&] { results = JoinAll(id, {{0, 3}}); });
  const Fd fd = RawHello(id, {.rank = 1, .nranks = 3, .budget_ms = 60000});
  const std::string header("\x04\0\0\0\xff\xff\xff\xff", 8);
  EXPECT_TRUE(WriteAll(fd.get(), BytesOf(header), Soon()).ok());
  EXPECT_THAT(RawFailure(fd).message(), HasSubstr("over the limit"));
  good.join();
  ExpectAllFail(results, Code::kRemote, ContainsRegex("rank 1 .*over the limit"));
}

TEST(RendezvousFailureTest, MemberThatSpeaksOutOfTurnEndsTheRendezvous) {
  for (const MessageType type : {MessageType::kLeave, MessageType::kReady, MessageType::kBlob}) {
    const UniqueId id = StartServer();
    const Fd fd = RawHello(id, {.rank = 1, .nranks = 2, .budget_ms = 60000});
    EXPECT_TRUE(WriteAll(fd.get(), BytesOf(PackMessage(type, "")), Soon()).ok());
    EXPECT_THAT(RawFailure(fd).message(), HasSubstr("out of turn"));
  }
}

TEST(RendezvousFailureTest, DeathOfTheRootIsAnErrorForWhoWaits) {
  const UniqueId id = StartServer();
  const Fd waiting = RawHello(id, {.rank = 1, .nranks = 3, .budget_ms = 60000});
  AwaitAccepted(waiting);
  ASSERT_TRUE(RendezvousServer::StartWith(id, {}).ok());  // ends the first one
  EXPECT_EQ(RawFailure(waiting).code(), Code::kRemote);
}

TEST(RendezvousFailureTest, DeathOfTheRootIsAnErrorInAnExchange) {
  const UniqueId id = StartServer();
  auto ranks = JoinRanks(id, 2);
  std::thread waiting([&] {
    const auto blobs = ranks[0]->Exchange("blob", Soon());
    ASSERT_FALSE(blobs.ok());
    EXPECT_EQ(blobs.status().code(), Code::kRemote) << blobs.status().message();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_TRUE(RendezvousServer::StartWith(id, {}).ok());
  waiting.join();
}

TEST(RendezvousFailureTest, NobodyThereIsATimeoutThatNamesTheAddress) {
  UniqueIdFields fields = ParseUniqueId(StartServer()).value();
  { auto ranks = JoinRanks(PackUniqueId(fields), 1); }
  const JoinResult joined = Rendezvous::Join(PackUniqueId(fields), 0, 2, In(0.3));
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.status().code(), Code::kTimeout);
  EXPECT_THAT(joined.status().message(),
              AllOf(HasSubstr(fmt::format("127.0.0.1:{}", fields.port)), HasSubstr("refused")));
}

}  // namespace
}  // namespace thinwire
