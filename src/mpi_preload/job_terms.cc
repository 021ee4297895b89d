// SPDX-License-Identifier: Apache-2.0
#include "mpi_preload/job_terms.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "base/env.h"
#include "base/log.h"
#include "base/units.h"
#include "mpi_preload/carrier.h"

namespace thinwire {
namespace {

JobTerms& Terms() {
  static JobTerms terms;
  return terms;
}

// Rank 0's settings hold for all: ranks that differed would wait for each other for ever.
void Agree(int granted) {
  JobTerms& terms = Terms();
  PMPI_Comm_size(MPI_COMM_WORLD, &terms.ranks);
  PMPI_Comm_rank(MPI_COMM_WORLD, &terms.rank);
  if (terms.ranks == 1) return;
  Result<Env> env = Env::Read();
  if (!env.ok()) TW_LOG(kWarn, "no MPI call goes over Thinwire: {}", env.status().message());
  std::array<unsigned long, 3> said = {env.ok(), 0, 0};
  if (env.ok()) said = {1, env->mpi_floor_bytes, env->transport == "mpi"};
  PMPI_Bcast(said.data(), said.size(), MPI_UNSIGNED_LONG, 0, MPI_COMM_WORLD);
  int threads = granted == MPI_THREAD_MULTIPLE;
  PMPI_Allreduce(MPI_IN_PLACE, &threads, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (said[0] == 0 || PMPI_Comm_dup(MPI_COMM_WORLD, &terms.own) != MPI_SUCCESS) return;
  terms.threads = threads != 0;
  terms.floor_bytes = said[1];
  // Transport mpi begins with a collective on MPI_COMM_WORLD, which later another thread might be
  // in.
  if (said[2] != 0) Carrier::OpenEarly(MPI_COMM_WORLD);
}

}  // namespace

const JobTerms& JobTerms::Now() { return Terms(); }

int StartMpi(int* argc, char*** argv, int required, int* provided) {
  int granted = MPI_THREAD_SINGLE;
  const int result = PMPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &granted);
  if (result != MPI_SUCCESS) return result;
  *provided = std::min(granted, required);
  Terms().threads_provided = *provided;
  Agree(granted);
  return MPI_SUCCESS;
}

int FinishMpi() {
  Carrier::CloseAll();
  if (Terms().own != MPI_COMM_NULL) PMPI_Comm_free(&Terms().own);
  return PMPI_Finalize();
}

void LetMpiProgress() {
  int any = 0;
  PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, Terms().own, &any, MPI_STATUS_IGNORE);
  std::this_thread::sleep_for(std::chrono::microseconds(50));
}

}  // namespace thinwire
