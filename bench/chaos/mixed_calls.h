// SPDX-License-Identifier: Apache-2.0
//
// Mixed calls: a seeded sequence of operations of all kinds, the same on all ranks, whose results
// are checked against closed forms: rank r contributes (r + 1) * b(i), b(i) a small integer, so
// that sums, means, maxima and minima are known without a second implementation, and exact where no
// codec stands between.

#ifndef THINWIRE_BENCH_CHAOS_MIXED_CALLS_H_
#define THINWIRE_BENCH_CHAOS_MIXED_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "thinwire/thinwire.h"

namespace thinwire::chaos {

// One call, on memory of its own.
struct MixedCall {
  thinwireOperation_t operation = thinwireOpBarrier;
  thinwireDataType_t dtype = thinwireFloat32;
  thinwireRedOp_t reduction = thinwireSum;
  size_t count = 0;  // as in the call
  int root = 0;      // or the peer
  std::string codec = "raw";
  uint64_t key = THINWIRE_NO_KEY;
  size_t communicator = 0;  // index
  int salt = 0;             // of b(i)
  std::vector<std::byte> send;
  std::vector<std::byte> recv;
};

// Calls that are made together.
struct Round {
  enum class Way { kOne, kGroup, kRequests } way = Way::kOne;
  std::vector<MixedCall> calls;
};

class MixedCalls {
 public:
  // Of at most `largest` elements.
  MixedCalls(uint64_t seed, int rank, int ranks, size_t communicators, size_t largest);

  Round Next();
  // Starts one call; `request` null: waits for its end, but in a group.
  thinwireResult_t Start(MixedCall* call, const std::vector<thinwireComm_t>& comms,
                         thinwireRequest_t* request) const;
  // What is wrong with a call that ended well; empty if nothing. Adds its result, where all ranks
  // must have the same, to the digest.
  std::string Verify(const MixedCall& call);
  // Equal on all ranks that verified the same calls.
  uint64_t digest() const { return digest_; }

 private:
  MixedCall Draw(bool may_keep_state);
  void AddExchange(Round* round);
  size_t Below(size_t bound);
  void Fill(MixedCall* call) const;

  std::mt19937_64 random_;
  const int rank_;
  const int ranks_;
  const size_t communicators_;
  const size_t largest_;
  uint64_t digest_ = 0;
};

}  // namespace thinwire::chaos

#endif  // THINWIRE_BENCH_CHAOS_MIXED_CALLS_H_
