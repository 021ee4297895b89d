// SPDX-License-Identifier: Apache-2.0
//
// Rendezvous by MPI alone, for jobs started by mpirun: the ranks are those of MPI_COMM_WORLD, and
// exchange by its collectives on a communicator of the library's own. A rank that gives up is not
// told of to the others: they wait until their deadline.

#ifndef THINWIRE_BOOTSTRAP_MPI_RENDEZVOUS_H_
#define THINWIRE_BOOTSTRAP_MPI_RENDEZVOUS_H_

#include <memory>

#include "base/status.h"
#include "bootstrap/rendezvous.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

// An id that names no address: its ranks meet by MPI.
Result<UniqueId> NewMpiId();
bool IsMpiId(const UniqueIdFields& fields);

// kInvalidArgument unless this is rank `rank` of `nranks` in MPI_COMM_WORLD.
Result<std::unique_ptr<Rendezvous>> JoinByMpi(int rank, int nranks);

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_MPI_RENDEZVOUS_H_
