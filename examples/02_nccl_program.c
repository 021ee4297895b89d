/* SPDX-License-Identifier: Apache-2.0
 *
 * A program written for NCCL: it includes <nccl.h>, links libnccl.so.2, and knows nothing of
 * Thinwire. The one difference: buffers are host memory, so there are no CUDA calls and streams
 * are NULL. A call returns when its result is there.
 *
 *   02_nccl_program                        four ranks in this process, calls in groups
 *   02_nccl_program RANK RANKS ID_FILE     one rank; rank 0 writes the id into ID_FILE, the others
 *                                          read it there (a shared folder, or copied by any means)
 */
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kCount = 100000, kLocalRanks = 4 };

static void must(ncclResult_t result) {
  if (result == ncclSuccess) return;
  fprintf(stderr, "02_nccl_program: %s\n", ncclGetLastError(NULL));
  exit(1);
}

static float* new_values(float first) {
  float* values = malloc(kCount * sizeof(float));
  if (values == NULL) exit(1);
  for (int i = 0; i < kCount; ++i) values[i] = first + (float)(i % 7);
  return values;
}

/* 1 if values[i] is what new_values(first) times `factor` holds. Whole numbers: no rounding. */
static int is_right(const float* values, float first, float factor) {
  for (int i = 0; i < kCount; ++i) {
    if (values[i] != factor * (first + (float)(i % 7))) {
      fprintf(stderr, "02_nccl_program: element %d is %g\n", i, (double)values[i]);
      return 0;
    }
  }
  return 1;
}

/* Several ranks driven by one thread: between Start and End, so that none waits for the next. */
static int run_local_ranks(void) {
  ncclComm_t comms[kLocalRanks];
  must(ncclCommInitAll(comms, kLocalRanks, NULL));
  float* values[kLocalRanks];
  for (int r = 0; r < kLocalRanks; ++r) values[r] = new_values(1);

  must(ncclGroupStart());
  for (int r = 0; r < kLocalRanks; ++r) {
    must(ncclAllReduce(values[r], values[r], kCount, ncclFloat, ncclSum, comms[r], NULL));
  }
  must(ncclGroupEnd());

  int right = 1;
  for (int r = 0; r < kLocalRanks; ++r) {
    right &= is_right(values[r], 1, kLocalRanks);
    free(values[r]);
    must(ncclCommDestroy(comms[r]));
  }
  printf("%d ranks in one process: %s\n", kLocalRanks, right ? "right" : "WRONG");
  return right ? 0 : 1;
}

/* The id is written under another name first, so that nobody reads half of it. */
static void write_id(const char* path, const ncclUniqueId* id) {
  char draft[4096];
  snprintf(draft, sizeof(draft), "%s.draft", path);
  FILE* file = fopen(draft, "wb");
  if (file == NULL || fwrite(id, sizeof(*id), 1, file) != 1 || fclose(file) != 0 ||
      rename(draft, path) != 0) {
    perror(path);
    exit(1);
  }
}

static void read_id(const char* path, ncclUniqueId* id) {
  const struct timespec pause = {0, 10 * 1000 * 1000};
  const time_t give_up = time(NULL) + 60;
  FILE* file = NULL;
  while ((file = fopen(path, "rb")) == NULL && time(NULL) < give_up) nanosleep(&pause, NULL);
  if (file == NULL || fread(id, sizeof(*id), 1, file) != 1) {
    perror(path);
    exit(1);
  }
  fclose(file);
}

static int run_one_rank(int rank, int ranks, const char* id_file) {
  ncclUniqueId id;
  if (rank == 0) {
    must(ncclGetUniqueId(&id));
    write_id(id_file, &id);
  } else {
    read_id(id_file, &id);
  }
  ncclComm_t comm;
  must(ncclCommInitRank(&comm, ranks, id, rank));

  float* values = new_values((float)rank);
  must(ncclBroadcast(values, values, kCount, ncclFloat, /*root=*/0, comm, NULL));
  int right = is_right(values, 0, 1);
  must(ncclAllReduce(values, values, kCount, ncclFloat, ncclSum, comm, NULL));
  right &= is_right(values, 0, (float)ranks);

  printf("rank %d of %d: %s\n", rank, ranks, right ? "right" : "WRONG");
  free(values);
  must(ncclCommDestroy(comm));
  return right ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc == 1) return run_local_ranks();
  if (argc == 4) return run_one_rank(atoi(argv[1]), atoi(argv[2]), argv[3]);
  fprintf(stderr, "usage: 02_nccl_program [RANK RANKS ID_FILE]\n");
  return 2;
}
