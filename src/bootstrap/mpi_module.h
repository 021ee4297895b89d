/* SPDX-License-Identifier: Apache-2.0
 *
 * The optional module libthinwire_mpi.so: all that the library needs of MPI, in one C function, so
 * that the library itself runs where MPI is not installed. Loaded by launch.cc at run time.
 */
#ifndef THINWIRE_BOOTSTRAP_MPI_MODULE_H_
#define THINWIRE_BOOTSTRAP_MPI_MODULE_H_

#define kMpiModuleFile "libthinwire_mpi.so"
#define kMpiBroadcastName "thinwire_mpi_broadcast"

#ifdef __cplusplus
extern "C" {
#endif

/* Broadcasts rank 0's `size` bytes to all of MPI_COMM_WORLD (size 0: only tells the ranks), and
 * sets *rank and *nranks. Starts MPI if nobody has, and then ends it when the process exits. 0, or
 * an MPI error with its text in `error` (always terminated). Call from one thread at a time. */
typedef int MpiBroadcast(void* bytes, int size, int* rank, int* nranks, char* error,
                         int error_size);

#ifdef __cplusplus
}
#endif

#endif /* THINWIRE_BOOTSTRAP_MPI_MODULE_H_ */
