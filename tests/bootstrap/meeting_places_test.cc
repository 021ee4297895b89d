// SPDX-License-Identifier: Apache-2.0
//
// Ranks that meet without a word: at places they know, and at a root they were all told of.
#include "bootstrap/meeting_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hmac.h"
#include "bootstrap/launch.h"
#include "rank_threads.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

RendezvousServer::Options Local(PortRange ports = {}) {
  return {.interface = {}, .host = "127.0.0.1", .port = 0, .ports = ports};
}

UniqueId SomeId() {
  UniqueIdFields fields;
  fields.port = 1;
  fields.addresses.resize(1);
  EXPECT_TRUE(FillRandom(fields.secret).ok());
  return PackUniqueId(fields);
}

// The places of all ranks, as each of them knows them.
std::vector<std::unique_ptr<MeetingPlaces>> PlacesOf(int ranks, const UniqueId& id) {
  std::vector<std::unique_ptr<MeetingPlaces>> places;
  std::vector<std::string> all;
  for (int rank = 0; rank < ranks; ++rank) {
    auto opened = MeetingPlaces::Open(id, rank, Local());
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    all.push_back(opened.value().own());
    places.push_back(std::make_unique<MeetingPlaces>(std::move(opened).value()));
  }
  for (auto& each : places) EXPECT_TRUE(each->Learn(all).ok());
  return places;
}

// What `members` exchange when they meet for a purpose at the first of them.
std::vector<std::string> Exchanged(const std::vector<std::unique_ptr<MeetingPlaces>>& places,
                                   const std::vector<int>& members, const std::string& purpose) {
  std::vector<std::string> said;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < members.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto& own = *places[static_cast<size_t>(members[i])];
      const auto id = own.Meet(members.front(), purpose);
      ASSERT_TRUE(id.ok()) << id.status().message();
      auto joined = Rendezvous::Join(id.value(), static_cast<int>(i),
                                     static_cast<int>(members.size()), Soon());
      ASSERT_TRUE(joined.ok()) << joined.status().message();
      const auto blobs = joined.value()->Exchange(std::to_string(members[i]), Soon());
      ASSERT_TRUE(blobs.ok()) << blobs.status().message();
      if (i == 0) said = blobs.value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return said;
}

TEST(MeetingPlacesTest, AnyRanksMeetAtAnyOfThemAgainAndAgain) {
  const auto places = PlacesOf(4, SomeId());
  EXPECT_EQ(Exchanged(places, {2, 0, 3}, "a"), (std::vector<std::string>{"2", "0", "3"}));
  EXPECT_EQ(Exchanged(places, {2, 1}, "b"), (std::vector<std::string>{"2", "1"}));
  EXPECT_EQ(Exchanged(places, {2, 1}, "b"), (std::vector<std::string>{"2", "1"}));
  EXPECT_EQ(Exchanged(places, {1}, "c"), (std::vector<std::string>{"1"}));
}

// What each of `present` hears when they call the roll, all knowing of `lost`; "-": an error.
std::vector<std::string> RollsOf(std::vector<std::unique_ptr<MeetingPlaces>>& places,
                                 const std::vector<std::pair<int, std::set<int>>>& present,
                                 double patience = 30) {
  std::vector<std::string> heard(present.size());
  RunThreads(static_cast<int>(present.size()), [&](int i) {
    const auto& [rank, lost] = present[static_cast<size_t>(i)];
    const auto roll =
        places[static_cast<size_t>(rank)]->CallRoll(lost, "roll", std::to_string(rank), patience);
    std::string& text = heard[static_cast<size_t>(i)];
    if (!roll.ok()) text = "-";
    for (const std::string& brought : roll.ok() ? roll.value() : std::vector<std::string>()) {
      text += brought.empty() ? "." : brought;
    }
  });
  return heard;
}

using Heard = std::vector<std::string>;

TEST(MeetingPlacesTest, ThoseLeftHearOfEachOtherWhoeverIsLost) {
  for (int lost = 0; lost < 4; ++lost) {
    auto places = PlacesOf(4, SomeId());
    std::string expected = "0123";
    expected[static_cast<size_t>(lost)] = '.';
    std::vector<std::pair<int, std::set<int>>> present;
    for (int rank = 0; rank < 4; ++rank) {
      if (rank != lost) present.push_back({rank, {lost}});
    }
    EXPECT_EQ(RollsOf(places, present), Heard(3, expected)) << lost;
  }
}

TEST(MeetingPlacesTest, AHostThatIsGoneIsPassedOverByThoseWhoDidNotKnow) {
  auto places = PlacesOf(4, SomeId());
  places[0] = nullptr;  // nobody listens there
  EXPECT_EQ(RollsOf(places, {{1, {}}, {2, {0}}, {3, {}}}), Heard(3, ".123"));
}

TEST(MeetingPlacesTest, ThoseWhoDoNotComeInTimeAreLeftOut) {
  auto places = PlacesOf(4, SomeId());
  EXPECT_EQ(RollsOf(places, {{0, {}}, {2, {}}}, 0.5), Heard(2, "0.2."));
}

TEST(MeetingPlacesTest, WhoIsBelievedLostAndComesBeforeTheOthersAreDoneIsThere) {
  auto places = PlacesOf(3, SomeId());
  EXPECT_EQ(RollsOf(places, {{0, {1}}, {1, {}}}, 1).front().substr(0, 1), "0");
}

TEST(MeetingPlacesTest, WhoIsWrongAboutTheLowestIsAlone) {
  auto places = PlacesOf(3, SomeId());
  EXPECT_EQ(RollsOf(places, {{0, {}}, {1, {}}, {2, {0, 1}}}, 1), (Heard{"01.", "01.", "..2"}));
}

TEST(MeetingPlacesTest, WhoComesForSomethingElseIsTurnedAway) {
  const auto places = PlacesOf(2, SomeId());
  ASSERT_TRUE(places[0]->Meet(0, "split 1").ok());
  const auto other = places[1]->Meet(0, "split 2");
  ASSERT_TRUE(other.ok());
  EXPECT_THAT(Rendezvous::Join(other.value(), 1, 2, Soon()).status().message(),
              HasSubstr("secret"));
}

TEST(MeetingPlacesTest, APlaceThatFailedIsMetAtAgain) {
  const auto places = PlacesOf(3, SomeId());
  const auto id = places[0]->Meet(0, "shrink by 1");
  ASSERT_TRUE(id.ok());
  EXPECT_FALSE(Rendezvous::Join(id.value(), 0, 2, In(0.2)).ok()) << "rank 2 says otherwise";
  EXPECT_EQ(Exchanged(places, {0, 2}, "shrink by 1,3"), (std::vector<std::string>{"0", "2"}));
}

TEST(MeetingPlacesTest, WithoutAPortThereIsAPlaceForOthersOnly) {
  const UniqueId id = SomeId();
  const Result<Fd> taken = Listen(nullptr, uint16_t{0});
  ASSERT_TRUE(taken.ok());
  const Result<uint16_t> port = LocalPort(taken.value().get());
  auto none = MeetingPlaces::Open(id, 0, Local({port.value(), port.value()}));
  ASSERT_TRUE(none.ok()) << none.status().message();
  auto some = MeetingPlaces::Open(id, 1, Local());
  ASSERT_TRUE(some.ok());
  ASSERT_TRUE(none.value().Learn({none.value().own(), some.value().own()}).ok());
  EXPECT_EQ(none.value().Meet(0, "x").status().code(), Code::kInvalidUsage);
  EXPECT_THAT(none.value().Meet(0, "x").status().message(), HasSubstr("rank 0 has no place"));
  EXPECT_TRUE(none.value().Meet(1, "x").ok());
  EXPECT_EQ(none.value().Learn({"short"}).code(), Code::kRemote);
}

TEST(RootTest, EveryRankMakesTheIdItself) {
  Env env;
  env.root = "127.0.0.1:" + std::to_string(FreePort());
  const auto id = RootId(env);
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_EQ(RootId(env).value(), id.value());
  Env sealed = env;
  sealed.secret = "shared";
  EXPECT_NE(RootId(sealed).value(), id.value());
  // Ids of other communicators are nobody's business here.
  EXPECT_TRUE(GatherAtRoot(SomeId(), env).ok());
  EXPECT_FALSE(Rendezvous::Join(id.value(), 0, 1, In(0.2)).ok());
  for (int communicator = 0; communicator < 2; ++communicator) {  // one after another
    ASSERT_TRUE(GatherAtRoot(id.value(), env).ok());
    std::thread other([&] { EXPECT_TRUE(Rendezvous::Join(id.value(), 1, 2, Soon()).ok()); });
    EXPECT_TRUE(Rendezvous::Join(id.value(), 0, 2, Soon()).ok());
    other.join();
  }
  env.root = "nowhere";
  EXPECT_THAT(RootId(env).status().message(), HasSubstr("NCCL_COMM_ID"));
}

}  // namespace
}  // namespace thinwire
