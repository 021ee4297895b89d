// SPDX-License-Identifier: Apache-2.0
//
// mpi_allreduce BYTES WARMUPS ITERATIONS: times MPI_Allreduce of floats.

#include <mpi.h>

#include <cstdlib>

#include "aligned_iterations.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  MPI_Init(&argc, &argv);
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  std::vector<float> data(std::strtoull(argv[1], nullptr, 10) / sizeof(float));
  const int status = thinwire::compare::TimeIterations(
      rank, ranks, std::atoi(argv[2]), std::atoi(argv[3]), &data,
      [](int64_t mine, int64_t* all) {
        MPI_Allgather(&mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, MPI_COMM_WORLD);
      },
      [&] {
        MPI_Allreduce(MPI_IN_PLACE, data.data(), static_cast<int>(data.size()), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
      });
  MPI_Finalize();
  return status;
}
