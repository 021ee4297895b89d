/* SPDX-License-Identifier: Apache-2.0
 *
 * The shortest useful program: every rank brings one array, and every rank leaves with the sum.
 * Plain C. Start it any of these ways:
 *
 *   01_all_reduce                                       alone: rank 0 of 1
 *   mpirun -n 4 01_all_reduce                           by Open MPI
 *   torchrun --no-python --nproc-per-node 4 01_all_reduce     by torchrun
 *   RANK=0 WORLD_SIZE=2 MASTER_ADDR=10.0.0.1 MASTER_PORT=29500 01_all_reduce   by hand, once a rank
 *
 * To compress what travels, without touching the program: THINWIRE_POLICY=q8
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <thinwire/thinwire.h>

/* Every function of the library returns a result; the text says what was wrong and what to do. */
static void must(thinwireResult_t result) {
  if (result == thinwireSuccess) return;
  fprintf(stderr, "01_all_reduce: %s\n", thinwireGetLastError(NULL));
  exit(1);
}

int main(void) {
  enum { kCount = 1 << 20 };

  /* A communicator is the group of ranks. NULL: all settings from the environment. */
  thinwireComm_t comm;
  must(thinwireCommInitFromEnvironment(&comm, NULL));
  int rank = 0, ranks = 0;
  must(thinwireCommUserRank(comm, &rank));
  must(thinwireCommCount(comm, &ranks));

  float* values = malloc(kCount * sizeof(float));
  if (values == NULL) return 1;
  for (int i = 0; i < kCount; ++i) values[i] = (float)(rank + i % 100);

  /* In place: the sum over the ranks takes the place of the values. All ranks make the same call;
   * it returns when this rank's result is there. */
  must(thinwireAllReduce(values, values, kCount, thinwireFloat32, thinwireSum, comm, NULL));

  /* Everybody can work out what the sum must be. Exact by default; a lossy codec errs a little. */
  double worst = 0;
  for (int i = 0; i < kCount; ++i) {
    const double sum = ranks * (ranks - 1) / 2.0 + (double)ranks * (i % 100);
    worst = fmax(worst, fabs(values[i] - sum));
  }

  thinwireStatistics_t used = {.size = sizeof(used)};
  must(thinwireCommGetStatistics(comm, thinwireOpAllReduce, &used));
  printf("rank %d of %d: sum of %d floats by %s, codec %s: sent %.2f MB, largest error %g\n", rank,
         ranks, (int)kCount, used.algorithm, used.codec, (double)used.wireBytes / 1e6, worst);

  free(values);
  must(thinwireCommDestroy(comm)); /* waits until the other ranks have what they need */
  return worst <= 0.02 * ranks * 100 ? 0 : 1;
}
