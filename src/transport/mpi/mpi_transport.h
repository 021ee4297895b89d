// SPDX-License-Identifier: Apache-2.0
//
// MPI: for clusters where only MPI is allowed. Messages travel in eager pieces (mpi_pieces.h) on
// private communicators, one for each group of processes, so that a program's own receives never
// see them. Several transports of a process are told apart by tags. Layer: transport.
//
// What to know (docs/design/012-mpi-transport.md):
// - All ranks belong to one MPI job. MPI is started, and ended at exit, where the program doesn't;
//   where it does, it must ask for MPI_THREAD_MULTIPLE, and destroy communicators before
//   MPI_Finalize.
// - Connect is collective: MPI waits for all members of a group without a deadline.
// - MPI has nothing to sleep on: Wait looks again and again, in pauses that grow from 50 us with
//   the time that nothing came, to 1/64 of it and at most 1 ms.
// - Most MPIs end the whole job when a process dies; where one doesn't, PeerStatus tells what it
//   reported.

#ifndef THINWIRE_TRANSPORT_MPI_MPI_TRANSPORT_H_
#define THINWIRE_TRANSPORT_MPI_MPI_TRANSPORT_H_

#include <memory>

#include "base/status.h"
#include "transport/transport.h"

namespace thinwire {

// kSystem where the MPI module can't be loaded, kInvalidUsage where the program started MPI without
// MPI_THREAD_MULTIPLE.
Result<std::unique_ptr<Transport>> MakeMpiTransport(const TransportOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_MPI_MPI_TRANSPORT_H_
