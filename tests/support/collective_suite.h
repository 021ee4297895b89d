// SPDX-License-Identifier: Apache-2.0
//
// What every communicator must do, whatever transport, device or API stands around it. Instantiate
// CollectiveSuite with the stacks to try.

#ifndef THINWIRE_TESTS_SUPPORT_COLLECTIVE_SUITE_H_
#define THINWIRE_TESTS_SUPPORT_COLLECTIVE_SUITE_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "collective/planner.h"
#include "support/elements.h"
#include "support/member.h"

namespace thinwire {

struct SuiteParam {
  std::string name;
  RunMembers run;
  bool thorough = true;  // else fewer shapes: each takes long here
};
inline void PrintTo(const SuiteParam& param, std::ostream* out) { *out << param.name; }
inline std::string NameOfParam(const testing::TestParamInfo<SuiteParam>& info) {
  return info.param.name;
}

class CollectiveSuite : public testing::TestWithParam<SuiteParam> {
 protected:
  void Run(int ranks, const std::function<void(Member&)>& body) { GetParam().run(ranks, body); }
  bool thorough() const { return GetParam().thorough; }
  std::vector<int> RankCounts() const {
    return thorough() ? std::vector<int>{1, 2, 3, 4, 5, 8} : std::vector<int>{2, 3};
  }
};

namespace suite {

inline std::vector<Algorithm> AllReduceAlgorithms(const std::string& codec = "raw") {
  return Planner::Candidates(Operation::kAllReduce, *FindCodec(codec).value());
}

inline std::string Describe(const Op& op, const Member& member, bool in_place) {
  return fmt::format("{} of {} {} {} root {} codec {} algorithm {}{}: rank {} of {}",
                     NameOf(op.operation), op.count, NameOf(op.dtype), NameOf(op.reduction),
                     op.root, op.codec, NameOf(op.algorithm), in_place ? " in place" : "",
                     member.rank(), member.ranks());
}

// Runs `op` on exact contributions and compares every byte.
inline void RunExact(Member& member, const Op& op, bool in_place) {
  const auto ranks = static_cast<size_t>(member.ranks());
  const auto rank = static_cast<size_t>(member.rank());
  const bool swaps = op.operation == Operation::kAllToAll;
  const bool scatters = swaps || op.operation == Operation::kReduceScatter;
  const bool gathers = swaps || op.operation == Operation::kAllGather;
  const size_t share = op.count * SizeOf(op.dtype);
  const size_t inputs = op.count * (scatters ? ranks : 1);
  const size_t outputs = op.count * (gathers ? ranks : 1);

  const Bytes input = Elements(op.dtype, inputs, [&](size_t i) {
    return ContributionOf(op.dtype, op.reduction, member.rank(), i);
  });
  const Bytes expected = Elements(op.dtype, outputs, [&](size_t i) -> double {
    if (op.operation == Operation::kBroadcast) {
      return ContributionOf(op.dtype, op.reduction, op.root, i);
    }
    if (swaps) {
      return ContributionOf(op.dtype, op.reduction, static_cast<int>(i / op.count),
                            rank * op.count + i % op.count);
    }
    if (gathers) {
      return ContributionOf(op.dtype, op.reduction, static_cast<int>(i / op.count), i % op.count);
    }
    return ReducedOf(op.dtype, op.reduction, member.ranks(), i + (scatters ? rank * op.count : 0));
  });

  // The result's place, with guards around it; in place the input lies within, or around, it.
  constexpr size_t kGuard = 24;
  const size_t room = std::max(inputs, outputs) * SizeOf(op.dtype);
  Bytes memory(room + 2 * kGuard, std::byte{0xee});
  std::byte* const base = memory.data() + kGuard;
  std::byte* output = base;
  const std::byte* send = input.data();
  if (in_place) {
    std::byte* const place = base + (gathers ? rank * share : 0);
    std::copy(input.begin(), input.end(), place);
    send = place;
    output = base + (scatters ? rank * share : 0);
  }
  const Status status = member.Run(op, send, output);
  ASSERT_TRUE(status.ok()) << Describe(op, member, in_place) << ": " << status.message();

  const bool receives = op.operation != Operation::kReduce || member.rank() == op.root;
  if (receives && !expected.empty()) {
    ASSERT_EQ(std::memcmp(output, expected.data(), expected.size()), 0)
        << Describe(op, member, in_place);
  }
  for (size_t i = 0; i < kGuard; ++i) {
    ASSERT_EQ(memory[i], std::byte{0xee}) << Describe(op, member, in_place);
    ASSERT_EQ(memory[memory.size() - 1 - i], std::byte{0xee}) << Describe(op, member, in_place);
  }
  if (!receives && !in_place) {
    ASSERT_EQ(memory, Bytes(memory.size(), std::byte{0xee})) << "written on a rank but the root";
  }
}

// All operations that can be told apart, of one type and reduction.
inline std::vector<Op> OpsOf(DataType dtype, Reduction reduction, int ranks) {
  std::vector<Op> ops;
  Op op;
  op.dtype = dtype;
  op.reduction = reduction;
  for (const Operation operation :
       {Operation::kAllReduce, Operation::kReduceScatter, Operation::kReduce, Operation::kBroadcast,
        Operation::kAllGather, Operation::kAllToAll}) {
    if (!Reduces(operation) && reduction != Reduction::kSum) continue;
    op.operation = operation;
    op.root = HasRoot(operation) ? ranks - 1 : 0;
    for (const Algorithm algorithm : Planner::Candidates(operation)) {
      op.algorithm = algorithm;
      ops.push_back(op);
    }
  }
  return ops;
}

// A digest of results, for comparison between ranks and between stacks.
inline uint64_t Digest(const void* data, size_t bytes) {
  uint64_t hash = 1469598103934665603u;
  const auto* const first = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ first[i]) * 1099511628211u;
  return hash;
}

// The first stack to run a case sets what all others must give.
inline void ExpectSameEverywhere(const std::string& what, uint64_t digest) {
  static auto* const digests = new std::map<std::string, uint64_t>;
  const auto [found, fresh] = digests->emplace(what, digest);
  EXPECT_EQ(found->second, digest) << what << " differs between stacks";
}

inline double RelativeError(const std::vector<float>& values, const std::vector<double>& exact) {
  double error = 0;
  double energy = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    error += (values[i] - exact[i]) * (values[i] - exact[i]);
    energy += exact[i] * exact[i];
  }
  return std::sqrt(error / energy);
}

}  // namespace suite

TEST_P(CollectiveSuite, EveryOperationTypeAndReductionIsExact) {
  for (const int ranks : RankCounts()) {
    Run(ranks, [&](Member& member) {
      for (int i = 0; i < kDataTypes * kReductions; ++i) {
        if (!thorough() && i % 7 != 0) continue;
        const auto dtype = static_cast<DataType>(i / kReductions);
        const auto reduction = static_cast<Reduction>(i % kReductions);
        for (Op op : suite::OpsOf(dtype, reduction, ranks)) {
          op.count = static_cast<size_t>(37 + i);
          suite::RunExact(member, op,
                          /*in_place=*/i % 2 == 0 && op.operation != Operation::kAllToAll);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    });
  }
}

TEST_P(CollectiveSuite, CountsFromNoneToSeveralSegments) {
  for (const int ranks : RankCounts()) {
    Run(ranks, [&](Member& member) {
      const auto n = static_cast<size_t>(ranks);
      for (const size_t count : {size_t{0}, size_t{1}, n - 1, n + 1, size_t{1001}, size_t{40003}}) {
        for (Op op : suite::OpsOf(DataType::kFloat32, Reduction::kSum, ranks)) {
          op.count = count;
          for (const bool in_place : {false, true}) {
            if (in_place && op.operation == Operation::kAllToAll) continue;
            suite::RunExact(member, op, in_place);
            if (testing::Test::HasFatalFailure()) return;
          }
        }
      }
    });
  }
}

TEST_P(CollectiveSuite, EveryRootWorks) {
  const int ranks = thorough() ? 5 : 3;
  Run(ranks, [&](Member& member) {
    for (const Operation operation : {Operation::kBroadcast, Operation::kReduce}) {
      for (int root = 0; root < ranks; ++root) {
        Op op;
        op.operation = operation;
        op.root = root;
        op.count = 500;
        suite::RunExact(member, op, root % 2 == 0);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

// More than a window between each pair, both ways at once: credits must flow.
TEST_P(CollectiveSuite, LongVectorsFlowThroughTheWindows) {
  const size_t count = 1'200'003;
  for (const int ranks : {2, 3}) {
    Run(ranks, [&](Member& member) {
      for (Op op : suite::OpsOf(DataType::kFloat32, Reduction::kSum, ranks)) {
        const bool by_rank =
            op.operation == Operation::kReduceScatter || op.operation == Operation::kAllToAll;
        op.count = by_rank ? count / 2 : count;
        suite::RunExact(member, op, /*in_place=*/op.algorithm == Algorithm::kSra);
        if (testing::Test::HasFatalFailure()) return;
      }
    });
  }
}

// Every rank sends to and receives from every rank, itself included, in one go.
TEST_P(CollectiveSuite, GroupedSendsAndReceivesMeet) {
  for (const size_t count : {size_t{0}, size_t{3}, size_t{1'400'000}}) {
    const int ranks = 3;
    Run(ranks, [&](Member& member) {
      std::vector<Member::Part> parts;
      std::vector<Bytes> sent;
      std::vector<Bytes> received(ranks, Bytes(count * 4));
      const auto value = [](int from, int to) {
        return
            [from, to](size_t i) { return static_cast<double>(i % 1000) + from * 10 + to * 100; };
      };
      for (int peer = 0; peer < ranks; ++peer) {
        sent.push_back(Elements(DataType::kFloat32, count, value(member.rank(), peer)));
      }
      for (int peer = 0; peer < ranks; ++peer) {
        Op op;
        op.count = count;
        op.root = peer;
        op.operation = Operation::kSend;
        parts.push_back({op, sent[static_cast<size_t>(peer)].data(), nullptr});
        op.operation = Operation::kRecv;
        parts.push_back({op, nullptr, received[static_cast<size_t>(peer)].data()});
      }
      const Status status = member.RunTogether(parts);
      ASSERT_TRUE(status.ok()) << status.message();
      for (int peer = 0; peer < ranks; ++peer) {
        EXPECT_EQ(received[static_cast<size_t>(peer)],
                  Elements(DataType::kFloat32, count, value(peer, member.rank())))
            << "from rank " << peer;
      }
    });
  }
}

TEST_P(CollectiveSuite, SendsOfAPairMeetInTheirOrder) {
  Run(2, [&](Member& member) {
    for (int round = 0; round < 20; ++round) {
      Op op;
      op.count = static_cast<size_t>(round);
      op.root = 1 - member.rank();
      op.operation = member.rank() == round % 2 ? Operation::kSend : Operation::kRecv;
      const Bytes expected = Elements(op.dtype, op.count, [&](size_t) { return round; });
      Bytes received(expected.size());
      const Status status = member.Run(op, expected.data(), received.data());
      ASSERT_TRUE(status.ok()) << status.message();
      if (op.operation == Operation::kRecv) {
        EXPECT_EQ(received, expected);
      }
    }
  });
}

// Several collectives in flight at once keep their messages apart.
TEST_P(CollectiveSuite, CollectivesInFlightTogetherKeepApart) {
  Run(3, [&](Member& member) {
    std::vector<Member::Part> parts;
    std::vector<Bytes> inputs;
    std::vector<Bytes> outputs;
    for (size_t k = 0; k < 12; ++k) {
      const size_t count = 100 + 3000 * (k % 3);
      inputs.push_back(Elements(DataType::kFloat32, count, [&](size_t i) {
        return static_cast<double>(i % 100 + k) * (member.rank() + 1);
      }));
      outputs.emplace_back(inputs.back().size());
    }
    for (size_t k = 0; k < inputs.size(); ++k) {
      Op op;
      op.count = inputs[k].size() / 4;
      op.algorithm = suite::AllReduceAlgorithms()[k % suite::AllReduceAlgorithms().size()];
      parts.push_back({op, inputs[k].data(), outputs[k].data()});
    }
    const Status status = member.RunTogether(parts);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t k = 0; k < outputs.size(); ++k) {
      EXPECT_EQ(outputs[k], Elements(DataType::kFloat32, outputs[k].size() / 4, [&](size_t i) {
                  return static_cast<double>(i % 100 + k) * 6;
                }));
    }
  });
}

TEST_P(CollectiveSuite, BarrierHoldsUntilAllHaveCome) {
  for (const int ranks : {1, 3}) {
    std::atomic<int> come{0};
    Run(ranks, [&](Member& member) {
      for (int round = 1; round <= 10; ++round) {
        come.fetch_add(1);
        Op op;
        op.operation = Operation::kBarrier;
        op.dtype = DataType::kUint8;
        const Status status = member.Run(op, nullptr, nullptr);
        ASSERT_TRUE(status.ok()) << status.message();
        EXPECT_GE(come.load(), round * ranks);
      }
    });
  }
}

// Whatever the order of arrival: all ranks end with the same bits, and so do all stacks.
TEST_P(CollectiveSuite, AllRanksAndStacksGetTheSameBits) {
  constexpr size_t kCount = 20'011;
  // Codecs of every kind: how far a sum may be off for each rank.
  const std::map<std::string, double> limits = {
      {"raw", 1e-6}, {"x3", 1e-6},  {"bf16", 0.01},       {"q8", 0.01},
      {"q4", 0.2},   {"rq4", 0.15}, {"mxfp8(e5m2)", 0.1}, {"tk(40%,q8,q8)", 0.5}};
  for (const int ranks : RankCounts()) {
    std::vector<std::map<std::string, std::vector<float>>> results(static_cast<size_t>(ranks));
    Run(ranks, [&](Member& member) {
      for (const auto& [codec, limit] : limits) {
        for (const Algorithm algorithm : suite::AllReduceAlgorithms(codec)) {
          Op op;
          op.count = kCount;
          op.codec = codec;
          op.algorithm = algorithm;
          const std::vector<float> input = Gradient(member.rank(), kCount);
          std::vector<float> output(kCount);
          const Status status = member.Run(op, input.data(), output.data());
          ASSERT_TRUE(status.ok()) << status.message();
          results[static_cast<size_t>(member.rank())]
                 [fmt::format("{} {} {}", ranks, codec, NameOf(algorithm))] = output;
        }
      }
    });
    std::vector<double> exact(kCount);
    for (int rank = 0; rank < ranks; ++rank) {
      const std::vector<float> input = Gradient(rank, kCount);
      for (size_t i = 0; i < kCount; ++i) exact[i] += input[i];
    }
    ASSERT_GE(results[0].size(), 5 * limits.size());
    for (const auto& [what, first] : results[0]) {
      for (const auto& other : results) {
        EXPECT_EQ(std::memcmp(other.at(what).data(), first.data(), kCount * sizeof(float)), 0)
            << what << " differs between ranks";
      }
      const std::string codec =
          what.substr(what.find(' ') + 1, what.rfind(' ') - what.find(' ') - 1);
      EXPECT_LE(suite::RelativeError(first, exact), limits.at(codec) * ranks) << what;
      suite::ExpectSameEverywhere(what, suite::Digest(first.data(), kCount * sizeof(float)));
    }
  }
}

// Data movement through a lossy codec leaves the sender with what the others get.
TEST_P(CollectiveSuite, LossyDataMovementEndsEqualEverywhere) {
  constexpr size_t kCount = 5'003;
  constexpr int kRanks = 3;
  for (const Operation operation : {Operation::kAllGather, Operation::kBroadcast}) {
    for (int i = 0; i < 10; ++i) {
      const char* const codec = std::array{"q8", "q8+sr", "rq1+unbiased", "tk(1%)", "x3"}[i / 2];
      const bool in_place = i % 2 == 1;
      std::vector<std::vector<float>> results(kRanks);
      Run(kRanks, [&](Member& member) {
        Op op;
        op.operation = operation;
        op.count = kCount;
        op.codec = codec;
        op.root = operation == Operation::kBroadcast ? 1 : 0;
        const bool gathers = operation == Operation::kAllGather;
        const std::vector<float> input = Gradient(member.rank(), kCount);
        std::vector<float>& output = results[static_cast<size_t>(member.rank())];
        output.resize(kCount * (gathers ? kRanks : 1));
        const size_t own = gathers ? kCount * static_cast<size_t>(member.rank()) : 0;
        std::copy(input.begin(), input.end(), output.begin() + static_cast<std::ptrdiff_t>(own));
        const Status status =
            member.Run(op, in_place ? output.data() + own : input.data(), output.data());
        ASSERT_TRUE(status.ok()) << status.message();
      });
      for (const auto& result : results)
        EXPECT_EQ(result, results[0]) << NameOf(operation) << " " << codec;
    }
  }
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_SUPPORT_COLLECTIVE_SUITE_H_
