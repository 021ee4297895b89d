// SPDX-License-Identifier: Apache-2.0
//
// Collectives whose messages are sealed: the same results, and whoever interferes changes none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <cstdlib>

#include "support/c_member.h"
#include "support/collective_suite.h"
#include "support/elements.h"
#include "support/engine_member.h"
#include "support/rank_process.h"
#include "transport/sealed_transport.h"

namespace thinwire {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

// THINWIRE_ENCRYPT while it lives.
class Encryption {
 public:
  explicit Encryption(const char* value) { setenv("THINWIRE_ENCRYPT", value, 1); }
  ~Encryption() { unsetenv("THINWIRE_ENCRYPT"); }
};

RunMembers SealedMembersOf(const Settings& settings) {
  return [run = MembersOf(settings)](int ranks, const std::function<void(Member&)>& body) {
    const Encryption encryption("1");
    run(ranks, body);
  };
}

std::vector<SuiteParam> Stacks() {
#if THINWIRE_HAVE_UCX
  return {{"Ucx", SealedMembersOf(Over("ucx")), false}};
#else
  return {{"Loopback", SealedMembersOf(Over("loopback")), false}};
#endif
}

INSTANTIATE_TEST_SUITE_P(Sealed, CollectiveSuite, testing::ValuesIn(Stacks()), NameOfParam);

TEST(SealedProcessTest, RanksThatSealAndRanksThatDontRefuseEachOtherByName) {
  const int port = PortForRanks();
  std::vector<std::unique_ptr<RankProcess>> ranks;
  for (const int rank : {0, 1}) {
    const Encryption encryption(rank == 0 ? "0" : "1");
    ranks.push_back(std::make_unique<RankProcess>(
        RankProcess::Command{THINWIRE_RANK_PROGRAM, {"exit"}}, rank, 2, port));
  }
  for (const size_t rank : {size_t{0}, size_t{1}}) {
    EXPECT_THAT(ranks[rank]->Line(),
                AllOf(HasSubstr(fmt::format("rank {}", 1 - rank)), HasSubstr("THINWIRE_ENCRYPT")));
    EXPECT_EQ(ranks[rank]->Wait(), 3);
  }
}

// Runs all-reduces until one fails; every one that succeeds must be right.
Status RunUntilFailure(EngineMember& member) {
  Op op;
  op.count = 10'000;
  const auto elements = [&](auto value) { return Elements(DataType::kFloat32, op.count, value); };
  const Bytes input = elements([&](size_t i) {
    return ContributionOf(DataType::kFloat32, Reduction::kSum, member.rank(), i);
  });
  const Bytes expected = elements(
      [&](size_t i) { return ReducedOf(DataType::kFloat32, Reduction::kSum, member.ranks(), i); });
  for (const TimePoint patience = Patience(); Now() < patience;) {
    Bytes output(input.size());
    TW_TRY(member.Run(op, input.data(), output.data()));
    EXPECT_EQ(output, expected);
  }
  return {};
}

class SealedFaultTest : public testing::TestWithParam<Fault> {};

std::string NameOfFault(const testing::TestParamInfo<Fault>& info) {
  return info.param == Fault::kCorrupt ? "Flipped"
                                       : (info.param == Fault::kTruncate ? "CutShort" : "Doubled");
}

INSTANTIATE_TEST_SUITE_P(Messages, SealedFaultTest,
                         testing::Values(Fault::kCorrupt, Fault::kTruncate, Fault::kDuplicate),
                         NameOfFault);

TEST_P(SealedFaultTest, FailsEveryRankNamingOneAndCorruptsNoResult) {
  std::vector<FaultyTransport*> wires;
  EngineStack stack;
  stack.transport = [&](int) {
    auto wire =
        std::make_unique<FaultyTransport>(MakeTransport("loopback", {}).value(), FaultOptions{});
    wires.push_back(wire.get());
    return MakeSealedTransport(std::move(wire), {.encrypt = true});
  };
  std::barrier all_began(3);
  RunEngines(stack, 3, [&](EngineMember& member) {
    std::vector<float> values(100);
    Op op;
    op.count = values.size();
    EXPECT_TRUE(member.Run(op, values.data(), values.data()).ok());
    all_began.arrive_and_wait();  // no rank may fail before the others have got through
    if (member.rank() == 1) wires[1]->Inject(GetParam());
    const Status status = RunUntilFailure(member);
    EXPECT_EQ(status.code(), Code::kRemote);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("a sealed message from rank"),
                                        AnyOf(HasSubstr("altered"), HasSubstr("cut short"),
                                              HasSubstr("came before"), HasSubstr("range"))));
  });
}

}  // namespace
}  // namespace thinwire
