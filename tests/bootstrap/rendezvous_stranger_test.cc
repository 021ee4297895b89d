// SPDX-License-Identifier: Apache-2.0
//
// Whoever does not know the secret can neither join, nor hold up or disturb those who do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "bootstrap/protocol.h"
#include "bootstrap/rendezvous.h"
#include "base/socket.h"
#include "rank_threads.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

Fd ConnectTo(const UniqueId& id) {
  const UniqueIdFields fields = ParseUniqueId(id).value();
  Result<Fd> fd = Connect(fields.addresses[0], fields.port, Soon());
  EXPECT_TRUE(fd.ok()) << fd.status().message();
  return std::move(fd).value();
}

// Reads the greeting, and then to the end; the error that ends the reading.
Status ReadToEnd(const Fd& fd) {
  std::array<std::byte, 1> byte;
  for (;;) TW_TRY(ReadAll(fd.get(), byte, Soon()));
}

std::string RandomText(size_t bytes) {
  std::minstd_rand random(7);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

struct Stranger {
  const char* name;
  std::string says;
};

class RendezvousStrangerTest : public testing::TestWithParam<Stranger> {};

const std::vector<Stranger>& Strangers() {
  static const std::vector<Stranger> strangers = {
      {"Nothing", ""},
      {"OneByte", "T"},
      {"MagicAndNoMore", "TRV1"},
      {"HttpRequest", "GET / HTTP/1.1\r\nHost: thinwire\r\n\r\n"},
      {"RandomBytes", RandomText(100000)},
      {"MagicAndZeros", "TRV1" + std::string(1000, '\0')},
      {"MagicAndHugeNumbers", "TRV1" + std::string(1000, '\xff')}};
  return strangers;
}

INSTANTIATE_TEST_SUITE_P(Strangers, RendezvousStrangerTest, testing::ValuesIn(Strangers()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(RendezvousStrangerTest, DoesNotDisturbTheRanks) {
  const UniqueId id = StartServer();
  std::vector<Fd> strangers;
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(ConnectTo(id));
    (void)WriteAll(strangers.back().get(), BytesOf(GetParam().says), Soon());
  }
  auto ranks = JoinRanks(id, 3);
  RunThreads(3, [&](int rank) {
    const auto blobs = ranks[static_cast<size_t>(rank)]->Exchange("blob", Soon());
    EXPECT_TRUE(blobs.ok()) << blobs.status().message();
  });
}

// One test for all of them: those who keep silent are borne with for a few seconds.
TEST(RendezvousStrangersTest, AreTurnedAway) {
  const UniqueId id = StartServer();
  std::vector<Fd> fds;
  for (const Stranger& stranger : Strangers()) {
    fds.push_back(ConnectTo(id));
    (void)WriteAll(fds.back().get(), BytesOf(stranger.says), Soon());
  }
  for (size_t i = 0; i < fds.size(); ++i) {
    EXPECT_NE(ReadToEnd(fds[i]).code(), Code::kTimeout)
        << "the root still holds the connection of " << Strangers()[i].name;
  }
}

TEST(RendezvousSecretTest, WrongSecretIsRefusedAtOnceAndTheOthersGoOn) {
  const UniqueId id = StartServer();
  UniqueIdFields wrong = ParseUniqueId(id).value();
  wrong.secret[0] ^= std::byte{1};
  const JoinResult refused = Rendezvous::Join(PackUniqueId(wrong), 0, 2, Soon());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("secret"));
  for (const auto& rank : JoinRanks(id, 2)) EXPECT_NE(rank, nullptr);
}

TEST(RendezvousSecretTest, RecordedHelloIsWorthNothingOnAnotherConnection) {
  const UniqueId id = StartServer();
  const UniqueIdFields fields = ParseUniqueId(id).value();
  const Fd first = ConnectTo(id);
  std::array<std::byte, Greeting::kBytes> greeting;
  ASSERT_TRUE(ReadAll(first.get(), greeting, Soon()).ok());
  const auto hello =
      PackHello({.rank = 0, .nranks = 2}, fields.secret, ParseGreeting(greeting).nonce);
  const Fd second = ConnectTo(id);
  ASSERT_TRUE(ReadAll(second.get(), greeting, Soon()).ok());
  ASSERT_TRUE(WriteAll(second.get(), hello, Soon()).ok());
  std::array<std::byte, MessageHeader::kBytes> answer;
  ASSERT_TRUE(ReadAll(second.get(), answer, Soon()).ok());
  EXPECT_EQ(ParseMessageHeader(answer).type, MessageType::kFailed);
}

TEST(RendezvousSecretTest, RootThatDoesNotKnowTheSecretIsNotTrusted) {
  Result<Fd> listener = Listen(nullptr, 0);
  ASSERT_TRUE(listener.ok());
  UniqueIdFields fields;
  fields.port = LocalPort(listener->get()).value();
  fields.addresses = ResolveHost("127.0.0.1", 1).value();
  std::thread impostor([&] {
    for (;;) {  // accepts everybody, with a proof made up; ends when nobody tries any more
      Fd fd;
      const TimePoint deadline = In(1.5);
      while (!fd.open() && Now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        fd = Accept(listener->get());
      }
      if (!fd.open()) return;
      (void)WriteAll(fd.get(), PackGreeting({}), Soon());
      const std::string accepted = PackMessage(MessageType::kAccepted, std::string(32, 'p'));
      (void)WriteAll(fd.get(), BytesOf(accepted + PackMessage(MessageType::kReady, "")), Soon());
      (void)ReadToEnd(fd);
    }
  });
  const JoinResult joined = Rendezvous::Join(PackUniqueId(fields), 0, 1, In(0.3));
  impostor.join();
  ASSERT_FALSE(joined.ok());
  EXPECT_THAT(joined.status().message(), HasSubstr("does not know the secret"));
}

TEST(RendezvousSecretTest, RandomIdIsRefused) {
  UniqueId id;
  const std::string text = RandomText(kUniqueIdBytes);
  std::copy(BytesOf(text).begin(), BytesOf(text).end(), id.bytes.begin());
  EXPECT_EQ(Rendezvous::Join(id, 0, 1, Soon()).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace thinwire
