// SPDX-License-Identifier: Apache-2.0
#include "collective/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "collective/planner.h"
#include "symbolic_world.h"
#include "wire/frame.h"

namespace thinwire {
namespace {

constexpr size_t kSegmentBytes = size_t{128} << 10;

// All ranks' plans, cut into segments of `segment_elements`.
std::vector<Plan> PlansOf(const PlanRequest& request, Algorithm algorithm, size_t segment_elements,
                          const LinkModel& links) {
  Planner planner(links, CostModel{}, kSegmentBytes);
  std::vector<Plan> plans;
  for (int rank = 0; rank < request.ranks; ++rank) {
    const auto plan = planner.PlanFor(request, algorithm, rank);
    EXPECT_TRUE(plan.ok()) << plan.status().message();
    plans.push_back(*plan.value());
    plans.back().segment_elements = segment_elements;
  }
  return plans;
}

std::vector<Plan> PlansOf(const PlanRequest& request, Algorithm algorithm,
                          size_t segment_elements) {
  return PlansOf(request, algorithm, segment_elements, LinkModel(request.ranks));
}

// Three sites of different size, whose ranks are mixed, and hosts of different rates.
LinkModel UnevenLinks(int ranks) {
  LinkModel links(ranks);
  const auto site = [](int rank) { return rank * rank % 7 % 3; };
  for (int a = 0; a < ranks; ++a) {
    for (int b = 0; b < ranks; ++b) {
      const double rate = 1e8 / (1 + std::max(a, b) % 5);
      links.at(a, b) = {rate, site(a) == site(b) ? 1e-3 : 50e-3, 0};
    }
  }
  return links;
}

std::vector<size_t> Counts(int ranks) {
  const auto n = static_cast<size_t>(ranks);
  const std::set<size_t> counts = {0, 1, 2, n - 1, n, n + 1, 1000, 4097};
  return {counts.begin(), counts.end()};
}

std::vector<int> InOrder(int ranks) {
  std::vector<int> order;
  for (int rank = 0; rank < ranks; ++rank) order.push_back(rank);
  return order;
}

// ---- What holds of the steps alone ----

void CheckSlots(const Plan& plan) {
  std::vector<int> written(plan.slots.size(), 0);
  std::vector<int> read(plan.slots.size(), 0);
  std::vector<std::set<uint16_t>> messages(plan.slots.size());
  for (const Step& step : plan.steps) {
    switch (step.verb) {
      case Verb::kEncode:
      case Verb::kReceive:
        ++written[step.slot];
        break;
      case Verb::kSend:
        messages[step.slot].insert(step.message);
        ++read[step.slot];
        break;
      case Verb::kDecode:
        ++read[step.slot];
        break;
      case Verb::kReduce:
        if (step.slot != kNoSlot) ++written[step.slot];
        for (const SlotId term : step.terms) {
          if (term != kOwnInput) ++read[term];
        }
        break;
      case Verb::kCopy:
        break;
    }
  }
  for (SlotId slot = 0; slot < plan.slots.size(); ++slot) {
    EXPECT_EQ(written[slot], 1) << "slot " << slot;
    EXPECT_GE(read[slot], 1) << "slot " << slot;
    EXPECT_LE(messages[slot].size(), 1u) << "slot " << slot << " goes out under several numbers";
  }
}

using Ends = std::map<std::tuple<int, int, uint16_t>, std::pair<size_t, size_t>>;

// Every message has one sender and one receiver, which agree on its length.
void CheckMessages(const std::vector<Plan>& plans) {
  Ends sent;
  Ends received;
  for (const Plan& plan : plans) {
    EXPECT_EQ(plan.segment_elements, plans.front().segment_elements);
    for (const Step& step : plan.steps) {
      const bool sends = step.verb == Verb::kSend;
      if (!sends && step.verb != Verb::kReceive) continue;
      const std::tuple key = sends ? std::tuple(plan.rank, step.peer, step.message)
                                   : std::tuple(step.peer, plan.rank, step.message);
      const bool fresh =
          (sends ? sent : received).insert({key, {step.count, plan.segments(step)}}).second;
      EXPECT_TRUE(fresh) << "rank " << plan.rank << " uses message " << step.message << " twice";
    }
  }
  EXPECT_EQ(sent, received);
}

// ---- What the operations mean ----

// What output element `element` of `rank` must hold, but for the order.
struct Expected {
  size_t element;
  std::vector<int> ranks;
};
Expected ExpectedAt(const PlanRequest& request, int rank, size_t element) {
  switch (request.operation) {
    case Operation::kReduceScatter:
      return {static_cast<size_t>(rank) * request.count + element, InOrder(request.ranks)};
    case Operation::kAllGather:
      return {element % request.count, {static_cast<int>(element / request.count)}};
    case Operation::kBroadcast:
      return {element, {request.root}};
    case Operation::kAllToAll:
      return {static_cast<size_t>(rank) * request.count + element % request.count,
              {static_cast<int>(element / request.count)}};
    default:
      break;
  }
  std::vector<int> contributors;
  std::ranges::set_difference(InOrder(request.ranks), request.absent,
                              std::back_inserter(contributors));
  return {element, contributors};
}

void CheckOutputs(const PlanRequest& request, Algorithm algorithm, const SymbolicWorld& world) {
  const bool reduces = Reduces(request.operation);
  const bool gathers =
      request.operation == Operation::kAllGather || request.operation == Operation::kAllToAll;
  const size_t outputs = request.count * (gathers ? static_cast<size_t>(request.ranks) : 1);
  const bool rank_order = algorithm == Algorithm::kSra || algorithm == Algorithm::kDirect ||
                          algorithm == Algorithm::kOneShot || algorithm == Algorithm::kUnevenSra;
  for (int rank = 0; rank < request.ranks; ++rank) {
    if (request.operation == Operation::kReduce && rank != request.root) continue;
    for (size_t i = 0; i < outputs; ++i) {
      const Symbol& symbol = world.Output(rank, i);
      const Expected expected = ExpectedAt(request, rank, i);
      std::vector<int> ranks = symbol.order();
      if (!rank_order) {
        if (request.operation == Operation::kAllReduce) {
          ASSERT_EQ(ranks, world.Output(0, i).order()) << "the order differs between ranks";
        }
        std::sort(ranks.begin(), ranks.end());
      }
      ASSERT_EQ(ranks, expected.ranks) << "rank " << rank << " element " << i;
      ASSERT_EQ(symbol.element, expected.element) << "rank " << rank << " element " << i;
      ASSERT_EQ(symbol.divided, reduces && request.ranks > 1 ? 1 : 0);
    }
  }
}

void CheckOperation(const PlanRequest& request, Algorithm algorithm, const LinkModel& links) {
  SCOPED_TRACE(testing::Message() << NameOf(request.operation) << " " << NameOf(algorithm) << " of "
                                  << request.count << ", " << request.ranks << " ranks, root "
                                  << request.root);
  // A whole message in one segment; then several segments, the last one short.
  const std::vector<size_t> segment_sizes = {request.count + 1, request.count / 7 + 1};
  for (const size_t segment_elements : segment_sizes) {
    const std::vector<Plan> plans = PlansOf(request, algorithm, segment_elements, links);
    CheckMessages(plans);
    for (const Plan& plan : plans) CheckSlots(plan);
    for (const bool in_place : {false, true}) {
      if (in_place && request.operation == Operation::kAllToAll) continue;
      for (uint64_t seed = 1; seed <= (in_place ? 2u : 1u); ++seed) {
        SymbolicWorld world(plans, in_place, seed);
        world.Run();
        CheckOutputs(request, algorithm, world);
      }
    }
  }
}

struct Case {
  Operation operation;
  Algorithm algorithm;
};
std::string NameOfCase(const testing::TestParamInfo<Case>& info) {
  std::string name =
      fmt::format("{}_{}", NameOf(info.param.operation), NameOf(info.param.algorithm));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const Operation operation :
       {Operation::kAllReduce, Operation::kReduceScatter, Operation::kAllGather,
        Operation::kBroadcast, Operation::kReduce, Operation::kAllToAll}) {
    for (const Algorithm algorithm : Planner::Candidates(operation)) {
      cases.push_back({operation, algorithm});
    }
  }
  return cases;
}

class PlanTest : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, PlanTest, testing::ValuesIn(AllCases()), NameOfCase);

TEST(AbsentRanksTest, ContributeNothingAndHearTheResult) {
  PlanRequest request;
  request.reduction = Reduction::kAvg;
  for (request.ranks = 2; request.ranks <= 6; ++request.ranks) {
    for (unsigned late = 2; late < 1u << request.ranks; late += 2) {  // rank 0 never is
      request.absent.clear();
      for (int rank = 1; rank < request.ranks; ++rank) {
        if ((late >> rank & 1) != 0) request.absent.push_back(rank);
      }
      for (const size_t count : {size_t{0}, size_t{1}, size_t{1000}}) {
        request.count = count;
        CheckOperation(request, Algorithm::kSra, LinkModel(request.ranks));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(AbsentRanksTest, AreForAllReduceOnlyAndTurnAnyAlgorithmIntoSra) {
  PlanRequest request;
  request.ranks = 3;
  request.count = 10;
  request.absent = {1};
  Planner planner(LinkModel(3), CostModel{}, kSegmentBytes);
  EXPECT_EQ(planner.PlanFor(request, Algorithm::kRing, 0).value()->algorithm, Algorithm::kSra);
  request.operation = Operation::kBroadcast;
  EXPECT_EQ(planner.PlanFor(request, Algorithm::kAuto, 0).status().code(), Code::kInvalidArgument);
}

TEST_P(PlanTest, EveryContributionReachesEveryResultOnce) {
  PlanRequest request;
  request.operation = GetParam().operation;
  request.reduction = Reduction::kAvg;
  const bool rooted =
      request.operation == Operation::kBroadcast || request.operation == Operation::kReduce;
  for (request.ranks = 1; request.ranks <= 17; ++request.ranks) {
    for (const size_t count : Counts(request.ranks)) {
      request.count = count;
      for (request.root = 0; request.root < (rooted ? request.ranks : 1); ++request.root) {
        // Roots differ in names only: long vectors need not be tried with each.
        if (request.root > 0 && count > 100) break;
        CheckOperation(request, GetParam().algorithm, LinkModel(request.ranks));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(PlanTest, ContributionsArriveOverUnevenLinksToo) {
  PlanRequest request;
  request.operation = GetParam().operation;
  request.reduction = Reduction::kAvg;
  const int roots = HasRoot(request.operation) ? 3 : 1;
  for (const int ranks : {2, 3, 5, 8, 13}) {
    request.ranks = ranks;
    for (const size_t count : {size_t{1}, size_t{11}, size_t{1000}}) {
      request.count = count;
      for (request.root = 0; request.root < std::min(roots, ranks); ++request.root) {
        CheckOperation(request, GetParam().algorithm, UnevenLinks(ranks));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(PlanTest, BarrierNeedsAMessageOfEveryone) {
  PlanRequest request;
  request.operation = Operation::kBarrier;
  for (request.ranks = 2; request.ranks <= 5; ++request.ranks) {
    const auto plans = PlansOf(request, Algorithm::kAuto, 1);
    CheckMessages(plans);
    for (const Plan& plan : plans) {
      EXPECT_EQ(Progress(plan).AwaitedPeers(Verb::kReceive).size(),
                static_cast<size_t>(request.ranks - 1));
    }
    SymbolicWorld(plans, false, 1).Run();
  }
}

TEST(PlanTest, SendMeetsReceive) {
  PlanRequest request;
  request.ranks = 3;
  request.count = 10;
  Planner planner(LinkModel(3), CostModel{}, kSegmentBytes);
  request.operation = Operation::kSend;
  request.root = 2;
  const Plan send = *planner.PlanFor(request, Algorithm::kAuto, 1).value();
  request.operation = Operation::kRecv;
  request.root = 1;
  const Plan recv = *planner.PlanFor(request, Algorithm::kAuto, 2).value();
  CheckMessages({send, recv});
  EXPECT_EQ(send.PayloadBytes(Verb::kSend, 2), 40u);
  EXPECT_EQ(recv.PayloadBytes(Verb::kReceive, 1), 40u);
}

TEST(PlanTest, NothingToDoForNoElements) {
  PlanRequest request;
  request.ranks = 4;
  for (const Plan& plan : PlansOf(request, Algorithm::kAuto, 1)) EXPECT_TRUE(plan.steps.empty());
}

TEST(PlanTest, SegmentsCoverEachStepOnceAndEndAtGranules) {
  for (const std::string_view codec : CodecSpecs()) {
    PlanRequest request;
    request.ranks = 3;
    request.count = 10'000'003;  // enough for several segments of the thinnest codec
    request.codec = FindCodec(std::string(codec)).value();
    Planner planner(LinkModel(3), CostModel{}, kSegmentBytes);
    const Plan plan = *planner.PlanFor(request, Algorithm::kSra, 1).value();
    EXPECT_EQ(plan.segment_elements % request.codec->granule(), 0u);
    for (const Step& step : plan.steps) {
      size_t covered = 0;
      EXPECT_GT(plan.segments(step), 1u);
      for (size_t s = 0; s < plan.segments(step); ++s) {
        EXPECT_EQ(plan.segment_begin(s), covered);
        covered += plan.segment_count(step, s);
      }
      EXPECT_EQ(covered, step.count);
    }
  }
}

TEST(PlanTest, NoFrameIsLargerThanTheWireAllows) {
  PlanRequest request;
  request.ranks = 2;
  request.count = size_t{100} << 20;
  for (const std::string_view codec : CodecSpecs()) {
    request.codec = FindCodec(std::string(codec)).value();
    Planner planner(LinkModel(2), CostModel{}, size_t{1} << 30);
    const Plan plan = *planner.PlanFor(request, Algorithm::kOneShot, 0).value();
    EXPECT_LE(request.codec->EncodedBytes(plan.segment_elements, request.dtype), kMaxPayloadBytes);
  }
}

TEST(PlanTest, RefusesAnAlgorithmThatCannotDoTheOperation) {
  PlanRequest request;
  request.operation = Operation::kBroadcast;
  request.ranks = 2;
  Planner planner(LinkModel(2), CostModel{}, kSegmentBytes);
  const auto plan = planner.PlanFor(request, Algorithm::kOneShot, 0);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(plan.status().message(),
              testing::AllOf(testing::HasSubstr("one-shot"), testing::HasSubstr("broadcast")));
}

TEST(PlanTest, RepeatedRequestsShareOnePlan) {
  PlanRequest request;
  request.ranks = 4;
  request.count = 100;
  Planner planner(LinkModel(4), CostModel{}, kSegmentBytes);
  const auto first = planner.PlanFor(request, Algorithm::kAuto, 2).value();
  EXPECT_EQ(planner.PlanFor(request, Algorithm::kAuto, 2).value(), first);
  request.count = 101;
  EXPECT_NE(planner.PlanFor(request, Algorithm::kAuto, 2).value(), first);
}

TEST(PlanTest, FormatNamesTheCallAndEveryStep) {
  PlanRequest request;
  request.ranks = 3;
  request.count = 7;
  const Plan plan = PlansOf(request, Algorithm::kSra, 7)[1];
  const std::string text = FormatPlan(plan);
  EXPECT_THAT(text, testing::HasSubstr("all_reduce of 7 float (sum), rank 1 of 3: algorithm sra, "
                                       "codec raw"));
  EXPECT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), plan.steps.size() + 1);
  EXPECT_THAT(text, testing::HasSubstr("input[5, +2)"));
  EXPECT_THAT(text, testing::HasSubstr("-> rank 2 as message 2"));
}

TEST(AlgorithmTest, NamesGoBothWays) {
  for (int i = 0; i < kAlgorithms; ++i) {
    const auto algorithm = static_cast<Algorithm>(i);
    EXPECT_EQ(AlgorithmFromName(NameOf(algorithm)), algorithm);
  }
  EXPECT_FALSE(AlgorithmFromName("spiral"));
}

TEST(ChunkTest, ChunksAreEvenAndCoverAll) {
  for (const int chunks : {1, 2, 3, 7, 17}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{6}, size_t{17}, size_t{1000}}) {
      size_t next = 0;
      for (int i = 0; i < chunks; ++i) {
        const Chunk chunk = ChunkOf(count, chunks, i);
        EXPECT_EQ(chunk.offset, next);
        EXPECT_LE(ChunkOf(count, chunks, 0).count - chunk.count, 1u);
        next += chunk.count;
      }
      EXPECT_EQ(next, count);
    }
  }
}

}  // namespace
}  // namespace thinwire
