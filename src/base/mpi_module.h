/* SPDX-License-Identifier: Apache-2.0
 *
 * The optional module libthinwire_mpi.so: all that the library needs of MPI, as a table of C
 * functions, so that the library itself runs where MPI is not installed. Loaded by mpi.cc at run
 * time; compiles with Open MPI and MPICH.
 *
 * Each function returns 0 or an error that `describe` turns into text. After MPI_Finalize, by
 * whomever, all but `describe` fail instead of ending the process. Threads: any, at once, where
 * MpiWorld::threads_allowed; else one at a time, the program's own calls of MPI included.
 */
#ifndef THINWIRE_BASE_MPI_MODULE_H_
#define THINWIRE_BASE_MPI_MODULE_H_

#include <stdint.h>

#define kMpiModuleFile "libthinwire_mpi.so"
#define kMpiCallsName "thinwire_mpi_calls"

#ifdef __cplusplus
extern "C" {
#endif

/* An MPI_Comm or MPI_Request, whatever these are in the MPI at hand. */
typedef struct MpiHandle {
  uint64_t value;
} MpiHandle;

typedef struct MpiWorld {
  int rank; /* in MPI_COMM_WORLD */
  int ranks;
  int largest_tag;
  int threads_allowed; /* MPI runs with MPI_THREAD_MULTIPLE */
} MpiWorld;

typedef struct MpiCalls {
  /* Starts MPI if nobody has, and then ends it when the process exits. May be repeated. MPI itself
   * may end the process when it can't start. */
  int (*start)(MpiWorld* world);
  void (*describe)(int error, char* text, int text_size);

  /* Collective over MPI_COMM_WORLD: rank 0's bytes come to all. Makes the private world. */
  int (*broadcast)(void* bytes, int size);

  /* Starts an all-gather over the private world: `all` gets `size` bytes of each rank, in order.
   * All ranks start theirs in the same order; both memories are MPI's until `test` says done. */
  int (*gather)(const void* bytes, int size, void* all, MpiHandle* request);

  /* A tag that nobody in this process was given before. */
  int (*new_tag)(int* tag);
  /* Whether there is a private world here: a communicator of all ranks, of the library's own. */
  int (*has_private_world)(void);
  /* A communicator of these ranks of MPI_COMM_WORLD, in rising order, this process among them.
   * Collective over them: returns when all have called it. It lives as long as MPI does. Of all
   * ranks, it is the private world. `use_private_world`: all of these ranks have it; where they
   * don't, Open MPI 4 makes the group by messages that the program's receives of any tag on
   * MPI_COMM_WORLD may catch. */
  int (*open_group)(const int* world_ranks, int count, int use_private_world, MpiHandle* group);

  /* Start to send, or to receive from anyone; the bytes are MPI's until `test` says done. */
  int (*send)(MpiHandle group, int rank, int tag, const void* bytes, int size, MpiHandle* request);
  int (*receive)(MpiHandle group, int tag, void* bytes, int capacity, MpiHandle* request);
  /* Makes progress, without blocking. *done: the request has ended, in good order or with the error
   * that is returned, and is gone; *size: bytes it received. */
  int (*test)(MpiHandle* request, int* done, int* size);
  /* Asks a receive to end; `test` says when it has. */
  int (*cancel)(MpiHandle* request);
} MpiCalls;

/* What kMpiCallsName names. */
typedef const MpiCalls* GetMpiCalls(void);

#ifdef __cplusplus
}
#endif

#endif /* THINWIRE_BASE_MPI_MODULE_H_ */
