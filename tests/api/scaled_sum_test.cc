// SPDX-License-Identifier: Apache-2.0
//
// Sums of what each rank multiplies first by a scalar of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/c_member.h"
#include "support/elements.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

constexpr int kRanks = 3;
constexpr size_t kCount = 200;

std::string LastError() { return thinwireGetLastError(nullptr); }

// What rank r multiplies by: exact in every type, and so are the sums.
int ScalarOf(int rank) { return rank == 1 ? 2 : 1; }

thinwireRedOp_t ScaledSum(thinwireComm_t comm, DataType dtype, int scalar) {
  std::byte bytes[8];
  StoreElement(dtype, scalar, bytes);
  thinwireRedOp_t op = thinwireSum;
  EXPECT_EQ(thinwireRedOpCreateScaledSum(&op, bytes, static_cast<thinwireDataType_t>(dtype),
                                         thinwireScalarHost, comm),
            thinwireSuccess)
      << LastError();
  EXPECT_GT(op, thinwireAvg);
  return op;
}

// Element i of the contributions' scaled sum.
int Expected(DataType dtype, size_t i) {
  int sum = 0;
  for (int rank = 0; rank < kRanks; ++rank) {
    sum += ScalarOf(rank) * ContributionOf(dtype, Reduction::kSum, rank, i);
  }
  return sum;
}

class ScaledSumTest : public testing::TestWithParam<const char*> {};

TEST_P(ScaledSumTest, OfEveryTypeAndOperation) {
  Comms comms(kRanks, Settings());
  const std::string policy = std::string("* >=0: raw algo=") + GetParam();
  for (int t = 0; t < kDataTypes; ++t) {
    const auto dtype = static_cast<DataType>(t);
    const auto type = static_cast<thinwireDataType_t>(t);
    const Bytes expected = Elements(dtype, kCount, [&](size_t i) { return Expected(dtype, i); });
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      const Bytes mine = Elements(
          dtype, kCount, [&](size_t i) { return ContributionOf(dtype, Reduction::kSum, rank, i); });
      Bytes all(mine.size());
      const thinwireRedOp_t op = ScaledSum(comm, dtype, ScalarOf(rank));
      thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
      options.policy = policy.c_str();
      ASSERT_EQ(thinwireAllReduce(mine.data(), all.data(), kCount, type, op, comm, &options),
                thinwireSuccess)
          << LastError();
      EXPECT_EQ(all, expected) << NameOf(dtype);
      all = mine;
      ASSERT_EQ(thinwireAllReduce(all.data(), all.data(), kCount, type, op, comm, &options),
                thinwireSuccess);
      EXPECT_EQ(all, expected) << NameOf(dtype) << " in place";
      Bytes reduced(mine.size());
      ASSERT_EQ(thinwireReduce(mine.data(), reduced.data(), kCount, type, op, 1, comm, nullptr),
                thinwireSuccess);
      EXPECT_EQ(reduced, rank == 1 ? expected : Bytes(mine.size())) << NameOf(dtype);
      EXPECT_EQ(thinwireRedOpDestroy(op, comm), thinwireSuccess);
    });
  }
}

INSTANTIATE_TEST_SUITE_P(By, ScaledSumTest,
                         testing::Values("sra", "one-shot", "ring", "recursive-doubling",
                                         "halving-doubling"),
                         [](const auto& given) {
                           std::string name = given.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(ScaledSumTest, ReduceScatterAndASingleRank) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    const float send[] = {1, 2, 3, 4};
    float part[2] = {};
    const thinwireRedOp_t op = ScaledSum(comm, DataType::kFloat32, rank == 0 ? 10 : 100);
    ASSERT_EQ(thinwireReduceScatter(send, part, 2, thinwireFloat32, op, comm, nullptr),
              thinwireSuccess);
    EXPECT_EQ(part[0], rank == 0 ? 110 : 330);
    EXPECT_EQ(part[1], rank == 0 ? 220 : 440);
  });
  Comms alone(1, Settings());
  float value = 3;
  ASSERT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32,
                              ScaledSum(alone[0], DataType::kFloat32, 7), alone[0], nullptr),
            thinwireSuccess);
  EXPECT_EQ(value, 21);
}

TEST(ScaledSumTest, UnderCodecsAllRanksGetTheSameBits) {
  for (const char* codec : {"q8", "rq4", "q8+ef", "iq8"}) {
    Comms comms(kRanks, Settings());
    std::vector<std::vector<float>> results(kRanks, std::vector<float>(5000));
    comms.OnRanks([&](int rank, thinwireComm_t comm) {
      std::vector<float> send(5000);
      for (size_t i = 0; i < send.size(); ++i) send[i] = static_cast<float>(i % 100) / 100;
      thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
      const std::string policy = std::string("* >=0: ") + codec;
      options.policy = policy.c_str();
      options.key = 1;
      const thinwireRedOp_t op = ScaledSum(comm, DataType::kFloat32, rank + 1);
      auto& result = results[static_cast<size_t>(rank)];
      const thinwireResult_t called = thinwireAllReduce(send.data(), result.data(), send.size(),
                                                        thinwireFloat32, op, comm, &options);
      if (std::string(codec) == "iq8") {
        EXPECT_EQ(called, thinwireInvalidArgument);
        EXPECT_THAT(LastError(), HasSubstr("steps of what is not multiplied yet"));
      } else {
        ASSERT_EQ(called, thinwireSuccess) << LastError();
        double error = 0;
        double energy = 0;
        for (size_t i = 0; i < send.size(); ++i) {
          const double exact = 6.0 * send[i];
          error += (result[i] - exact) * (result[i] - exact);
          energy += exact * exact;
        }
        EXPECT_LT(error, 0.04 * energy) << codec;  // a sum without scalars has 0.25
      }
    });
    EXPECT_EQ(results[1], results[0]) << codec;
    EXPECT_EQ(results[2], results[0]) << codec;
  }
}

TEST(ScaledSumTest, AScalarOfTheDeviceIsReadWhenTheOperationRuns) {
  Comms comms(2, Settings());
  std::vector<float> scalars = {1, 1};
  std::vector<float> values = {1, 10};
  std::vector<float> sums(2);
  ASSERT_EQ(thinwireGroupStart(), thinwireSuccess);
  for (int rank = 0; rank < 2; ++rank) {
    const auto r = static_cast<size_t>(rank);
    thinwireRedOp_t op = thinwireSum;
    ASSERT_EQ(thinwireRedOpCreateScaledSum(&op, &scalars[r], thinwireFloat32, thinwireScalarDevice,
                                           comms[rank]),
              thinwireSuccess);
    ASSERT_EQ(thinwireAllReduce(&values[r], &sums[r], 1, thinwireFloat32, op, comms[rank], nullptr),
              thinwireSuccess);
    ASSERT_EQ(thinwireRedOpDestroy(op, comms[rank]), thinwireSuccess);  // before it runs
  }
  scalars = {3, 4};
  ASSERT_EQ(thinwireGroupEnd(), thinwireSuccess) << LastError();
  EXPECT_EQ(sums, std::vector<float>({43, 43}));
}

TEST(ScaledSumTest, MistakesAreNamed) {
  Comms comms(1, Settings());
  float value = 1;
  thinwireRedOp_t op = ScaledSum(comms[0], DataType::kFloat32, 2);
  EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireInt32, op, comms[0], nullptr),
            thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("was made for float elements, not int32"));
  EXPECT_EQ(thinwireRedOpDestroy(op, comms[0]), thinwireSuccess);
  EXPECT_EQ(thinwireRedOpDestroy(op, comms[0]), thinwireInvalidArgument);
  EXPECT_EQ(thinwireRedOpDestroy(thinwireAvg, comms[0]), thinwireInvalidArgument);
  EXPECT_EQ(thinwireAllReduce(&value, &value, 1, thinwireFloat32, op, comms[0], nullptr),
            thinwireInvalidArgument);
  EXPECT_THAT(LastError(), HasSubstr("all_reduce: 5 is no reduction"));
  EXPECT_EQ(
      thinwireRedOpCreateScaledSum(&op, nullptr, thinwireFloat32, thinwireScalarHost, comms[0]),
      thinwireInvalidArgument);
  EXPECT_EQ(thinwireRedOpCreateScaledSum(&op, &value, thinwireFloat32,
                                         static_cast<thinwireScalarPlace_t>(2), comms[0]),
            thinwireInvalidArgument);
  EXPECT_EQ(value, 1);
}

}  // namespace
}  // namespace thinwire
