/* SPDX-License-Identifier: Apache-2.0
 *
 * One rank of a job under mpirun, with transport mpi: mpi_program WHAT
 *   beside    MPI is the program's: messages with any tag go round on MPI_COMM_WORLD while
 *             communicators of all ranks and of every second one all-reduce
 *   plain     MPI is the library's
 *   funneled  MPI was started without MPI_THREAD_MULTIPLE: prints the error
 *   finalized MPI ends before the communicator does: prints the error
 * Exits with 0 when it went as it should. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thinwire/thinwire.h"

static int rank, nranks;

static void Check(int good, const char* what) {
  if (good) return;
  printf("rank %d: %s failed: %s\n", rank, what, thinwireGetLastError(NULL));
  fflush(stdout);
  exit(1);
}

static void StartMpi(int wanted) {
  int provided = 0;
  Check(MPI_Init_thread(NULL, NULL, wanted, &provided) == MPI_SUCCESS, "MPI_Init_thread");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &nranks);
}

/* A communicator of the ranks of `comm`, its unique id carried by MPI. */
static thinwireComm_t Open(MPI_Comm comm) {
  thinwireUniqueId id;
  thinwireComm_t opened = NULL;
  int place = 0;
  int count = 0;
  MPI_Comm_rank(comm, &place);
  MPI_Comm_size(comm, &count);
  if (place == 0) Check(thinwireGetUniqueId(&id) == thinwireSuccess, "thinwireGetUniqueId");
  MPI_Bcast(&id, sizeof(id), MPI_BYTE, 0, comm);
  Check(thinwireCommInitRank(&opened, count, id, place, NULL) == thinwireSuccess, "init");
  return opened;
}

static thinwireResult_t AllReduce(thinwireComm_t comm) {
  enum { kCount = 300000 };
  int count = 0;
  thinwireResult_t result = thinwireCommCount(comm, &count);
  int* values = malloc(kCount * sizeof(*values));
  for (int i = 0; i < kCount; ++i) values[i] = i;
  if (result == thinwireSuccess) {
    result = thinwireAllReduce(values, values, kCount, thinwireInt32, thinwireSum, comm, NULL);
  }
  for (int i = 0; i < kCount && result == thinwireSuccess; ++i) {
    if (values[i] != i * count) result = thinwireInternalError;
  }
  free(values);
  return result;
}

/* Passes numbers round, received from anyone with any tag, until all have come. */
static void* PassRound(void* wrong) {
  enum { kRounds = 2000 };
  for (int i = 0; i < kRounds; ++i) {
    int got = -1;
    MPI_Status status;
    MPI_Request request;
    MPI_Isend(&i, 1, MPI_INT, (rank + 1) % nranks, i % 5, MPI_COMM_WORLD, &request);
    MPI_Recv(&got, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
    if (got != i || status.MPI_TAG != i % 5) *(int*)wrong = 1;
  }
  return NULL;
}

static void Beside(void) {
  StartMpi(MPI_THREAD_MULTIPLE);
  MPI_Comm half;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
  int wrong = 0;
  pthread_t other;
  pthread_create(&other, NULL, PassRound, &wrong);
  thinwireComm_t all = Open(MPI_COMM_WORLD);
  thinwireComm_t some = Open(half);
  for (int i = 0; i < 10; ++i) {
    Check(AllReduce(all) == thinwireSuccess, "all-reduce of all");
    Check(AllReduce(some) == thinwireSuccess, "all-reduce of some");
  }
  pthread_join(other, NULL);
  Check(!wrong, "the program's own messages");
  Check(thinwireCommDestroy(some) == thinwireSuccess, "destroy");
  Check(thinwireCommDestroy(all) == thinwireSuccess, "destroy");
  all = Open(MPI_COMM_WORLD); /* a second one of the same ranks */
  Check(AllReduce(all) == thinwireSuccess, "all-reduce of the second");
  Check(thinwireCommDestroy(all) == thinwireSuccess, "destroy");
  MPI_Comm_free(&half);
  MPI_Finalize();
}

static void Plain(void) {
  thinwireComm_t comm = NULL;
  Check(thinwireCommInitFromEnvironment(&comm, NULL) == thinwireSuccess, "init");
  thinwireCommUserRank(comm, &rank);
  for (int i = 0; i < 5; ++i) Check(AllReduce(comm) == thinwireSuccess, "all-reduce");
  Check(thinwireCommDestroy(comm) == thinwireSuccess, "destroy");
}

static void Funneled(void) {
  thinwireComm_t comm = NULL;
  StartMpi(MPI_THREAD_FUNNELED);
  Check(thinwireCommInitFromEnvironment(&comm, NULL) == thinwireInvalidUsage, "refusal");
  printf("%s\n", thinwireGetLastError(NULL));
  MPI_Finalize();
}

static void Finalized(void) {
  StartMpi(MPI_THREAD_MULTIPLE);
  thinwireComm_t comm = Open(MPI_COMM_WORLD);
  Check(AllReduce(comm) == thinwireSuccess, "all-reduce");
  MPI_Finalize();
  Check(AllReduce(comm) == thinwireRemoteError, "failure");
  printf("%s\n", thinwireGetLastError(comm));
  thinwireCommDestroy(comm);
}

int main(int argc, char** argv) {
  const char* const what = argc > 1 ? argv[1] : "plain";
  if (strcmp(what, "beside") == 0) Beside();
  if (strcmp(what, "plain") == 0) Plain();
  if (strcmp(what, "funneled") == 0) Funneled();
  if (strcmp(what, "finalized") == 0) Finalized();
  printf("good\n");
  return 0;
}
