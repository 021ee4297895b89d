// SPDX-License-Identifier: Apache-2.0
//
// Where this process stands in a job it was started in, without the program's help.

#ifndef THINWIRE_BOOTSTRAP_LAUNCH_H_
#define THINWIRE_BOOTSTRAP_LAUNCH_H_

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/env.h"
#include "base/status.h"
#include "bootstrap/unique_id.h"

namespace thinwire {

struct Launch {
  int rank = 0;
  int nranks = 1;
  UniqueId id;
  std::string how;  // "RANK/WORLD_SIZE" or "mpirun"
};

// The id by which ranks meet at Env::root, which each may make itself; and what rank 0 does to
// gather them: nothing, if `id` is another one.
Result<UniqueId> RootId(const Env& env);
Status GatherAtRoot(const UniqueId& id, const Env& env);

// Finds out, in this order:
//   1. RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT (torchrun's variables): rank 0 starts the
//      rendezvous server on the port (see Env::port); the secret derives from Env::secret, the job
//      id and the port.
//   2. mpirun (OMPI_COMM_WORLD_RANK, PMI_RANK, PMIX_RANK): the optional module libthinwire_mpi.so,
//      loaded at run time, broadcasts rank 0's id through MPI. With Env::transport mpi the ranks
//      meet by MPI too (mpi_rendezvous.h), else at rank 0's rendezvous server.
// Empty when the process was started alone. Errors name the variable that is missing or wrong.
Result<std::optional<Launch>> LaunchFromEnvironment(const Env& env);

}  // namespace thinwire

#endif  // THINWIRE_BOOTSTRAP_LAUNCH_H_
