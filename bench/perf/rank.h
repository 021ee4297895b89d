// SPDX-License-Identifier: Apache-2.0
//
// One rank's communicator and memory, and failures as exceptions of this program.

#ifndef THINWIRE_BENCH_PERF_RANK_H_
#define THINWIRE_BENCH_PERF_RANK_H_

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tensor_memory.h"
#include "thinwire/thinwire.h"

namespace thinwire::perf {

class PerfError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws PerfError with the library's text unless `result` is thinwireSuccess.
void Check(thinwireResult_t result, thinwireComm_t comm);

// Owns a communicator.
class Rank {
 public:
  Rank(thinwireComm_t comm, std::unique_ptr<TensorMemory> memory);
  ~Rank() { thinwireCommDestroy(comm_); }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  // Gives up, so that the other ranks fail too. Nothing else may be called afterwards.
  void Abort() { thinwireCommAbort(std::exchange(comm_, nullptr)); }

  thinwireComm_t comm() const { return comm_; }
  TensorMemory* memory() const { return memory_.get(); }
  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

  // Waits for the calls so far, which are on the memory's stream.
  void Finish() const;

  // Everyone's `mine`, by rank.
  template <typename T>
  std::vector<T> Gather(const T& mine) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> all(static_cast<size_t>(ranks_));
    GatherBytes(&mine, sizeof(mine), all.data());
    return all;
  }
  // Everyone's `mine`, which is equally long on all, by rank.
  template <typename T>
  std::vector<T> GatherAll(const std::vector<T>& mine) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<T> all(mine.size() * static_cast<size_t>(ranks_));
    GatherBytes(mine.data(), mine.size() * sizeof(T), all.data());
    return all;
  }

 private:
  void GatherBytes(const void* mine, size_t bytes, void* all) const;

  const std::unique_ptr<TensorMemory> memory_;
  thinwireComm_t comm_;
  int rank_ = 0;
  int ranks_ = 1;
};

}  // namespace thinwire::perf

#endif  // THINWIRE_BENCH_PERF_RANK_H_
