// SPDX-License-Identifier: Apache-2.0
//
// What every transport promises, written once; each implementation's test instantiates it with
// INSTANTIATE_TEST_SUITE_P(<Name>, TransportSuite, testing::Values(...), CaseName).

#ifndef THINWIRE_TESTS_TRANSPORT_TRANSPORT_SUITE_H_
#define THINWIRE_TESTS_TRANSPORT_TRANSPORT_SUITE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "transport/address.h"
#include "transport/ranks.h"

namespace thinwire {

struct TransportCase {
  std::string name;  // letters and digits
  MakeForRanks make;
};

inline std::string CaseName(const testing::TestParamInfo<TransportCase>& info) {
  return info.param.name;
}

class TransportSuite : public testing::TestWithParam<TransportCase> {
 protected:
  void Run(int ranks, const std::function<void(Rank&)>& body) const {
    RunRanks(GetParam().make, ranks, body);
  }
};

inline const std::vector<size_t> kSizes = {0, 1, 63, 64 << 10, (256 << 10) + 1, 4 << 20};

// The content that `source` sends to `target` as its message `index`.
inline std::vector<std::byte> Content(int source, int target, size_t index, size_t size) {
  return Pattern(static_cast<uint64_t>(source * 1000 + target) * 100000 + index, size);
}

// Messages without their order: source, size, and a hash of the content.
using Parcel = std::tuple<int, size_t, size_t>;
inline Parcel ParcelOf(int source, std::span<const std::byte> bytes) {
  return {source, bytes.size(), std::hash<std::string_view>()(Text(bytes))};
}
inline std::vector<Parcel> ParcelsFrom(int source, const std::vector<Message>& messages) {
  std::vector<Parcel> parcels;
  for (const Message& m : messages) {
    if (m.source() == source) parcels.push_back(ParcelOf(source, m.bytes()));
  }
  return parcels;
}
inline std::vector<Parcel> Parcels(const std::vector<Message>& messages) {
  std::vector<Parcel> parcels;
  for (const Message& m : messages) parcels.push_back(ParcelOf(m.source(), m.bytes()));
  std::sort(parcels.begin(), parcels.end());
  return parcels;
}

// Sends every other rank one message of each size, all at once, and checks what comes in.
inline void ExchangeWithAll(Rank& self, const std::vector<size_t>& sizes) {
  std::vector<std::vector<std::byte>> contents;
  std::vector<Parcel> expected;
  std::vector<Request> requests(static_cast<size_t>(self.ranks()) * sizes.size());
  size_t next = 0;
  for (int step = 1; step < self.ranks(); ++step) {
    const int peer = (self.rank() + step) % self.ranks();
    for (size_t i = 0; i < sizes.size(); ++i) {
      contents.push_back(Content(self.rank(), peer, i, sizes[i]));
      expected.push_back(ParcelOf(peer, Content(peer, self.rank(), i, sizes[i])));
      const Status sent = self.transport().Send(peer, contents.back(), &requests[next++]);
      ASSERT_TRUE(sent.ok()) << sent.message();
    }
  }
  self.Until([&] {
    return self.arrived.size() >= expected.size() &&
           std::none_of(requests.begin(), requests.end(), [](auto& r) { return r.pending(); });
  });
  std::sort(expected.begin(), expected.end());
  EXPECT_TRUE(Parcels(self.arrived) == expected) << "rank " << self.rank();
  for (size_t i = 0; i < next; ++i) EXPECT_EQ(requests[i].state, Request::State::kDone);
}

TEST_P(TransportSuite, EveryPairExchangesEverySize) {
  for (int ranks = 2; ranks <= 5; ++ranks) {
    Run(ranks, [](Rank& self) { ExchangeWithAll(self, kSizes); });
  }
}

TEST_P(TransportSuite, OneRankConnectsToNobody) {
  Run(1, [](Rank& self) { EXPECT_TRUE(self.transport().PeerStatus(0).ok()); });
}

TEST_P(TransportSuite, HundredsInFlightBothWaysArriveWhole) {
  std::vector<size_t> sizes;
  for (size_t i = 0; i < 400; ++i) sizes.push_back(i * i % 40009);
  Run(2, [&](Rank& self) { ExchangeWithAll(self, sizes); });
}

TEST_P(TransportSuite, WaitEndsWhenAMessageArrives) {
  Run(2, [](Rank& self) {
    if (self.rank() == 0) {
      self.UntilArrived(1);  // sleeps in Wait; hangs to the deadline if the arrival doesn't wake it
      EXPECT_EQ(Text(self.arrived[0].bytes()), Text(Pattern(7, 100)));
      EXPECT_EQ(self.arrived[0].source(), 1);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      EXPECT_TRUE(self.SendAndWait(0, Pattern(7, 100)).ok());
    }
  });
}

TEST_P(TransportSuite, WakeEndsWaitAndIsNotLostBeforeIt) {
  Run(2, [](Rank& self) {
    const TimePoint deadline = Patience();
    for (int i = 0; i < 20; ++i) {  // a Wait may also end early for no reason: repeat
      self.transport().Wake();
      self.transport().Wait(deadline);
    }
    std::atomic<bool> woken = false;
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      woken = true;
      self.transport().Wake();
    });
    self.Until([&] { return woken.load(); });
    other.join();
    EXPECT_LT(Now(), deadline);
  });
}

TEST_P(TransportSuite, WaitEndsAtItsDeadline) {
  Run(2, [](Rank& self) {
    const TimePoint deadline = Now() + std::chrono::milliseconds(20);
    while (Now() < deadline) self.transport().Wait(deadline);
    self.transport().Wait(deadline);  // in the past
    self.transport().Wait(TimePoint::min());
    EXPECT_TRUE(self.arrived.empty());
  });
}

TEST_P(TransportSuite, MessagesKeepTheirBytes) {
  for (const size_t size : {size_t{100}, size_t{100000}}) {
    Run(2, [size](Rank& self) {
      const int peer = 1 - self.rank();
      std::vector<std::byte> content = Content(self.rank(), peer, 0, size);
      ASSERT_TRUE(self.SendAndWait(peer, content).ok());
      std::fill(content.begin(), content.end(), std::byte{0xff});  // ours again
      std::vector<Parcel> expected = {ParcelOf(peer, Content(peer, self.rank(), 0, size))};
      for (size_t i = 1; i <= 50; ++i) {
        EXPECT_TRUE(self.SendAndWait(peer, Content(self.rank(), peer, i, size)).ok());
        expected.push_back(ParcelOf(peer, Content(peer, self.rank(), i, size)));
      }
      self.UntilArrived(51);
      std::sort(expected.begin(), expected.end());
      EXPECT_TRUE(Parcels(self.arrived) == expected);
      self.arrived[0].bytes()[0] = std::byte{42};  // writable
      EXPECT_EQ(self.arrived[0].bytes()[0], std::byte{42});
    });
  }
}

TEST_P(TransportSuite, CloseDeliversWhatWasSentAndPeersAreTold) {
  Run(3, [](Rank& self) {
    const std::vector<std::byte> content = Pattern(3, 1 << 20);
    if (self.rank() == 2) {
      std::vector<Request> requests(8);
      for (Request& request : requests) {
        EXPECT_TRUE(self.transport().Send(0, content, &request).ok());
      }
      self.Close();
      return;
    }
    const Status status = self.UntilPeerFails(2);
    EXPECT_EQ(status.code(), Code::kRemote);
    EXPECT_THAT(status.message(), testing::HasSubstr("rank 2"));
    const std::vector<Parcel> expected(self.rank() == 0 ? 8 : 0, ParcelOf(2, content));
    EXPECT_TRUE(ParcelsFrom(2, self.arrived) == expected);

    Request request;
    EXPECT_EQ(self.transport().Send(2, content, &request).code(), Code::kRemote);
    EXPECT_FALSE(request.pending());
    const int other = 1 - self.rank();  // the others go on
    EXPECT_TRUE(self.SendAndWait(other, content).ok());
    self.Until([&] { return !ParcelsFrom(other, self.arrived).empty(); });
  });
}

TEST_P(TransportSuite, PeersAreToldOfADestroyedTransport) {
  Made made = MakeRanks(GetParam().make, 2);
  ASSERT_EQ(made.transports.size(), 2u);
  std::thread gone([&] {
    const std::unique_ptr<Transport> transport = std::move(made.transports[1]);
    EXPECT_TRUE(transport->Connect(1, made.addresses, Patience()).ok());
  });
  ASSERT_TRUE(made.transports[0]->Connect(0, made.addresses, Patience()).ok());
  Rank self(0, 2, made.transports[0].get());
  EXPECT_EQ(self.UntilPeerFails(1).code(), Code::kRemote);
  gone.join();
}

TEST_P(TransportSuite, SendsToAPeerThatGoesComeToAnEnd) {
  Made made = MakeRanks(GetParam().make, 2);
  ASSERT_EQ(made.transports.size(), 2u);
  std::atomic<bool> sent = false;
  std::thread gone([&] {
    const std::unique_ptr<Transport> transport = std::move(made.transports[1]);
    EXPECT_TRUE(transport->Connect(1, made.addresses, Patience()).ok());
    while (!sent) std::this_thread::yield();  // receives nothing of it, then goes
  });
  Status connected = made.transports[0]->Connect(0, made.addresses, Patience());
  ASSERT_TRUE(connected.ok()) << connected.message();
  const std::vector<std::byte> content = Pattern(5, 4 << 20);
  std::vector<Request> requests(16);
  for (Request& request : requests) {
    EXPECT_TRUE(made.transports[0]->Send(1, content, &request).ok());
  }
  sent = true;
  gone.join();
  Rank self(0, 2, made.transports[0].get());
  self.Until([&] {
    return std::none_of(requests.begin(), requests.end(), [](auto& r) { return r.pending(); });
  });
  EXPECT_EQ(self.UntilPeerFails(1).code(), Code::kRemote);
}

TEST_P(TransportSuite, ConnectTimesOutNamingTheMissingRank) {
  Made made = MakeRanks(GetParam().make, 2);
  ASSERT_EQ(made.transports.size(), 2u);
  const Status status =
      made.transports[0]->Connect(0, made.addresses, Now() + std::chrono::milliseconds(200));
  EXPECT_EQ(status.code(), Code::kTimeout);
  EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
}

TEST_P(TransportSuite, RefusesAnotherTransportsAddressByName) {
  Made made = MakeRanks(GetParam().make, 2);
  ASSERT_EQ(made.transports.size(), 2u);
  made.addresses[1] = PackAddress("pigeon", "third window");
  const Status status = made.transports[0]->Connect(0, made.addresses, Patience());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
  EXPECT_THAT(status.message(), testing::HasSubstr("pigeon"));
  EXPECT_THAT(status.message(), testing::HasSubstr(made.transports[0]->name()));
}

TEST_P(TransportSuite, RefusesADamagedAddress) {
  const auto refused = [this](const std::function<void(std::string*)>& damage) {
    Made made = MakeRanks(GetParam().make, 2);
    damage(&made.addresses[1]);
    const Status status = made.transports[0]->Connect(0, made.addresses, Patience());
    return status.code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](std::string* a) { a->back() = static_cast<char>(a->back() + 1); }));
  EXPECT_TRUE(refused([](std::string* a) { a->pop_back(); }));
  EXPECT_TRUE(refused([](std::string* a) { a->resize(a->find(' ') + 5); }));
  EXPECT_TRUE(refused([](std::string* a) { a->clear(); }));
}

TEST_P(TransportSuite, RefusesRanksThatAreNoPeers) {
  Run(2, [](Rank& self) {
    const std::vector<std::byte> content = Pattern(1, 10);
    for (const int peer : {-1, 2, self.rank()}) {
      Request request;
      EXPECT_EQ(self.transport().Send(peer, content, &request).code(), Code::kInvalidArgument);
      EXPECT_FALSE(request.pending());
    }
    EXPECT_EQ(self.transport().PeerStatus(2).code(), Code::kInvalidArgument);
  });
  Made made = MakeRanks(GetParam().make, 2);
  EXPECT_EQ(made.transports[0]->Connect(2, made.addresses, Patience()).code(),
            Code::kInvalidArgument);
}

TEST_P(TransportSuite, GroupsOfOneProcessDontMix) {
  std::thread other([this] {
    Run(3, [](Rank& self) { ExchangeWithAll(self, {1, 1000, 100000}); });
  });
  Run(2, [](Rank& self) { ExchangeWithAll(self, {2, 2000, 200000}); });
  other.join();
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_TRANSPORT_TRANSPORT_SUITE_H_
