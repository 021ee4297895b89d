// SPDX-License-Identifier: Apache-2.0
//
// MPI without its C++ bindings, which would be one more thing to link to.

#ifndef THINWIRE_MPI_PRELOAD_BELOW_H_
#define THINWIRE_MPI_PRELOAD_BELOW_H_

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#endif  // THINWIRE_MPI_PRELOAD_BELOW_H_
