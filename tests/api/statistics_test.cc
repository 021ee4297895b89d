// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "support/c_member.h"
#include "support/elements.h"

namespace thinwire {
namespace {

constexpr size_t kHeader = 64;

thinwireStatistics_t StatisticsOf(thinwireComm_t comm, thinwireOperation_t operation) {
  thinwireStatistics_t statistics = {};
  statistics.size = sizeof(statistics);
  EXPECT_EQ(thinwireCommGetStatistics(comm, operation, &statistics), thinwireSuccess);
  return statistics;
}

void AllReduce(thinwireComm_t comm, int rank, size_t count, thinwireDataType_t dtype,
               const char* policy = nullptr) {
  const std::vector<float> input = Gradient(rank, count);
  std::vector<float> output(count);
  thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
  options.policy = policy;
  EXPECT_EQ(
      thinwireAllReduce(input.data(), output.data(), count, dtype, thinwireSum, comm, &options),
      thinwireSuccess)
      << thinwireGetLastError(comm);
}

TEST(StatisticsTest, NothingHasHappenedAtFirst) {
  Comms comms(1, Settings());
  for (int operation = 0; operation < kOperations; ++operation) {
    const auto statistics = StatisticsOf(comms[0], static_cast<thinwireOperation_t>(operation));
    EXPECT_EQ(statistics.calls, 0u);
    EXPECT_EQ(statistics.ratio, 1);
    EXPECT_EQ(statistics.relativeError, -1);
  }
}

TEST(StatisticsTest, ExactBytesArePayloadAndAHeaderAFrame) {
  Comms comms(4, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, 4000, thinwireFloat32, ">=0: algo=sra");
    const auto statistics = StatisticsOf(comm, thinwireOpAllReduce);
    EXPECT_EQ(statistics.calls, 1u);
    EXPECT_EQ(statistics.rawBytes, 6 * 4000u);
    EXPECT_EQ(statistics.wireBytes, 6 * (4000 + kHeader));
    EXPECT_STREQ(statistics.codec, "raw");
    EXPECT_STREQ(statistics.algorithm, "sra");
    EXPECT_GT(statistics.totalSeconds, 0);
    EXPECT_EQ(StatisticsOf(comm, thinwireOpReduce).calls, 0u);
  });
}

TEST(StatisticsTest, QuantizedVectorsShrinkToOneByteAndAScaleEachBlock) {
  Settings settings;
  settings.policy = "q8";
  settings.measure_error = true;
  Comms comms(3, settings);
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, size_t{3} << 18, thinwireFloat32);
    const auto statistics = StatisticsOf(comm, thinwireOpAllReduce);
    EXPECT_STREQ(statistics.codec, "q8");
    EXPECT_NEAR(statistics.ratio, 3.86, 0.03);
    EXPECT_DOUBLE_EQ(statistics.ratio, static_cast<double>(statistics.rawBytes) /
                                           static_cast<double>(statistics.wireBytes));
    EXPECT_GT(statistics.relativeError, 0);
    EXPECT_LT(statistics.relativeError, 0.01);
  });
}

TEST(StatisticsTest, ErrorIsUnmeasuredUnlessAskedFor) {
  Settings settings;
  settings.policy = "q8";
  Comms comms(2, settings);
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, 100'000, thinwireFloat32);
    EXPECT_EQ(StatisticsOf(comm, thinwireOpAllReduce).relativeError, -1);
  });
}

TEST(StatisticsTest, AnExactCodecHasNoError) {
  Settings settings;
  settings.measure_error = true;
  Comms comms(2, settings);
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, 1000, thinwireFloat32);
    EXPECT_EQ(StatisticsOf(comm, thinwireOpAllReduce).relativeError, 0);
  });
}

TEST(StatisticsTest, WhatAPolicyCannotCompressShowsAsRaw) {
  Settings settings;
  settings.policy = "q8";
  Comms comms(2, settings);
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, 100'000, thinwireInt32);
    EXPECT_STREQ(StatisticsOf(comm, thinwireOpAllReduce).codec, "raw");
    EXPECT_LT(StatisticsOf(comm, thinwireOpAllReduce).ratio, 1);
  });
}

TEST(StatisticsTest, AddUpAndCanBeReset) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t comm) {
    AllReduce(comm, rank, 1000, thinwireFloat32);
    const auto once = StatisticsOf(comm, thinwireOpAllReduce);
    AllReduce(comm, rank, 1000, thinwireFloat32);
    const auto twice = StatisticsOf(comm, thinwireOpAllReduce);
    EXPECT_EQ(twice.calls, 2u);
    EXPECT_EQ(twice.wireBytes, 2 * once.wireBytes);
    EXPECT_GT(twice.totalSeconds, once.totalSeconds);
    EXPECT_EQ(thinwireCommResetStatistics(comm), thinwireSuccess);
    EXPECT_EQ(StatisticsOf(comm, thinwireOpAllReduce).calls, 0u);
  });
}

}  // namespace
}  // namespace thinwire
