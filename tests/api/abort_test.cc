// SPDX-License-Identifier: Apache-2.0
//
// Aborts from another thread, at any moment of whatever a communicator is doing: set-up, calls,
// groups, requests, splits. Nothing hangs, and every call returns.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "support/c_member.h"

namespace thinwire {
namespace {

constexpr int kRanks = 3;

void Pause(std::mt19937& random, int most_microseconds) {
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::uniform_int_distribution<int>(0, most_microseconds)(random)));
}

// Calls of all kinds until one fails, the same on all ranks.
void Work(thinwireComm_t comm, int rank, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(size_t{1} << 14, 1);
  for (thinwireResult_t result = thinwireSuccess; result == thinwireSuccess;) {
    const size_t count = 1 + random() % values.size();
    const auto reduce = [&](const thinwireCallOptions_t* options) {
      return thinwireAllReduce(values.data(), values.data(), count, thinwireFloat32, thinwireMax,
                               comm, options);
    };
    switch (random() % 4) {
      case 0:
        result = reduce(nullptr);
        break;
      case 1:
        result = thinwireGroupStart();
        for (int i = 0; i < 3; ++i) (void)reduce(nullptr);
        result = thinwireGroupEnd();
        break;
      case 2: {
        thinwireRequest_t request = nullptr;
        thinwireCallOptions_t options = THINWIRE_CALL_OPTIONS_INITIALIZER;
        options.request = &request;
        result = reduce(&options);
        if (request != nullptr) result = thinwireRequestWait(request);
        break;
      }
      default: {
        thinwireComm_t child = nullptr;
        result = thinwireCommSplit(comm, 0, rank, &child, nullptr);
        if (child != nullptr) thinwireCommDestroy(child);
      }
    }
  }
}

class AbortTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transports, AbortTest, testing::Values("loopback", "tcp"));

TEST_P(AbortTest, EndsWhateverIsGoingOn) {
  Settings settings = Over(GetParam());
  settings.connect_timeout_seconds = 5;  // of splits that others no longer come to
  settings.link = "unknown";             // no time for warming up
  for (unsigned seed = 1; seed <= 12; ++seed) {
    Comms comms(kRanks, settings);
    std::vector<thinwireComm_t> own;
    for (int rank = 0; rank < kRanks; ++rank) own.push_back(comms.Release(rank));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < kRanks; ++rank) {
      threads.emplace_back([&, rank] { Work(own[static_cast<size_t>(rank)], rank, seed); });
    }
    std::mt19937 random(seed * 77);
    Pause(random, 20'000);
    const size_t first = random() % kRanks;
    for (size_t i = 0; i < kRanks; ++i) {  // the others' too, while they may be in a call
      EXPECT_EQ(thinwireCommAbort(own[(first + i) % kRanks]), thinwireSuccess);
      if (i == 0) Pause(random, 5'000);
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_P(AbortTest, EndsASetUpAtAnyMoment) {
  Settings settings = Over(GetParam());
  settings.link = "unknown";
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    thinwireConfig_t config = settings.config();
    config.blocking = 0;
    thinwireUniqueId id;
    ASSERT_EQ(thinwireGetUniqueId(&id), thinwireSuccess);
    std::vector<thinwireComm_t> comms(kRanks, nullptr);
    for (int rank = 0; rank < kRanks; ++rank) {
      const thinwireResult_t begun =
          thinwireCommInitRank(&comms[static_cast<size_t>(rank)], kRanks, id, rank, &config);
      EXPECT_TRUE(begun == thinwireInProgress || begun == thinwireSuccess);
      Pause(random, 500);
    }
    Pause(random, 4'000);
    for (const thinwireComm_t comm : comms) {
      EXPECT_EQ(thinwireCommAbort(comm), thinwireSuccess);
      Pause(random, 500);
    }
  }
}

}  // namespace
}  // namespace thinwire
