/* SPDX-License-Identifier: Apache-2.0 */
#include "bootstrap/mpi_module.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((visibility("default"))) MpiBroadcast thinwire_mpi_broadcast;

static void FinalizeMpi(void) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized) MPI_Finalize();
}

static int StartMpi(void) {
  int initialized = 0;
  int result = MPI_Initialized(&initialized);
  if (result != MPI_SUCCESS || initialized) return result;
  int provided = MPI_THREAD_SINGLE;
  result = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  if (result == MPI_SUCCESS) atexit(FinalizeMpi);
  return result;
}

static int Broadcast(void* bytes, int size, int* rank, int* nranks) {
  int result = StartMpi();
  if (result == MPI_SUCCESS) result = MPI_Comm_rank(MPI_COMM_WORLD, rank);
  if (result == MPI_SUCCESS) result = MPI_Comm_size(MPI_COMM_WORLD, nranks);
  if (result == MPI_SUCCESS && size > 0) {
    result = MPI_Bcast(bytes, size, MPI_BYTE, 0, MPI_COMM_WORLD);
  }
  return result;
}

int thinwire_mpi_broadcast(void* bytes, int size, int* rank, int* nranks, char* error,
                           int error_size) {
  const int result = Broadcast(bytes, size, rank, nranks);
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (result != MPI_SUCCESS) MPI_Error_string(result, text, &length);
  if (error_size > 0) snprintf(error, (size_t)error_size, "%s", text);
  return result;
}
