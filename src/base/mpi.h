// SPDX-License-Identifier: Apache-2.0
//
// MPI, where it is installed: loads the module that alone links to it (mpi_module.h).

#ifndef THINWIRE_BASE_MPI_H_
#define THINWIRE_BASE_MPI_H_

#include <string>

#include "base/mpi_module.h"
#include "base/status.h"

namespace thinwire {

struct Mpi {
  const MpiCalls* calls = nullptr;
  MpiWorld world{};

  // The module's functions, and the world after MPI has been started by the program or by this
  // call. `folder`: where the module is looked for first (Env::modules), if nobody has loaded it
  // yet. kSystem: why there is no MPI, and what to install. Any thread.
  static Result<Mpi> Load(const std::string& folder = "");

  // OK for 0, else kSystem with MPI's own text.
  Status Check(int error) const;
};

}  // namespace thinwire

#endif  // THINWIRE_BASE_MPI_H_
