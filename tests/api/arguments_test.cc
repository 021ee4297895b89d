// SPDX-License-Identifier: Apache-2.0
//
// Every argument of the C API that can be wrong, wrong once: refused with a text that names it, and
// the communicator goes on as if nothing had happened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "support/c_member.h"

namespace thinwire {
namespace {

using testing::HasSubstr;

struct Refusal {
  std::string text;
  std::function<thinwireResult_t(thinwireComm_t comm, float* values)> call;
  thinwireResult_t result = thinwireInvalidArgument;
};

const auto kFloat = thinwireFloat32;
const auto kBadType = static_cast<thinwireDataType_t>(12);
const auto kHighType = static_cast<thinwireDataType_t>(15);
const auto kBadOp = static_cast<thinwireRedOp_t>(5);
// One past the last, as a program compiled against a later header would pass it.
thinwireOperation_t BadOperation() {
  int number = 0;
  while (number < kOperations) ++number;
  return static_cast<thinwireOperation_t>(number);
}
constexpr size_t kTooMany = std::numeric_limits<size_t>::max() / 2;

thinwireCallOptions_t Options() { return THINWIRE_CALL_OPTIONS_INITIALIZER; }
thinwireStatistics_t StatisticsOfSize(size_t size) {
  thinwireStatistics_t statistics = {};
  statistics.size = size;
  return statistics;
}

thinwireResult_t WithOptions(thinwireComm_t comm, float* v, const thinwireCallOptions_t& options) {
  return thinwireAllReduce(v, v, 100, kFloat, thinwireSum, comm, &options);
}
thinwireResult_t WithPolicy(thinwireComm_t comm, float* v, const char* policy, thinwireDataType_t t,
                            thinwireRedOp_t op) {
  thinwireCallOptions_t options = Options();
  options.policy = policy;
  return thinwireAllReduce(v, v, 100, t, op, comm, &options);
}

const std::vector<Refusal>& Refusals() {
  static const std::vector<Refusal> refusals = {
      {"version is NULL", [](auto, auto) { return thinwireGetVersion(nullptr); }},
      {"id is NULL", [](auto, auto) { return thinwireGetUniqueId(nullptr); }},
      {"comm is NULL", [](auto, auto) { return thinwireCommInitRank(nullptr, 1, {}, 0, nullptr); }},
      {"comms is NULL", [](auto, auto) { return thinwireCommInitAll(nullptr, 1, nullptr); }},
      {"nranks is 0",
       [](auto, auto) {
         thinwireComm_t comm = nullptr;
         return thinwireCommInitAll(&comm, 0, nullptr);
       }},
      {"comm is NULL",
       [](auto, auto) { return thinwireCommInitFromEnvironment(nullptr, nullptr); }},
      {"THINWIRE_CONFIG_INITIALIZER",
       [](auto, auto) {
         thinwireComm_t comm = nullptr;
         const thinwireConfig_t config = {};
         return thinwireCommInitAll(&comm, 1, &config);
       }},
      {"communicator is NULL",
       [](auto, auto) {
         int n;
         return thinwireCommCount(nullptr, &n);
       }},
      {"nranks is NULL", [](auto c, auto) { return thinwireCommCount(c, nullptr); }},
      {"communicator is NULL",
       [](auto, auto) {
         int n;
         return thinwireCommUserRank(nullptr, &n);
       }},
      {"rank is NULL", [](auto c, auto) { return thinwireCommUserRank(c, nullptr); }},
      {"communicator is NULL",
       [](auto, auto) {
         thinwireResult_t error;
         return thinwireCommGetAsyncError(nullptr, &error);
       }},
      {"error is NULL", [](auto c, auto) { return thinwireCommGetAsyncError(c, nullptr); }},
      {"communicator is NULL",
       [](auto, auto v) {
         return thinwireAllReduce(v, v, 1, kFloat, thinwireSum, nullptr, nullptr);
       }},
      {"send buffer is NULL",
       [](auto c, auto v) {
         return thinwireAllReduce(nullptr, v, 1, kFloat, thinwireSum, c, nullptr);
       }},
      {"receive buffer is NULL",
       [](auto c, auto v) {
         return thinwireAllReduce(v, nullptr, 1, kFloat, thinwireSum, c, nullptr);
       }},
      {"12 is no data type",
       [](auto c, auto v) {
         return thinwireAllReduce(v, v, 1, kBadType, thinwireSum, c, nullptr);
       }},
      {"15 is no data type",
       [](auto c, auto v) { return thinwireAllGather(v, v, 1, kHighType, c, nullptr); }},
      {"5 is no reduction",
       [](auto c, auto v) { return thinwireAllReduce(v, v, 1, kFloat, kBadOp, c, nullptr); }},
      {"more than memory",
       [](auto c, auto v) {
         return thinwireAllReduce(v, v, kTooMany, kFloat, thinwireSum, c, nullptr);
       }},
      {"more than memory",
       [](auto c, auto v) {
         return thinwireBroadcast(v, v, ~size_t{4}, thinwireInt8, 0, c, nullptr);
       }},
      {"send buffer is NULL",
       [](auto c, auto v) { return thinwireAllToAll(nullptr, v, 1, kFloat, c, nullptr); }},
      {"can't be done in place",
       [](auto c, auto v) { return thinwireAllToAll(v, v, 1, kFloat, c, nullptr); }},
      {"send buffer is NULL",
       [](auto c, auto v) {
         return thinwireReduceScatter(nullptr, v, 1, kFloat, thinwireSum, c, nullptr);
       }},
      {"receive buffer is NULL",
       [](auto c, auto v) { return thinwireAllGather(v, nullptr, 1, kFloat, c, nullptr); }},
      {"root is 1",
       [](auto c, auto v) { return thinwireBroadcast(v, v, 1, kFloat, 1, c, nullptr); }},
      {"root is -1",
       [](auto c, auto v) { return thinwireReduce(v, v, 1, kFloat, thinwireSum, -1, c, nullptr); }},
      {"peer is 3", [](auto c, auto v) { return thinwireSend(v, 1, kFloat, 3, c, nullptr); }},
      {"peer is -1", [](auto c, auto v) { return thinwireRecv(v, 1, kFloat, -1, c, nullptr); }},
      {"to oneself", [](auto c, auto v) { return thinwireSend(v, 1, kFloat, 0, c, nullptr); },
       thinwireInvalidUsage},
      {"to oneself", [](auto c, auto v) { return thinwireRecv(v, 1, kFloat, 0, c, nullptr); },
       thinwireInvalidUsage},
      {"communicator is NULL", [](auto, auto) { return thinwireBarrier(nullptr, nullptr); }},
      {"THINWIRE_CALL_OPTIONS_INITIALIZER",
       [](auto c, auto v) {
         thinwireCallOptions_t options = Options();
         options.magic = 0;
         return WithOptions(c, v, options);
       }},
      {"THINWIRE_CALL_OPTIONS_INITIALIZER",
       [](auto c, auto v) {
         thinwireCallOptions_t options = Options();
         options.size = 8;
         return WithOptions(c, v, options);
       }},
      {"stream",
       [](auto c, auto v) {
         thinwireCallOptions_t options = Options();
         options.stream = v;
         return WithOptions(c, v, options);
       }},
      {"q9000", [](auto c, auto v) { return WithPolicy(c, v, "q9000", kFloat, thinwireSum); }},
      {"can't be honoured",
       [](auto c, auto v) { return WithPolicy(c, v, ">=0: q8", thinwireInt32, thinwireSum); }},
      {"can't be honoured",
       [](auto c, auto v) { return WithPolicy(c, v, ">=0: q8", kFloat, thinwireMax); }},
      {"direct",
       [](auto c, auto v) { return WithPolicy(c, v, ">=0: algo=direct", kFloat, thinwireSum); }},
      {"request is NULL",
       [](auto, auto) {
         int done;
         return thinwireRequestTest(nullptr, &done);
       }},
      {"request is NULL", [](auto, auto) { return thinwireRequestWait(nullptr); }},
      {"policy is NULL", [](auto, auto) { return thinwirePolicyCheck(nullptr); }},
      {"q9000", [](auto, auto) { return thinwirePolicyCheck("q9000"); }},
      {"communicator is NULL",
       [](auto, auto) {
         auto statistics = StatisticsOfSize(sizeof(thinwireStatistics_t));
         return thinwireCommGetStatistics(nullptr, thinwireOpAllReduce, &statistics);
       }},
      {"statistics is NULL",
       [](auto c, auto) { return thinwireCommGetStatistics(c, thinwireOpAllReduce, nullptr); }},
      {"sizeof",
       [](auto c, auto) {
         auto statistics = StatisticsOfSize(8);
         return thinwireCommGetStatistics(c, thinwireOpAllReduce, &statistics);
       }},
      {"9 is no operation",
       [](auto c, auto) {
         auto statistics = StatisticsOfSize(sizeof(thinwireStatistics_t));
         return thinwireCommGetStatistics(c, BadOperation(), &statistics);
       }},
      {"communicator is NULL", [](auto, auto) { return thinwireCommResetStatistics(nullptr); }},
  };
  return refusals;
}

TEST(ArgumentsTest, EveryMistakeIsRefusedAndNamed) {
  Comms comms(1, Settings());
  std::vector<float> values(100, 1);
  for (size_t i = 0; i < Refusals().size(); ++i) {
    const Refusal& refusal = Refusals()[i];
    EXPECT_EQ(refusal.call(comms[0], values.data()), refusal.result) << i << ": " << refusal.text;
    EXPECT_THAT(thinwireGetLastError(nullptr), HasSubstr(refusal.text)) << i;
  }
  thinwireResult_t error = thinwireInternalError;
  EXPECT_EQ(thinwireCommGetAsyncError(comms[0], &error), thinwireSuccess);
  EXPECT_EQ(error, thinwireSuccess);
  EXPECT_EQ(thinwireBarrier(comms[0], nullptr), thinwireSuccess);
  EXPECT_EQ(values, std::vector<float>(100, 1));
}

TEST(ArgumentsTest, NothingNeedsNoBuffers) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t c) {
    const int other = 1 - rank;
    EXPECT_EQ(thinwireAllReduce(nullptr, nullptr, 0, kFloat, thinwireSum, c, nullptr), 0);
    EXPECT_EQ(thinwireReduceScatter(nullptr, nullptr, 0, kFloat, thinwireSum, c, nullptr), 0);
    EXPECT_EQ(thinwireAllGather(nullptr, nullptr, 0, kFloat, c, nullptr), 0);
    EXPECT_EQ(thinwireAllToAll(nullptr, nullptr, 0, kFloat, c, nullptr), 0);
    EXPECT_EQ(thinwireBroadcast(nullptr, nullptr, 0, kFloat, 1, c, nullptr), 0);
    EXPECT_EQ(thinwireReduce(nullptr, nullptr, 0, kFloat, thinwireSum, 1, c, nullptr), 0);
    EXPECT_EQ(thinwireGroupStart(), 0);
    EXPECT_EQ(thinwireSend(nullptr, 0, kFloat, other, c, nullptr), 0);
    EXPECT_EQ(thinwireRecv(nullptr, 0, kFloat, other, c, nullptr), 0);
    EXPECT_EQ(thinwireGroupEnd(), 0);
    EXPECT_EQ(thinwireBarrier(c, nullptr), 0) << thinwireGetLastError(c);
  });
}

TEST(ArgumentsTest, BuffersThatARankDoesNotUseMayBeNull) {
  Comms comms(2, Settings());
  comms.OnRanks([](int rank, thinwireComm_t c) {
    float mine = 1;
    float result = 0;
    const bool root = rank == 0;
    EXPECT_EQ(
        thinwireReduce(&mine, root ? &result : nullptr, 1, kFloat, thinwireSum, 0, c, nullptr), 0);
    EXPECT_EQ(result, root ? 2 : 0);
    EXPECT_EQ(thinwireBroadcast(root ? &mine : nullptr, &result, 1, kFloat, 0, c, nullptr), 0);
    EXPECT_EQ(result, 1);
  });
}

TEST(ArgumentsTest, NothingIsFreedTwiceOrAtAllWithoutACommunicator) {
  EXPECT_EQ(thinwireCommDestroy(nullptr), thinwireSuccess);
  EXPECT_EQ(thinwireCommAbort(nullptr), thinwireSuccess);
}

TEST(ArgumentsTest, EveryResultHasAText) {
  std::set<std::string> texts;
  for (int code = 0; code <= 8; ++code) {
    const char* text = thinwireGetErrorString(static_cast<thinwireResult_t>(code));
    ASSERT_NE(text, nullptr);
    texts.insert(text);
  }
  EXPECT_EQ(texts.size(), 9u);
  EXPECT_STREQ(thinwireGetErrorString(static_cast<thinwireResult_t>(9)), "unknown result code");
}

}  // namespace
}  // namespace thinwire
