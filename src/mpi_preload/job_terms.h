// SPDX-License-Identifier: Apache-2.0
//
// What the ranks of an MPI job agree on when MPI starts: the same everywhere, so that each rank can
// tell alone which calls all of them carry.

#ifndef THINWIRE_MPI_PRELOAD_JOB_TERMS_H_
#define THINWIRE_MPI_PRELOAD_JOB_TERMS_H_

#include <cstddef>

#include "mpi_preload/below.h"

namespace thinwire {

struct JobTerms {
  MPI_Comm own = MPI_COMM_NULL;  // of all ranks, the program's never; null: nothing is carried
  int rank = 0;
  int ranks = 1;
  size_t floor_bytes = 0;
  bool threads = false;      // any thread may call MPI, on every rank
  int threads_provided = 0;  // as far as the program knows

  static const JobTerms& Now();
};

// MPI_Init_thread, with as many rights for threads as MPI grants, in *provided no more than the
// program asked for.
int StartMpi(int* argc, char*** argv, int required, int* provided);
// Ends what is carried, then MPI.
int FinishMpi();

// Lets MPI's own messages go on, which a rank that waits for Thinwire owes the others, and sleeps
// for a moment.
void LetMpiProgress();

}  // namespace thinwire

#endif  // THINWIRE_MPI_PRELOAD_JOB_TERMS_H_
