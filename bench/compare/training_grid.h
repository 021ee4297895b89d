// SPDX-License-Identifier: Apache-2.0
//
// The communicators of one rank of a training job: with the replicas of its stage, which sum
// gradients, and with the stages of its pipeline, which pass activations on. Rank r of the job is
// replica r % replicas of stage r / replicas, as `thinwire-plan place` writes it.

#ifndef THINWIRE_BENCH_COMPARE_TRAINING_GRID_H_
#define THINWIRE_BENCH_COMPARE_TRAINING_GRID_H_

#include <cstdint>
#include <stdexcept>
#include <string>

#include "thinwire/thinwire.h"

namespace thinwire::compare {

struct GridOptions {
  int rank = 0;
  int stages = 1;
  int replicas = 1;
  std::string codec;      // of gradients and of activations
  std::string link_file;  // of all ranks, a line each ordered pair; empty: nothing known
  std::string meet;       // folder that all ranks see, new for each run
};

// Throws with the library's text if `result` is a failure.
void Check(thinwireResult_t result, const char* what);

class TrainingGrid {
 public:
  // Joins both communicators. Throws what was wrong.
  explicit TrainingGrid(const GridOptions& options);
  ~TrainingGrid();
  TrainingGrid(const TrainingGrid&) = delete;
  TrainingGrid& operator=(const TrainingGrid&) = delete;

  int stage() const { return stage_; }
  int replica() const { return replica_; }
  thinwireComm_t replicas() const { return replicas_; }  // of this stage; rank = replica
  thinwireComm_t pipeline() const { return pipeline_; }  // of this replica; rank = stage

  // The largest value of all ranks of the job.
  int64_t Largest(int64_t mine) const;
  // Sleeps until an instant that all ranks, which share a clock, agree on; returns it.
  int64_t Start();
  static int64_t Now();  // nanoseconds

 private:
  int stage_;
  int replica_;
  int64_t observed_ = 0;  // how long after the last rank's word this one knew of it
  thinwireComm_t replicas_ = nullptr;
  thinwireComm_t pipeline_ = nullptr;
};

}  // namespace thinwire::compare

#endif  // THINWIRE_BENCH_COMPARE_TRAINING_GRID_H_
