// SPDX-License-Identifier: Apache-2.0
//
// Where the ranks of a Thinwire communicator run within an MPI job, and the private MPI
// communicator of their processes. Layer: transport. Threads: any.

#ifndef THINWIRE_TRANSPORT_MPI_MPI_GROUP_H_
#define THINWIRE_TRANSPORT_MPI_MPI_GROUP_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mpi.h"
#include "base/status.h"
#include "transport/mpi/mpi_pieces.h"

namespace thinwire {

// One transport in the job; the body of its address. Fields are little endian.
struct MpiAddress {
  uint64_t process_nonce;  // tells processes of different jobs apart
  uint32_t processes;      // in MPI_COMM_WORLD
  uint32_t process;        // rank in it
  uint32_t tag;            // on which it receives
  uint32_t private_world;  // 1: it has one

  // Of this process.
  static MpiAddress Here(const Mpi& mpi, int tag);
  std::string Pack() const;
  // InvalidArgument, naming the rank, where the body isn't of a rank of this job.
  static Result<MpiAddress> Unpack(std::string_view body, int rank, const MpiWorld& world);
};

// Where each rank receives. Makes the group's communicator when its processes are first seen in
// this process, and then waits, without a deadline, for the same call on all others; later calls
// find it made. `addresses` are the same on all.
Result<std::vector<MpiPlace>> PlacesOf(const Mpi& mpi, std::span<const MpiAddress> addresses);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_MPI_MPI_GROUP_H_
