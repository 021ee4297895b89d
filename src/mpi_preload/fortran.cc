// SPDX-License-Identifier: Apache-2.0
//
// The same functions for Fortran: mpif.h, the modules mpi and mpi_f08. Open MPI's go to PMPI_ in C
// at once, so C's names alone would not catch them. Of other MPIs nothing is caught here.
//
// All arguments are addresses. Handles are integers; in mpi_f08 they are types that hold one
// integer, and `ierror` may be missing.

#include "mpi_preload/below.h"

#ifdef OPEN_MPI

extern "C" {
// Fortran's MPI_IN_PLACE and MPI_BOTTOM are these addresses. Absent from programs without Fortran.
extern char mpi_fortran_in_place_ __attribute__((weak, visibility("default")));
extern char mpi_fortran_bottom_ __attribute__((weak, visibility("default")));
}

namespace {

void* Buffer(void* buffer) {
  if (buffer == &mpi_fortran_in_place_) return MPI_IN_PLACE;
  if (buffer == &mpi_fortran_bottom_) return MPI_BOTTOM;
  return buffer;
}

void Report(int result, MPI_Fint* ierror) {
  if (ierror != nullptr) *ierror = result;
}

MPI_Datatype Type(const MPI_Fint* type) { return PMPI_Type_f2c(*type); }
MPI_Comm Comm(const MPI_Fint* comm) { return PMPI_Comm_f2c(*comm); }

}  // namespace

#pragma GCC visibility push(default)

// The names that compilers make of a Fortran name, and that of module mpi_f08.
#define FORTRAN_NAMES(lower, upper)                                           \
  extern "C" decltype(lower##_) lower __attribute__((alias(#lower "_")));     \
  extern "C" decltype(lower##_) lower##__ __attribute__((alias(#lower "_"))); \
  extern "C" decltype(lower##_) upper __attribute__((alias(#lower "_")));     \
  extern "C" decltype(lower##_) lower##_f08_ __attribute__((alias(#lower "_")))

extern "C" {

void mpi_init_(MPI_Fint* ierror) { Report(MPI_Init(nullptr, nullptr), ierror); }

void mpi_init_thread_(const MPI_Fint* required, MPI_Fint* provided, MPI_Fint* ierror) {
  int granted = MPI_THREAD_SINGLE;
  Report(MPI_Init_thread(nullptr, nullptr, *required, &granted), ierror);
  *provided = granted;
}

void mpi_query_thread_(MPI_Fint* provided, MPI_Fint* ierror) {
  int granted = MPI_THREAD_SINGLE;
  Report(MPI_Query_thread(&granted), ierror);
  *provided = granted;
}

void mpi_finalize_(MPI_Fint* ierror) { Report(MPI_Finalize(), ierror); }

void mpi_allreduce_(void* send, void* recv, const MPI_Fint* count, const MPI_Fint* type,
                    const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* ierror) {
  Report(
      MPI_Allreduce(Buffer(send), Buffer(recv), *count, Type(type), PMPI_Op_f2c(*op), Comm(comm)),
      ierror);
}

void mpi_iallreduce_(void* send, void* recv, const MPI_Fint* count, const MPI_Fint* type,
                     const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* request,
                     MPI_Fint* ierror) {
  MPI_Request started = MPI_REQUEST_NULL;
  Report(MPI_Iallreduce(Buffer(send), Buffer(recv), *count, Type(type), PMPI_Op_f2c(*op),
                        Comm(comm), &started),
         ierror);
  *request = PMPI_Request_c2f(started);
}

void mpi_reduce_scatter_block_(void* send, void* recv, const MPI_Fint* count, const MPI_Fint* type,
                               const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* ierror) {
  Report(MPI_Reduce_scatter_block(Buffer(send), Buffer(recv), *count, Type(type), PMPI_Op_f2c(*op),
                                  Comm(comm)),
         ierror);
}

void mpi_ireduce_scatter_block_(void* send, void* recv, const MPI_Fint* count, const MPI_Fint* type,
                                const MPI_Fint* op, const MPI_Fint* comm, MPI_Fint* request,
                                MPI_Fint* ierror) {
  MPI_Request started = MPI_REQUEST_NULL;
  Report(MPI_Ireduce_scatter_block(Buffer(send), Buffer(recv), *count, Type(type), PMPI_Op_f2c(*op),
                                   Comm(comm), &started),
         ierror);
  *request = PMPI_Request_c2f(started);
}

void mpi_allgather_(void* send, const MPI_Fint* send_count, const MPI_Fint* send_type, void* recv,
                    const MPI_Fint* count, const MPI_Fint* type, const MPI_Fint* comm,
                    MPI_Fint* ierror) {
  Report(MPI_Allgather(Buffer(send), *send_count, Type(send_type), Buffer(recv), *count, Type(type),
                       Comm(comm)),
         ierror);
}

void mpi_iallgather_(void* send, const MPI_Fint* send_count, const MPI_Fint* send_type, void* recv,
                     const MPI_Fint* count, const MPI_Fint* type, const MPI_Fint* comm,
                     MPI_Fint* request, MPI_Fint* ierror) {
  MPI_Request started = MPI_REQUEST_NULL;
  Report(MPI_Iallgather(Buffer(send), *send_count, Type(send_type), Buffer(recv), *count,
                        Type(type), Comm(comm), &started),
         ierror);
  *request = PMPI_Request_c2f(started);
}

void mpi_bcast_(void* buffer, const MPI_Fint* count, const MPI_Fint* type, const MPI_Fint* root,
                const MPI_Fint* comm, MPI_Fint* ierror) {
  Report(MPI_Bcast(Buffer(buffer), *count, Type(type), *root, Comm(comm)), ierror);
}

void mpi_ibcast_(void* buffer, const MPI_Fint* count, const MPI_Fint* type, const MPI_Fint* root,
                 const MPI_Fint* comm, MPI_Fint* request, MPI_Fint* ierror) {
  MPI_Request started = MPI_REQUEST_NULL;
  Report(MPI_Ibcast(Buffer(buffer), *count, Type(type), *root, Comm(comm), &started), ierror);
  *request = PMPI_Request_c2f(started);
}

}  // extern "C"

FORTRAN_NAMES(mpi_init, MPI_INIT);
FORTRAN_NAMES(mpi_init_thread, MPI_INIT_THREAD);
FORTRAN_NAMES(mpi_query_thread, MPI_QUERY_THREAD);
FORTRAN_NAMES(mpi_finalize, MPI_FINALIZE);
FORTRAN_NAMES(mpi_allreduce, MPI_ALLREDUCE);
FORTRAN_NAMES(mpi_iallreduce, MPI_IALLREDUCE);
FORTRAN_NAMES(mpi_reduce_scatter_block, MPI_REDUCE_SCATTER_BLOCK);
FORTRAN_NAMES(mpi_ireduce_scatter_block, MPI_IREDUCE_SCATTER_BLOCK);
FORTRAN_NAMES(mpi_allgather, MPI_ALLGATHER);
FORTRAN_NAMES(mpi_iallgather, MPI_IALLGATHER);
FORTRAN_NAMES(mpi_bcast, MPI_BCAST);
FORTRAN_NAMES(mpi_ibcast, MPI_IBCAST);

#pragma GCC visibility pop

#endif  // OPEN_MPI
