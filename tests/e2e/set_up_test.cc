// SPDX-License-Identifier: Apache-2.0
//
// Mistakes before a communicator exists: each is refused with a text that names it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "bootstrap/unique_id.h"
#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

struct Joined {
  Status status;
  thinwireComm_t comm = nullptr;
};

// Joins as each of `who` at once, on threads of their own.
std::vector<Joined> Join(const std::vector<std::pair<int, int>>& who, const Settings& settings,
                         thinwireUniqueId id) {
  std::vector<Joined> joined(who.size());
  OnThreads(static_cast<int>(who.size()), [&](int i) {
    const thinwireConfig_t config = settings.config();
    const auto [rank, ranks] = who[static_cast<size_t>(i)];
    Joined& mine = joined[static_cast<size_t>(i)];
    mine.status = ToStatus(thinwireCommInitRank(&mine.comm, ranks, id, rank, &config));
  });
  OnThreads(static_cast<int>(who.size()),
            [&](int i) { thinwireCommDestroy(joined[static_cast<size_t>(i)].comm); });
  return joined;
}

thinwireUniqueId NewId() {
  thinwireUniqueId id;
  EXPECT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
  return id;
}

Settings Impatient() {
  Settings settings;
  settings.connect_timeout_seconds = 1.5;
  return settings;
}

void ExpectAllRefused(const std::vector<Joined>& joined, const std::string& text) {
  for (const Joined& one : joined) {
    EXPECT_FALSE(one.status.ok());
    EXPECT_EQ(one.comm, nullptr);
    EXPECT_THAT(one.status.message(), HasSubstr(text));
  }
}

TEST(SetUpTest, ARankOutOfRangeIsRefused) {
  ExpectAllRefused(Join({{2, 2}}, Impatient(), NewId()), "rank is 2; it must be from 0 to 1");
  ExpectAllRefused(Join({{-1, 2}}, Impatient(), NewId()), "rank is -1");
  ExpectAllRefused(Join({{0, 0}}, Impatient(), NewId()), "nranks is 0");
  ExpectAllRefused(Join({{0, 1 << 20}}, Impatient(), NewId()), "nranks is 1048576");
}

TEST(SetUpTest, ADuplicateRankIsNamedToAll) {
  ExpectAllRefused(Join({{0, 2}, {0, 2}}, Impatient(), NewId()), "rank 0");
}

TEST(SetUpTest, RanksThatDisagreeOnTheirNumberAreRefused) {
  ExpectAllRefused(Join({{0, 2}, {1, 3}}, Impatient(), NewId()), "3");
}

TEST(SetUpTest, AMissingRankIsNamedAfterTheTimeout) {
  const auto joined = Join({{0, 3}, {2, 3}}, Impatient(), NewId());
  ExpectAllRefused(joined, "1");
  for (const Joined& one : joined) EXPECT_EQ(one.status.code(), Code::kTimeout);
}

TEST(SetUpTest, BytesThatAreNoIdAreRefused) {
  thinwireUniqueId id = {};
  ExpectAllRefused(Join({{0, 2}}, Impatient(), id), "id");
}

TEST(SetUpTest, AStrangerOnThePortDoesNotDisturb) {
  const thinwireUniqueId id = NewId();
  UniqueId bytes;
  std::memcpy(bytes.bytes.data(), id.internal, sizeof(id.internal));
  const UniqueIdFields fields = ParseUniqueId(bytes).value();
  Result<Fd> stranger = Connect(fields.addresses[0], fields.port, Now() + std::chrono::seconds(5));
  ASSERT_TRUE(stranger.ok()) << stranger.status().message();
  const char greeting[] = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";
  EXPECT_GT(send(stranger->get(), greeting, sizeof(greeting), MSG_NOSIGNAL), 0);
  for (const Joined& one : Join({{0, 2}, {1, 2}}, Settings(), id)) {
    EXPECT_TRUE(one.status.ok()) << one.status.message();
  }
}

TEST(SetUpTest, SettingsThatMakeNoSenseAreNamed) {
  const auto refused = [](const std::function<void(Settings*)>& change, const std::string& text) {
    Settings settings = Impatient();
    change(&settings);
    const thinwireConfig_t config = settings.config();
    thinwireComm_t comms[2] = {};
    const Status status = ToStatus(thinwireCommInitAll(comms, 2, &config));
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(text));
    EXPECT_EQ(comms[0], nullptr);
    EXPECT_EQ(comms[1], nullptr);
  };
  refused([](Settings* s) { s->transport = "pigeons"; }, "pigeons");
  refused([](Settings* s) { s->policy = "q9000"; }, "q9000");
  refused([](Settings* s) { s->link = "rate=plenty"; }, "plenty");
  refused([](Settings* s) { s->link = "lines=0 7 1gbit 1ms"; }, "line 1");
  refused([](Settings* s) { s->shape = "colour=red"; }, "colour=red");
}

TEST(SetUpTest, AMissingInterfaceIsNamed) {
  Settings settings = Impatient();
  thinwireConfig_t config = settings.config();
  config.transport = "auto";
  config.netInterface = "nosuch0";
  thinwireComm_t comm = nullptr;
  const Status status = ToStatus(thinwireCommInitAll(&comm, 1, &config));
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("nosuch0"));
}

TEST(SetUpTest, AMissingLinkFileIsNamed) {
  Settings settings = Impatient();
  settings.link = "file=/nowhere/links";
  const thinwireConfig_t config = settings.config();
  thinwireComm_t comm = nullptr;
  const Status status = ToStatus(thinwireCommInitAll(&comm, 1, &config));
  EXPECT_EQ(status.code(), Code::kSystem);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/links"));
}

// Zero and negative numbers stand for "not set".
TEST(SetUpTest, UnsetTimesComeFromTheEnvironment) {
  Settings settings;
  settings.timeout_seconds = 0;
  settings.silence_seconds = 0;
  settings.connect_timeout_seconds = 0;
  Comms comms(2, settings);
  comms.OnRanks([](int, thinwireComm_t comm) {
    EXPECT_EQ(thinwireBarrier(comm, nullptr), thinwireSuccess) << thinwireGetLastError(comm);
  });
}

TEST(SetUpTest, RankZerosLinksHoldForAll) {
  const thinwireUniqueId id = NewId();
  std::vector<thinwireComm_t> comms(2);
  OnThreads(2, [&](int rank) {
    Settings settings;
    settings.link = rank == 0 ? "rate=1gbit,delay=40ms" : "rate=100gbit,delay=0ms";
    const thinwireConfig_t config = settings.config();
    ASSERT_EQ(thinwireCommInitRank(&comms[static_cast<size_t>(rank)], 2, id, rank, &config),
              thinwireSuccess);
    const thinwireComm_t comm = comms[static_cast<size_t>(rank)];
    std::vector<float> values(30'000, 1);
    EXPECT_EQ(thinwireAllReduce(values.data(), values.data(), values.size(), thinwireFloat32,
                                thinwireSum, comm, nullptr),
              thinwireSuccess)
        << thinwireGetLastError(comm);
    thinwireCommDestroy(comm);
  });
}

}  // namespace
}  // namespace thinwire
