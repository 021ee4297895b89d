// SPDX-License-Identifier: Apache-2.0
#include "transport/sealed_transport.h"

#include <algorithm>
#include <filesystem>

#include "transport/buffers.h"
#include "transport/faulty_transport.h"
#include "transport/introduction.h"
#include "transport/seal.h"
#include "transport/shaped_transport.h"
#include "transport/transport_decorator.h"
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Digest Secret(int number) { return Sha256({BytesOf(fmt::format("secret {}", number))}); }

SealOptions InClear() {
  SealOptions options;
  options.secret = Secret(1);
  return options;
}
SealOptions Sealing(CipherSet ciphers = kAllCiphers) {
  SealOptions options = InClear();
  options.encrypt = true;
  options.ciphers = ciphers;
  return options;
}
bool CanSeal() { return CheckSealing().ok(); }

MakeForRanks Over(const std::string& inner_name, const SealOptions& options, Duration shuffle) {
  return [=](int) -> Result<std::unique_ptr<Transport>> {
    TW_ASSIGN(auto inner, MakeTransport(inner_name, {}));
    if (shuffle > Duration::zero()) {
      inner = std::make_unique<FaultyTransport>(std::move(inner), FaultOptions{.shuffle = shuffle});
    }
    return MakeSealedTransport(std::move(inner), options);
  };
}

std::vector<TransportCase> Cases() {
  constexpr Duration kShuffle = std::chrono::milliseconds(3);
  std::vector<TransportCase> cases;
  for (const std::string_view name : TransportNames()) {
    const std::string inner(name);
    cases.push_back({inner + "InClear", Over(inner, InClear(), {})});
    if (CanSeal()) cases.push_back({inner + "Sealed", Over(inner, Sealing(), {})});
  }
  cases.push_back({"InClearShuffled", Over("loopback", InClear(), kShuffle)});
  if (!CanSeal()) return cases;
  const SealOptions chacha = Sealing(Only(CipherId::kChaCha20Poly1305));
  cases.push_back({"SealedShuffled", Over("loopback", Sealing(), kShuffle)});
  cases.push_back({"SealedByChaCha", Over("loopback", chacha, {})});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Sealed, TransportSuite, testing::ValuesIn(Cases()), CaseName);

// --- With somebody on the wire ---

// Loopback, with a record of what arrives, where tests put in what they like.
class TappedTransport final : public TransportDecorator {
 public:
  TappedTransport() : TransportDecorator("tapped", MakeTransport("loopback", {}).value()) {}
  Status Send(int peer, std::span<const std::byte> bytes, Request* request) override {
    return inner().Send(peer, bytes, request);
  }
  bool Poll(std::vector<Message>* arrived) override {
    const size_t before = arrived->size();
    inner().Poll(arrived);
    for (size_t i = before; i < arrived->size(); ++i) {
      const auto bytes = (*arrived)[i].bytes();
      seen.emplace_back(bytes.begin(), bytes.end());
    }
    for (const auto& [source, bytes] : std::exchange(forged, {})) {
      arrived->emplace_back(source, std::make_unique<OwnedBuffer>(bytes));
    }
    return arrived->size() > before;
  }
  void Wait(TimePoint deadline) override { inner().Wait(deadline); }
  PathFigures PathTo(int peer) const override { return {.round_trip_seconds = 1.0 + peer}; }

  std::vector<std::vector<std::byte>> seen;
  std::vector<std::pair<int, std::vector<std::byte>>> forged;  // (claimed source, bytes)
};

// Ranks that are connected in threads and then driven one after another by the test.
struct World {
  std::vector<TappedTransport*> taps;  // of the ranks, below
  std::vector<std::unique_ptr<Transport>> ranks;
  std::vector<std::string> addresses;
  std::vector<Status> connected;

  // As rank `to` receives it: what was delivered, and how the source stands then.
  struct Outcome {
    std::vector<Message> delivered;
    Status status;
  };
  Outcome ReceivedBy(int to, int source) {
    Outcome outcome;
    Transport& receiver = *ranks[static_cast<size_t>(to)];
    receiver.Poll(&outcome.delivered);
    outcome.status = receiver.PeerStatus(source);
    return outcome;
  }
  // The bytes on the wire of `content` sent from one rank to another, which receives it.
  std::vector<std::byte> WireBytesOf(int from, int to, const std::vector<std::byte>& content) {
    Request request;
    EXPECT_TRUE(ranks[static_cast<size_t>(from)]->Send(to, content, &request).ok());
    const Outcome outcome = ReceivedBy(to, from);
    EXPECT_EQ(outcome.delivered.size(), 1u);
    return taps[static_cast<size_t>(to)]->seen.back();
  }
};

World Make(const std::vector<SealOptions>& options) {
  World world;
  for (const SealOptions& own : options) {
    auto tap = std::make_unique<TappedTransport>();
    world.taps.push_back(tap.get());
    world.ranks.push_back(MakeSealedTransport(std::move(tap), own).value());
    world.addresses.push_back(world.ranks.back()->Address().value());
  }
  world.connected.resize(options.size());
  return world;
}

void Connect(World* world, Duration patience = std::chrono::seconds(60)) {
  const TimePoint deadline = Now() + patience;
  std::vector<std::thread> threads;
  for (size_t r = 0; r < world->ranks.size(); ++r) {
    threads.emplace_back([world, r, deadline] {
      world->connected[r] =
          world->ranks[r]->Connect(static_cast<int>(r), world->addresses, deadline);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

World Connected(int ranks, const SealOptions& options) {
  World world = Make(std::vector<SealOptions>(static_cast<size_t>(ranks), options));
  Connect(&world);
  for (const Status& status : world.connected) EXPECT_TRUE(status.ok()) << status.message();
  return world;
}

const std::vector<std::byte> kContent = Pattern(1, 1000);

// In clear and sealed: what holds for both.
class ProofTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam() && !CanSeal()) GTEST_SKIP() << "built without libsodium";
  }
  SealOptions Options() { return GetParam() ? Sealing() : InClear(); }
};

std::string NameOfMode(const testing::TestParamInfo<bool>& info) {
  return info.param ? "Sealed" : "InClear";
}

INSTANTIATE_TEST_SUITE_P(Modes, ProofTest, testing::Bool(), NameOfMode);

TEST_P(ProofTest, ARankOfAnotherCommunicatorIsRefusedByName) {
  SealOptions other = Options();
  other.secret = Secret(2);
  World world = Make({Options(), Options(), other});
  Connect(&world);
  for (const int rank : {0, 1}) {
    const Status& status = world.connected[static_cast<size_t>(rank)];
    EXPECT_EQ(status.code(), Code::kRemote);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("rank 2"), HasSubstr("unique id")));
  }
  EXPECT_EQ(world.connected[2].code(), Code::kRemote);
}

TEST_P(ProofTest, AnAddressThatWasChangedOnTheWayIsRefused) {
  World world = Make({Options(), Options()});
  const std::string name = world.ranks[0]->name();
  const std::string body(UnpackAddress(name, world.addresses[1], 1).value());
  std::string changed = body;
  changed[10] ^= 1;  // in the nonce
  const std::vector<std::string> seen_by_0 = {world.addresses[0], PackAddress(name, changed)};
  std::thread other(
      [&] { world.connected[1] = world.ranks[1]->Connect(1, world.addresses, Patience()); });
  world.connected[0] = world.ranks[0]->Connect(0, seen_by_0, Patience());
  other.join();
  for (const Status& status : world.connected) EXPECT_EQ(status.code(), Code::kRemote);
}

TEST_P(ProofTest, AnIntroductionThatIsCutOffOrOfAnotherVersionIsRefused) {
  World world = Make({Options(), Options()});
  const std::string name = world.ranks[0]->name();
  const std::string body(UnpackAddress(name, world.addresses[1], 1).value());
  const auto refusal = [&](const std::string& changed) {
    World fresh = Make({Options(), Options()});
    fresh.addresses[1] = PackAddress(name, changed);
    const Status status = fresh.ranks[0]->Connect(0, fresh.addresses, Patience());
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("rank 1"));
    return status.message();
  };
  EXPECT_THAT(refusal(body.substr(0, Introduction::kBytes - 1)), HasSubstr("cut off"));
  EXPECT_THAT(refusal('\2' + body.substr(1)), HasSubstr("version 2"));
}

TEST_P(ProofTest, FiguresOfPathsPassThrough) {
  const World world = Connected(2, Options());
  EXPECT_EQ(world.ranks[0]->PathTo(1).round_trip_seconds, 2);
}

TEST_P(ProofTest, NoFileAndNoThreadIsOpened) {
  const auto count = [](const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), {});
  };
  const auto files = count("/proc/self/fd");
  const auto threads = count("/proc/self/task");
  const World world = Connected(3, Options());
  EXPECT_EQ(count("/proc/self/fd"), files);
  EXPECT_EQ(count("/proc/self/task"), threads);
}

TEST_P(ProofTest, ASendLastsAsLongAsTheInnerOne) {
  ShapeOptions shape = UniformShape(2, {1e6, Duration(0)});
  shape.send_buffer = 0;
  const auto make = [&](int) {
    return MakeSealedTransport(
        MakeShapedTransport(MakeTransport("loopback", {}).value(), shape).value(), Options());
  };
  RunRanks(make, 2, [](Rank& self) {
    if (self.rank() == 1) return self.UntilArrived(1);
    Request request;
    const TimePoint start = Now();
    EXPECT_TRUE(self.transport().Send(1, Pattern(1, 20000), &request).ok());
    EXPECT_TRUE(request.pending());
    self.Until([&] { return !request.pending(); });
    EXPECT_GE(Now() - start, std::chrono::milliseconds(20));
    EXPECT_EQ(request.state, Request::State::kDone);
  });
}

// A peer written by hand, in clear: what it sends and when is the test's. Rank 0.
class Stranger {
 public:
  explicit Stranger(const std::string& address_of_1) : address_of_1_(address_of_1) {
    Introduction introduction;
    address_ = PackAddress("proven(loopback)", introduction.Pack() + transport_->Address().value());
  }
  const std::string& address() const { return address_; }
  void Connect() {
    const std::string_view body = UnpackAddress("proven(loopback)", address_of_1_, 1).value();
    const std::vector<std::string> addresses = {"", std::string(body.substr(Introduction::kBytes))};
    EXPECT_TRUE(transport_->Connect(0, addresses, Patience()).ok());
  }
  std::vector<std::byte> Proof(const Digest& secret, int from = 0, int to = 1) const {
    const Digest transcript = TranscriptOf({0, address_}, {1, address_of_1_});
    const Digest proof = ProofOf(secret, transcript, from, to);
    const auto mark = BytesOf("TWPROOF1");
    std::vector<std::byte> message(mark.begin(), mark.end());
    message.insert(message.end(), proof.begin(), proof.end());
    return message;
  }
  void Send(const std::vector<std::byte>& bytes) {
    Request request;
    EXPECT_TRUE(transport_->Send(1, bytes, &request).ok());
  }

 private:
  const std::string address_of_1_;
  const std::unique_ptr<Transport> transport_ = MakeTransport("loopback", {}).value();
  std::string address_;
};

// Rank 1 connects to a stranger that does `says`, after which `check` looks at rank 1.
void MeetStranger(const std::function<void(Stranger&)>& says, Duration patience,
                  const std::function<void(Status, Transport&)>& check) {
  auto own = MakeSealedTransport(MakeTransport("loopback", {}).value(), InClear()).value();
  const std::string address = own->Address().value();
  Stranger stranger(address);
  std::thread other([&] {
    stranger.Connect();
    says(stranger);
  });
  const std::vector<std::string> addresses = {stranger.address(), address};
  const Status status = own->Connect(1, addresses, Now() + patience);
  other.join();
  check(status, *own);
}

TEST(StrangerTest, NothingIsDeliveredOfWhoDoesNotProve) {
  MeetStranger([](Stranger& stranger) { stranger.Send(kContent); }, std::chrono::milliseconds(200),
               [](const Status& status, Transport& own) {
                 EXPECT_EQ(status.code(), Code::kTimeout);
                 EXPECT_THAT(status.message(), HasSubstr("rank 0"));
                 std::vector<Message> arrived;
                 own.Poll(&arrived);
                 EXPECT_TRUE(arrived.empty());
               });
}

TEST(StrangerTest, WhoSendsMuchBeforeItsProofIsRefused) {
  MeetStranger(
      [](Stranger& stranger) {
        for (int i = 0; i < 17; ++i) stranger.Send(std::vector<std::byte>(1 << 20));
      },
      std::chrono::seconds(60),
      [](const Status& status, Transport&) {
        EXPECT_EQ(status.code(), Code::kRemote);
        EXPECT_THAT(status.message(), HasSubstr("rank 0"));
      });
}

TEST(StrangerTest, MessagesThatOvertakeTheProofAreDeliveredAfterIt) {
  MeetStranger(
      [](Stranger& stranger) {
        stranger.Send(kContent);
        stranger.Send(stranger.Proof(Secret(1)));
      },
      std::chrono::seconds(60),
      [](const Status& status, Transport& own) {
        ASSERT_TRUE(status.ok()) << status.message();
        own.Wait(Patience());  // does not sleep
        std::vector<Message> arrived;
        EXPECT_TRUE(own.Poll(&arrived));
        ASSERT_EQ(arrived.size(), 1u);
        EXPECT_EQ(arrived[0].source(), 0);
        EXPECT_EQ(Text(arrived[0].bytes()), Text(kContent));
      });
}

TEST(StrangerTest, ProofsOfAnotherSecretOrDirectionAreRefused) {
  for (const bool reflected : {false, true}) {
    MeetStranger(
        [&](Stranger& stranger) {
          stranger.Send(reflected ? stranger.Proof(Secret(1), 1, 0) : stranger.Proof(Secret(2)));
        },
        std::chrono::seconds(60),
        [](const Status& status, Transport&) {
          EXPECT_EQ(status.code(), Code::kRemote);
          EXPECT_THAT(status.message(), HasSubstr("rank 0"));
        });
  }
}

TEST(StrangerTest, InClearMessagesPassAsTheyAre) {
  World world = Connected(2, InClear());
  EXPECT_TRUE(world.WireBytesOf(0, 1, kContent) == kContent);
}

// --- Sealed ---

class SealedTransportTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!CanSeal()) GTEST_SKIP() << "built without libsodium";
  }

  // Rank 1 is handed `bytes` as if rank 0 had sent them: they are refused, and all of rank 0's
  // after.
  static void ExpectRefused(World* world, const std::vector<std::byte>& bytes) {
    world->taps[1]->forged.emplace_back(0, bytes);
    const World::Outcome outcome = world->ReceivedBy(1, 0);
    EXPECT_TRUE(outcome.delivered.empty());
    EXPECT_EQ(outcome.status.code(), Code::kRemote);
    EXPECT_THAT(outcome.status.message(), AllOf(HasSubstr("rank 0"), HasSubstr("refused")));

    Request request;
    EXPECT_TRUE(world->ranks[0]->Send(1, kContent, &request).ok());
    EXPECT_TRUE(world->ReceivedBy(1, 0).delivered.empty());

    EXPECT_TRUE(world->ranks[1]->Send(0, kContent, &request).ok());  // it can be told
    EXPECT_EQ(world->ReceivedBy(0, 1).delivered.size(), 1u);
  }
};

TEST_F(SealedTransportTest, NothingOfAMessageIsSeenOnTheWire) {
  World world = Connected(2, Sealing());
  const std::vector<std::byte> wire = world.WireBytesOf(0, 1, std::vector<std::byte>(1000));
  EXPECT_EQ(wire.size(), 1000 + kSealBytes);
  EXPECT_LT(std::count(wire.begin(), wire.end(), std::byte{0}), 50);  // of random bytes: about 4
}

TEST_F(SealedTransportTest, CommunicatorsWithOneSecretHaveKeysOfTheirOwn) {
  World one = Connected(2, Sealing());
  World other = Connected(2, Sealing());
  const auto sent = one.WireBytesOf(0, 1, kContent);
  EXPECT_FALSE(sent == other.WireBytesOf(0, 1, kContent));
  EXPECT_FALSE(sent == one.WireBytesOf(1, 0, kContent));
  ExpectRefused(&other, one.WireBytesOf(0, 1, kContent));
}

TEST_F(SealedTransportTest, AnAlteredMessageFailsItsPeer) {
  for (const size_t byte : {size_t{0}, size_t{500}, size_t{999}, size_t{1000}, size_t{1016}}) {
    World world = Connected(2, Sealing());
    auto altered = world.WireBytesOf(0, 1, kContent);
    altered[byte] ^= std::byte{4};
    ExpectRefused(&world, altered);
  }
}

TEST_F(SealedTransportTest, ATruncatedMessageFailsItsPeer) {
  for (const size_t size : {0, 5, 24, 1000, 1023}) {
    World world = Connected(2, Sealing());
    auto cut = world.WireBytesOf(0, 1, kContent);
    cut.resize(size);
    ExpectRefused(&world, cut);
  }
}

TEST_F(SealedTransportTest, AReplayFailsItsPeerHoweverLate) {
  World world = Connected(2, Sealing());
  const auto first = world.WireBytesOf(0, 1, kContent);
  for (int i = 0; i < 100; ++i) world.WireBytesOf(0, 1, kContent);
  ExpectRefused(&world, first);
}

TEST_F(SealedTransportTest, AMessageOfAnotherPairFailsThePeerItIsSaidToBeFrom) {
  World world = Connected(3, Sealing());
  ExpectRefused(&world, world.WireBytesOf(0, 2, kContent));
}

TEST_F(SealedTransportTest, AMessageThatIsSentBackFailsItsPeer) {
  World world = Connected(2, Sealing());
  ExpectRefused(&world, world.WireBytesOf(1, 0, kContent));
}

TEST_F(SealedTransportTest, AMessageInClearFailsItsPeer) {
  World world = Connected(2, Sealing());
  ExpectRefused(&world, kContent);
}

TEST_F(SealedTransportTest, ARefusalLeavesTheOtherPeersAlone) {
  World world = Connected(3, Sealing());
  ExpectRefused(&world, kContent);
  world.WireBytesOf(2, 1, kContent);
  world.WireBytesOf(1, 2, kContent);
  EXPECT_TRUE(world.ranks[1]->PeerStatus(2).ok());
}

TEST_F(SealedTransportTest, WhatCameBeforeARefusedMessageIsDelivered) {
  World world = Connected(2, Sealing());
  Request request;
  EXPECT_TRUE(world.ranks[0]->Send(1, kContent, &request).ok());
  world.taps[1]->forged.emplace_back(0, kContent);
  const World::Outcome outcome = world.ReceivedBy(1, 0);
  ASSERT_EQ(outcome.delivered.size(), 1u);
  EXPECT_EQ(Text(outcome.delivered[0].bytes()), Text(kContent));
  EXPECT_EQ(outcome.status.code(), Code::kRemote);
}

TEST_F(SealedTransportTest, RanksThatDontSealAndRanksThatDoRefuseEachOther) {
  World world = Make({Sealing(), InClear()});
  Connect(&world);
  for (const int rank : {0, 1}) {
    const Status& status = world.connected[static_cast<size_t>(rank)];
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(fmt::format("rank {}", 1 - rank)), HasSubstr("THINWIRE_ENCRYPT")));
  }
}

TEST_F(SealedTransportTest, PairsTakeACipherThatBothHave) {
  const CipherSet chacha = Only(CipherId::kChaCha20Poly1305);
  World world = Make({Sealing(chacha), Sealing()});
  Connect(&world);
  for (const Status& status : world.connected) ASSERT_TRUE(status.ok()) << status.message();
  world.WireBytesOf(0, 1, kContent);
  world.WireBytesOf(1, 0, kContent);
}

TEST_F(SealedTransportTest, RanksWithoutACipherInCommonRefuseEachOther) {
  World world = Make({Sealing(0), Sealing()});
  Connect(&world);
  EXPECT_THAT(world.connected[0].message(), AllOf(HasSubstr("rank 1"), HasSubstr("cipher")));
  EXPECT_THAT(world.connected[1].message(), AllOf(HasSubstr("rank 0"), HasSubstr("cipher")));
}

TEST_F(SealedTransportTest, CiphersThatWereStruckOutOnTheWayAreNoticed) {
  World world = Make({Sealing(), Sealing()});
  const std::string name = world.ranks[0]->name();
  std::string body(UnpackAddress(name, world.addresses[1], 1).value());
  if (body[1] != static_cast<char>(kAllCiphers)) GTEST_SKIP() << "one cipher only";
  body[1] = static_cast<char>(Only(CipherId::kChaCha20Poly1305));
  const std::vector<std::string> seen_by_0 = {world.addresses[0], PackAddress(name, body)};
  std::thread other(
      [&] { world.connected[1] = world.ranks[1]->Connect(1, world.addresses, Patience()); });
  world.connected[0] = world.ranks[0]->Connect(0, seen_by_0, Patience());
  other.join();
  for (const Status& status : world.connected) EXPECT_EQ(status.code(), Code::kRemote);
}

TEST_F(SealedTransportTest, APublicKeyThatDecidesTheResultIsRefused) {
  World world = Make({Sealing(), Sealing()});
  const std::string name = world.ranks[0]->name();
  std::string body(UnpackAddress(name, world.addresses[1], 1).value());
  std::fill_n(body.begin() + 40, 32, '\0');
  world.addresses[1] = PackAddress(name, body);
  const Status status = world.ranks[0]->Connect(0, world.addresses, Patience());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("rank 1"));
}

TEST(SealedTransportBuildTest, ABuildWithoutCiphersSaysSo) {
  if (CanSeal()) GTEST_SKIP() << "this build has them";
  const auto made = MakeSealedTransport(MakeTransport("loopback", {}).value(), Sealing());
  EXPECT_EQ(made.status().code(), Code::kInvalidUsage);
  EXPECT_THAT(made.status().message(),
              AllOf(HasSubstr("THINWIRE_ENCRYPT"), HasSubstr("libsodium")));
}

// The faults of a bad day, by chance, on the way to rank 1: what it is given was sent, and each
// once.
TEST_F(SealedTransportTest, NoFaultGetsThrough) {
  for (const Fault fault : {Fault::kCorrupt, Fault::kTruncate, Fault::kDuplicate}) {
    std::vector<FaultyTransport*> faulty;
    const auto make = [&](int) {
      auto inner = std::make_unique<FaultyTransport>(MakeTransport("loopback", {}).value(),
                                                     FaultOptions{.shuffle = Duration(200000)});
      faulty.push_back(inner.get());
      return MakeSealedTransport(std::move(inner), Sealing());
    };
    RunRanks(make, 2, [&](Rank& self) {
      if (self.rank() == 0) {
        self.UntilArrived(1);  // rank 1 has set its trap
        for (size_t i = 0; i < 1000; ++i) {
          if (!self.SendAndWait(1, Pattern(i, 500)).ok()) return;  // rank 1 has had enough
        }
        return;
      }
      faulty[1]->Inject(fault);
      ASSERT_TRUE(self.SendAndWait(0, kContent).ok());
      const Status status = self.UntilPeerFails(0);
      EXPECT_THAT(status.message(), AllOf(HasSubstr("rank 0"), HasSubstr("refused")));
      std::vector<Parcel> sent;
      for (size_t i = 0; i < 1000; ++i) sent.push_back(ParcelOf(0, Pattern(i, 500)));
      std::sort(sent.begin(), sent.end());
      const std::vector<Parcel> given = Parcels(self.arrived);
      EXPECT_TRUE(std::includes(sent.begin(), sent.end(), given.begin(), given.end()));
    });
  }
}

}  // namespace
}  // namespace thinwire
