// SPDX-License-Identifier: Apache-2.0
#include "transport/transport_suite.h"

namespace thinwire {
namespace {

Result<std::unique_ptr<Transport>> MakeLoopback(int) { return MakeTransport("loopback", {}); }

INSTANTIATE_TEST_SUITE_P(Loopback, TransportSuite,
                         testing::Values(TransportCase{"plain", MakeLoopback}), CaseName);

TEST(LoopbackTransportTest, RanksOfAnotherProcessAreRefused) {
  Made made = MakeRanks(MakeLoopback, 2);
  made.addresses[1] = PackAddress("loopback", "12-00000000deadbeef/1");
  const Status status = made.transports[0]->Connect(0, made.addresses, Patience());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("rank 1 is in another process"));
}

TEST(LoopbackTransportTest, ARankThatIsGoneBeforeConnectIsNamed) {
  Made made = MakeRanks(MakeLoopback, 2);
  made.transports[1].reset();
  const Status status = made.transports[0]->Connect(0, made.addresses, Patience());
  EXPECT_EQ(status.code(), Code::kRemote);
  EXPECT_THAT(status.message(), testing::HasSubstr("rank 1"));
}

TEST(TransportNamesTest, UnknownNameListsTheKnownOnes) {
  const Status status = MakeTransport("pigeon", {}).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  for (const std::string_view name : TransportNames()) {
    EXPECT_THAT(status.message(), testing::HasSubstr(std::string(name)));
    const auto made = MakeTransport(name, {});
    ASSERT_TRUE(made.ok()) << made.status().message();
    EXPECT_EQ(made.value()->name(), name);
  }
}

}  // namespace
}  // namespace thinwire
