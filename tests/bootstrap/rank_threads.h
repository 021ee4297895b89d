// SPDX-License-Identifier: Apache-2.0
//
// Ranks of a rendezvous as threads of the test.

#ifndef THINWIRE_TESTS_BOOTSTRAP_RANK_THREADS_H_
#define THINWIRE_TESTS_BOOTSTRAP_RANK_THREADS_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bootstrap/rendezvous.h"
#include "bootstrap/unique_id.h"
#include "free_port.h"

namespace thinwire {

using JoinResult = Result<std::unique_ptr<Rendezvous>>;

inline TimePoint In(double seconds) { return Now() + FromSeconds(seconds); }
inline TimePoint Soon() { return In(60); }  // long enough for a busy machine; never waited out

inline UniqueId StartServer() {
  RendezvousServer::Options options;
  options.host = "127.0.0.1";
  options.port = FreePort();
  Result<UniqueId> id = RendezvousServer::Start(options);
  EXPECT_TRUE(id.ok()) << id.status().message();
  return id.ok() ? *id : UniqueId{};
}

// One join attempt: who the rank says it is.
struct Joiner {
  int rank;
  int nranks;
  double timeout_seconds = 60;
};

// Runs body(i) for 0 <= i < n on threads and waits for all.
inline void RunThreads(int n, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// All join at once; what became of each.
inline std::vector<JoinResult> JoinAll(const UniqueId& id, const std::vector<Joiner>& joiners) {
  std::vector<JoinResult> results;
  for (size_t i = 0; i < joiners.size(); ++i) results.emplace_back(Status(Code::kInternal, ""));
  RunThreads(static_cast<int>(joiners.size()), [&](int i) {
    const auto index = static_cast<size_t>(i);
    const Joiner& joiner = joiners[index];
    results[index] = Rendezvous::Join(id, joiner.rank, joiner.nranks, In(joiner.timeout_seconds));
  });
  return results;
}

inline std::vector<std::unique_ptr<Rendezvous>> JoinRanks(const UniqueId& id, int nranks) {
  std::vector<Joiner> joiners;
  for (int rank = 0; rank < nranks; ++rank) joiners.push_back({rank, nranks});
  std::vector<std::unique_ptr<Rendezvous>> ranks;
  for (JoinResult& result : JoinAll(id, joiners)) {
    EXPECT_TRUE(result.ok()) << result.status().message();
    ranks.push_back(result.ok() ? std::move(result).value() : nullptr);
  }
  return ranks;
}

}  // namespace thinwire

#endif  // THINWIRE_TESTS_BOOTSTRAP_RANK_THREADS_H_
