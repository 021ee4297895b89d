// SPDX-License-Identifier: Apache-2.0
//
// Times are checked from below only: the model says how long the wire takes, the machine may add.
#include "transport/shaped_transport.h"

#include "transport/shaped_ranks.h"
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

constexpr Duration kDelay = std::chrono::milliseconds(20);

INSTANTIATE_TEST_SUITE_P(
    Shaped, TransportSuite,
    testing::Values(TransportCase{"infinite", Shaped(0, Duration(0))},
                    TransportCase{"gigabits", Shaped(8e3 * kMbit, std::chrono::milliseconds(1))}),
    CaseName);

Duration WireTime(const ShapeOptions& options, size_t bytes, double rate) {
  return FromSeconds(static_cast<double>(WireBytes(options, bytes)) / rate);
}

TEST(ShapedTransportTest, WireBytesCountTheHeadersOfEachPacket) {
  const ShapeOptions options = UniformShape(2, {});
  EXPECT_EQ(WireBytes(options, 0), 52u);
  EXPECT_EQ(WireBytes(options, 1), 53u);
  EXPECT_EQ(WireBytes(options, 1448), 1500u);
  EXPECT_EQ(WireBytes(options, 1449), 1449u + 2 * 52);
}

TEST(ShapedTransportTest, AMessageTakesDelayAndSerialisation) {
  const double rate = 200 * kMbit;
  for (const size_t size : {size_t{8}, size_t{1} << 20}) {
    TimePoint start;
    RunRanks(Shaped(rate, kDelay), 2, [&](Rank& self) {
      if (self.rank() == 0) {
        start = Now();
        EXPECT_TRUE(self.SendAndWait(1, Pattern(1, size)).ok());
      } else {
        self.UntilArrived(1);
        EXPECT_GE(Now() - start, kDelay + WireTime(UniformShape(2, {}), size, rate));
      }
    });
  }
}

TEST(ShapedTransportTest, TheUplinkIsSharedByAllPeers) {
  const double rate = 200 * kMbit;
  const size_t size = 512 << 10;
  TimePoint start;
  std::array<TimePoint, 3> arrival;
  RunRanks(Shaped(rate, kDelay), 3, [&](Rank& self) {
    if (self.rank() == 0) {
      const std::vector<std::byte> content = Pattern(1, size);
      start = Now();
      EXPECT_TRUE(self.SendAndWait(1, content).ok());
      EXPECT_TRUE(self.SendAndWait(2, content).ok());
    } else {
      self.UntilArrived(1);
      arrival[static_cast<size_t>(self.rank())] = Now();
    }
  });
  const Duration one = WireTime(UniformShape(3, {}), size, rate);
  EXPECT_GE(arrival[1] - start, kDelay + one);
  EXPECT_GE(arrival[2] - start, kDelay + 2 * one);
}

TEST(ShapedTransportTest, TheDownlinkIsSharedByAllPeers) {
  const double rate = 200 * kMbit;
  const size_t size = 512 << 10;
  const TimePoint start = Now();
  RunRanks(Shaped(rate, kDelay), 4, [&](Rank& self) {
    if (self.rank() != 0) {
      EXPECT_TRUE(self.SendAndWait(0, Pattern(1, size)).ok());
    } else {
      self.UntilArrived(3);
      EXPECT_GE(Now() - start, kDelay + 3 * WireTime(UniformShape(4, {}), size, rate));
    }
  });
}

TEST(ShapedTransportTest, EachOrderedPairHasItsOwnDelay) {
  ShapeOptions options = UniformShape(2, {});
  options.links[0 * 2 + 1].delay = std::chrono::milliseconds(40);
  options.links[1 * 2 + 0].delay = std::chrono::milliseconds(80);
  const TimePoint start = Now();
  RunRanks([&](int) { return MakeShapedLoopback(options); }, 2,
           [&](Rank& self) {
             EXPECT_TRUE(self.SendAndWait(1 - self.rank(), Pattern(1, 10)).ok());
             self.UntilArrived(1);
             EXPECT_GE(Now() - start, std::chrono::milliseconds(self.rank() == 1 ? 40 : 80));
           });
}

TEST(ShapedTransportTest, ASlowPairHasItsOwnRateBesideAFastOne) {
  ShapeOptions options = UniformShape(3, {1000 * kMbit, Duration(0)});
  options.links[0 * 3 + 1].bytes_per_second = 20 * kMbit;
  const size_t size = 256 << 10;
  const TimePoint start = Now();
  RunRanks([&](int) { return MakeShapedLoopback(options); }, 3,
           [&](Rank& self) {
             if (self.rank() == 0) {
               EXPECT_TRUE(self.SendAndWait(1, Pattern(1, size)).ok());
               EXPECT_TRUE(self.SendAndWait(2, Pattern(1, size)).ok());
             } else {
               self.UntilArrived(1);
               const double rate = self.rank() == 1 ? 20 * kMbit : 1000 * kMbit;
               EXPECT_GE(Now() - start, WireTime(options, size, rate));
             }
           });
}

TEST(ShapedTransportTest, ASendIsPendingUntilItFitsTheSendBuffer) {
  ShapeOptions options = UniformShape(2, {200 * kMbit, kDelay});
  options.send_buffer = 64 << 10;
  const size_t size = 1 << 20;
  RunRanks([&](int) { return MakeShapedLoopback(options); }, 2,
           [&](Rank& self) {
             if (self.rank() == 1) return self.UntilArrived(2);
             const std::vector<std::byte> large = Pattern(1, size);
             const std::vector<std::byte> small = Pattern(1, 100);
             const TimePoint start = Now();
             Request first, second;
             EXPECT_TRUE(self.transport().Send(1, large, &first).ok());
             EXPECT_TRUE(self.transport().Send(1, small, &second).ok());
             EXPECT_TRUE(first.pending() && second.pending());
             self.Until([&] { return !first.pending() && !second.pending(); });
             EXPECT_GE(Now() - start,
                       WireTime(options, size, 200 * kMbit) -
                           FromSeconds(static_cast<double>(options.send_buffer) / (200 * kMbit)));
           });
}

TEST(ShapedTransportTest, AShapeOfAnotherSizeIsRefused) {
  ShapeOptions options = UniformShape(2, {});
  Made made = MakeRanks([&](int) { return MakeShapedLoopback(options); }, 3);
  EXPECT_EQ(made.transports[0]->Connect(0, made.addresses, Patience()).code(),
            Code::kInvalidArgument);
  options.links.pop_back();
  EXPECT_EQ(MakeShapedLoopback(options).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(MakeShapedLoopback(UniformShape(0, {})).status().code(), Code::kInvalidArgument);
}

TEST(ShapedTransportTest, APlainRankIsRefusedByAShapedOne) {
  Made made = MakeRanks(Shaped(0, kDelay), 2);
  Made plain = MakeRanks([](int) { return MakeTransport("loopback", {}); }, 1);
  made.addresses[1] = plain.addresses[0];
  const Status status = made.transports[0]->Connect(0, made.addresses, Patience());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("shaped(loopback)"));
}

}  // namespace
}  // namespace thinwire
