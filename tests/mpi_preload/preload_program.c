/* SPDX-License-Identifier: Apache-2.0
 *
 * One rank of an MPI program that knows nothing of Thinwire: preload_program WHAT
 *   carried   every function that is caught, in the ways that MPI knows; needs a floor of 4K
 *   first     the first calls are non-blocking, and other ranks come late to them
 *   compressed  a policy rounds: results are near, and the same on all ranks
 *   funneled  MPI grants no more than MPI_THREAD_FUNNELED
 *   late      rank 1 comes too late to a call: prints the error
 *   refused   Thinwire can't start on rank 1: the same results by MPI
 * Prints "good" and exits with 0 when it went as it should.
 *
 * PMPI_ functions that are defined here stand before MPI's: so it is seen which calls MPI got. */
#define _GNU_SOURCE
#include <complex.h>
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, nranks;
static int below; /* calls that came to MPI */

#define COUNTED(name, parameters, arguments)         \
  int P##name parameters {                           \
    int(*mpi) parameters;                            \
    *(void**)&mpi = dlsym(RTLD_NEXT, "P" #name);     \
    __atomic_fetch_add(&below, 1, __ATOMIC_RELAXED); \
    return mpi arguments;                            \
  }
COUNTED(MPI_Allreduce, (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c),
        (s, r, n, t, o, c))
COUNTED(MPI_Iallreduce,
        (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c, MPI_Request* q),
        (s, r, n, t, o, c, q))
COUNTED(MPI_Reduce_scatter_block,
        (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c))
COUNTED(MPI_Ireduce_scatter_block,
        (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c, MPI_Request* q),
        (s, r, n, t, o, c, q))
COUNTED(MPI_Allgather,
        (const void* s, int m, MPI_Datatype u, void* r, int n, MPI_Datatype t, MPI_Comm c),
        (s, m, u, r, n, t, c))
COUNTED(MPI_Iallgather,
        (const void* s, int m, MPI_Datatype u, void* r, int n, MPI_Datatype t, MPI_Comm c,
         MPI_Request* q),
        (s, m, u, r, n, t, c, q))
COUNTED(MPI_Bcast, (void* b, int n, MPI_Datatype t, int o, MPI_Comm c), (b, n, t, o, c))
COUNTED(MPI_Ibcast, (void* b, int n, MPI_Datatype t, int o, MPI_Comm c, MPI_Request* q),
        (b, n, t, o, c, q))

static int most_threads = MPI_THREAD_MULTIPLE; /* that MPI shall grant */

int PMPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  int (*mpi)(int*, char***, int, int*);
  *(void**)&mpi = dlsym(RTLD_NEXT, "PMPI_Init_thread");
  const int result = mpi(argc, argv, required, provided);
  if (*provided > most_threads) *provided = most_threads;
  return result;
}

static void Check(int good, const char* what) {
  if (good) return;
  printf("rank %d: wrong: %s\n", rank, what);
  fflush(stdout);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

/* `calls` of those since the last time came to MPI. */
static void CheckBelow(int calls, const char* what) {
  const int came = __atomic_exchange_n(&below, 0, __ATOMIC_RELAXED);
  if (came != calls) printf("%d calls came to MPI, and not %d\n", came, calls);
  Check(came == calls, what);
}

enum { kCount = 5000 };

/* What rank r has at i, in all calls; the sum over ranks has no rounding. */
static double Element(int r, int i) { return (r + 1) * 0.5 + i % 1000; }
static double Sum(int i) {
  double sum = 0;
  for (int r = 0; r < nranks; ++r) sum += Element(r, i);
  return sum;
}

static void FillFloats(float* values, int count, int first) {
  for (int i = 0; i < count; ++i) values[i] = (float)Element(rank, first + i);
}
static int HoldSums(const float* values, int count, int first) {
  for (int i = 0; i < count; ++i) {
    if (values[i] != (float)Sum(first + i)) return 0;
  }
  return 1;
}
static int HoldOf(const float* values, int count, int r) {
  for (int i = 0; i < count; ++i) {
    if (values[i] != (float)Element(r, i)) return 0;
  }
  return 1;
}

static float* Floats(int count) {
  float* values = calloc((size_t)count, sizeof(*values));
  FillFloats(values, count, 0);
  return values;
}

/* Ends a request by one of MPI's ways. */
static void Finish(MPI_Request* request, int way) {
  MPI_Status status;
  int done = 0;
  int index = -1;
  if (way == 0) MPI_Wait(request, &status);
  while (way == 1 && !done) MPI_Test(request, &done, &status);
  if (way == 2) MPI_Waitall(1, request, MPI_STATUSES_IGNORE);
  while (way == 3 && !done) MPI_Testany(1, request, &index, &done, &status);
  if (way == 4) MPI_Waitany(1, request, &index, &status);
  while (way == 5 && !done) {
    MPI_Request_get_status(*request, &done, &status);
    if (done) MPI_Wait(request, &status);
  }
  Check(*request == MPI_REQUEST_NULL, "a request that ended is null");
}

/* ---- Each function, blocking and (way >= 0) not, in place and not -----------------------------
 */

static void AllReduce(MPI_Comm comm, int in_place, int way) {
  MPI_Request request;
  float* send = Floats(kCount);
  float* recv = Floats(kCount);
  const void* from = in_place ? MPI_IN_PLACE : send;
  if (way < 0) {
    MPI_Allreduce(from, recv, kCount, MPI_FLOAT, MPI_SUM, comm);
  } else {
    MPI_Iallreduce(from, recv, kCount, MPI_FLOAT, MPI_SUM, comm, &request);
    Finish(&request, way);
  }
  Check(HoldSums(recv, kCount, 0), "all-reduce");
  free(recv);
  free(send);
}

static void ReduceScatterBlock(MPI_Comm comm, int in_place, int way) {
  MPI_Request request;
  float* send = Floats(kCount * nranks);
  float* recv = Floats(kCount * nranks);
  const void* from = in_place ? MPI_IN_PLACE : send;
  if (way < 0) {
    MPI_Reduce_scatter_block(from, recv, kCount, MPI_FLOAT, MPI_SUM, comm);
  } else {
    MPI_Ireduce_scatter_block(from, recv, kCount, MPI_FLOAT, MPI_SUM, comm, &request);
    Finish(&request, way);
  }
  Check(HoldSums(recv, kCount, rank * kCount), "reduce-scatter");
  free(recv);
  free(send);
}

static void AllGather(MPI_Comm comm, int in_place, int way) {
  MPI_Request request;
  float* send = Floats(kCount);
  float* recv = Floats(kCount * nranks);
  const void* from = in_place ? MPI_IN_PLACE : send;
  FillFloats(recv + rank * kCount, kCount, 0);
  if (way < 0) {
    MPI_Allgather(from, kCount, MPI_FLOAT, recv, kCount, MPI_FLOAT, comm);
  } else {
    MPI_Iallgather(from, kCount, MPI_FLOAT, recv, kCount, MPI_FLOAT, comm, &request);
    Finish(&request, way);
  }
  for (int r = 0; r < nranks; ++r) Check(HoldOf(recv + r * kCount, kCount, r), "all-gather");
  free(recv);
  free(send);
}

static void Broadcast(MPI_Comm comm, int root, int way) {
  MPI_Request request;
  float* values = Floats(kCount);
  if (way < 0) {
    MPI_Bcast(values, kCount, MPI_FLOAT, root, comm);
  } else {
    MPI_Ibcast(values, kCount, MPI_FLOAT, root, comm, &request);
    Finish(&request, way);
  }
  Check(HoldOf(values, kCount, root), "broadcast");
  free(values);
}

static int EveryFunction(MPI_Comm comm) {
  int calls = 0;
  for (int way = -1; way <= 5; ++way) {
    for (int in_place = 0; in_place <= 1; ++in_place, calls += 4) {
      AllReduce(comm, in_place, way);
      ReduceScatterBlock(comm, in_place, way);
      AllGather(comm, in_place, way);
      Broadcast(comm, in_place ? nranks - 1 : 0, way);
    }
  }
  return calls;
}

/* ---- Datatypes --------------------------------------------------------------------------------
 */

static void OtherFloats(void) {
  double* numbers = malloc(kCount * sizeof(*numbers));
  double complex* complexes = malloc(kCount * sizeof(*complexes));
  for (int i = 0; i < kCount; ++i) {
    numbers[i] = Element(rank, i);
    complexes[i] = Element(rank, i) + I * Element(rank, i + 1);
  }
  MPI_Allreduce(MPI_IN_PLACE, numbers, kCount, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  MPI_Allreduce(MPI_IN_PLACE, complexes, kCount, MPI_C_DOUBLE_COMPLEX, MPI_SUM, MPI_COMM_WORLD);
  for (int i = 0; i < kCount; ++i) {
    Check(numbers[i] == Sum(i), "sum of doubles");
    Check(complexes[i] == Sum(i) + I * Sum(i + 1), "sum of complex numbers");
  }
  free(complexes);
  free(numbers);
  CheckBelow(0, "doubles and complex numbers are carried");
}

/* Every second float, as a vector in a struct that also holds no integers; 2 floats an item. */
static MPI_Datatype Gappy(void) {
  MPI_Datatype vector, parts[2], type, resized;
  const int lengths[2] = {1, 0};
  const MPI_Aint places[2] = {0, 0};
  MPI_Type_vector(2, 1, 2, MPI_FLOAT, &vector);
  parts[0] = vector;
  parts[1] = MPI_INT;
  MPI_Type_create_struct(2, lengths, places, parts, &type);
  MPI_Type_create_resized(type, 0, 4 * sizeof(float), &resized);
  MPI_Type_commit(&resized);
  MPI_Type_free(&vector);
  MPI_Type_free(&type);
  return resized;
}

/* One rank has gaps between its floats, the others have none; the type is freed at once. */
static void DerivedOnOneRank(int odd, int root, int waits) {
  MPI_Request request;
  MPI_Datatype gappy = Gappy();
  const int items = kCount / 2;
  const int step = rank == odd ? 2 : 1;
  float* values = calloc(2 * kCount, sizeof(*values));
  for (int i = 0; i < kCount; ++i) values[i * step] = (float)Element(rank, i);
  MPI_Ibcast(values, rank == odd ? items : kCount, rank == odd ? gappy : MPI_FLOAT, root,
             MPI_COMM_WORLD, &request);
  if (waits) MPI_Wait(&request, MPI_STATUS_IGNORE);
  MPI_Type_free(&gappy);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  for (int i = 0; i < kCount; ++i) {
    Check(values[i * step] == (float)Element(root, i), "broadcast of every second float");
    Check(step == 1 || values[2 * i + 1] == 0, "what lies between them");
  }
  free(values);
}

static void GatherDerived(int odd, int in_place) {
  MPI_Datatype gappy = Gappy();
  const int step = rank == odd ? 2 : 1;
  const int here = rank == odd ? kCount / 2 : kCount;
  float* send = calloc(2 * kCount, sizeof(*send));
  float* recv = calloc((size_t)(2 * kCount * nranks), sizeof(*recv));
  for (int i = 0; i < kCount; ++i) {
    send[i * step] = recv[(rank * kCount + i) * step] = (float)Element(rank, i);
  }
  MPI_Datatype type = rank == odd ? gappy : MPI_FLOAT;
  MPI_Allgather(in_place ? MPI_IN_PLACE : send, here, type, recv, here, type, MPI_COMM_WORLD);
  for (int i = 0; i < kCount * nranks; ++i) {
    Check(recv[i * step] == (float)Element(i / kCount, i % kCount), "all-gather with gaps");
    Check(step == 1 || recv[2 * i + 1] == 0, "what lies between them");
  }
  free(recv);
  free(send);
  MPI_Type_free(&gappy);
}

static void Datatypes(void) {
  OtherFloats();
  for (int waits = 0; waits <= 1; ++waits) {
    DerivedOnOneRank(0, 0, waits);
    DerivedOnOneRank(1, 0, waits);
  }
  GatherDerived(1, 0);
  GatherDerived(1, 1);
  CheckBelow(0, "derived datatypes of floats are carried");
}

/* ---- What MPI keeps ---------------------------------------------------------------------------
 */

static void AddUp(void* in, void* inout, int* count, MPI_Datatype* type) {
  (void)type;
  for (int i = 0; i < *count; ++i) ((float*)inout)[i] += ((float*)in)[i];
}

static void PassedThrough(void) {
  int* integers = calloc(kCount, sizeof(*integers));
  float* values = Floats(kCount);
  MPI_Op own;
  MPI_Comm half, turned;
  MPI_Datatype mixed;
  const int lengths[2] = {1, 1};
  const MPI_Aint places[2] = {0, 4};
  const MPI_Datatype parts[2] = {MPI_FLOAT, MPI_INT};
  MPI_Op_create(AddUp, 1, &own);
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
  MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &turned);
  MPI_Type_create_struct(2, lengths, places, parts, &mixed);
  MPI_Type_commit(&mixed);
  CheckBelow(0, "to begin with");
  MPI_Allreduce(MPI_IN_PLACE, integers, kCount, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  CheckBelow(1, "integers pass through");
  MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_MAX, MPI_COMM_WORLD);
  Check(HoldOf(values, kCount, nranks - 1), "maximum");
  CheckBelow(1, "maxima pass through");
  FillFloats(values, kCount, 0);
  MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, own, MPI_COMM_WORLD);
  Check(HoldSums(values, kCount, 0), "an operation of the program");
  CheckBelow(1, "operations of the program pass through");
  MPI_Bcast(values, 1000, MPI_FLOAT, 0, MPI_COMM_WORLD);
  CheckBelow(1, "what is below the floor passes through");
  MPI_Bcast(values, kCount / 2, mixed, 0, MPI_COMM_WORLD);
  CheckBelow(1, "structs of floats and others pass through");
  MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, MPI_COMM_SELF);
  MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, half);
  CheckBelow(2, "communicators of some ranks pass through");
  FillFloats(values, kCount, 0);
  MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, turned);
  Check(HoldSums(values, kCount, 0), "ranks in another order");
  CheckBelow(1, "ranks in another order pass through");
  MPI_Type_free(&mixed);
  MPI_Comm_free(&turned);
  MPI_Comm_free(&half);
  MPI_Op_free(&own);
  free(values);
  free(integers);
}

/* ---- Several at a time ------------------------------------------------------------------------
 */

static void ManyInFlight(MPI_Comm comm) {
  enum { kCalls = 12 };
  MPI_Request requests[kCalls + 2];
  float* values[kCalls];
  int got = -1;
  MPI_Irecv(&got, 1, MPI_INT, (rank + 1) % nranks, 7, comm, &requests[kCalls]);
  for (int i = 0; i < kCalls; ++i) {
    values[i] = Floats(kCount);
    MPI_Comm on = i % 3 == 0 ? MPI_COMM_WORLD : comm;
    MPI_Iallreduce(MPI_IN_PLACE, values[i], kCount, MPI_FLOAT, MPI_SUM, on, &requests[i]);
    if (i == 5) Broadcast(comm, 0, -1); /* others are in flight */
  }
  MPI_Isend(&rank, 1, MPI_INT, (rank + nranks - 1) % nranks, 7, comm, &requests[kCalls + 1]);
  MPI_Waitall(kCalls + 2, requests, MPI_STATUSES_IGNORE);
  Check(got == (rank + 1) % nranks, "a message among collectives");
  for (int i = 0; i < kCalls; ++i) {
    Check(HoldSums(values[i], kCount, 0), "one of many");
    free(values[i]);
  }
}

/* The communicator goes while a call on it is in flight, its first one. */
static void FreedInFlight(void) {
  MPI_Comm copy;
  MPI_Request request;
  float* values = Floats(kCount);
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  MPI_Iallreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, copy, &request);
  MPI_Comm_free(&copy);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  Check(HoldSums(values, kCount, 0), "a call on what is freed");
  free(values);
}

static void Carried(void) {
  MPI_Comm copy;
  AllReduce(MPI_COMM_WORLD, 0, -1);
  __atomic_store_n(&below, 0, __ATOMIC_RELAXED); /* what opening took */
  EveryFunction(MPI_COMM_WORLD);
  CheckBelow(0, "all calls are carried");
  Datatypes();
  PassedThrough();
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  AllReduce(copy, 0, 1);
  __atomic_store_n(&below, 0, __ATOMIC_RELAXED);
  EveryFunction(copy);
  ManyInFlight(copy);
  CheckBelow(0, "all calls on a duplicate are carried");
  MPI_Comm_free(&copy);
  FreedInFlight();
}

/* Ranks owe each other messages while they start, or are in, collectives. */
static void First(void) {
  enum { kLarge = 1 << 20 };
  MPI_Comm copy;
  MPI_Request request, sending;
  float* values = Floats(kCount);
  char* large = calloc(kLarge, 1);
  if (rank != 0) MPI_Recv(large, 1, MPI_CHAR, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  MPI_Iallreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  for (int r = 1; rank == 0 && r < nranks; ++r) MPI_Send(large, 1, MPI_CHAR, r, 1, MPI_COMM_WORLD);
  AllReduce(MPI_COMM_WORLD, 0, -1); /* overtakes nothing */
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  Check(HoldSums(values, kCount, 0), "the first all-reduce");
  MPI_Comm_dup(MPI_COMM_WORLD, &copy);
  for (int i = 0; i < 2; ++i) { /* when the communicator is made, and when it is there */
    if (rank == 0) MPI_Isend(large, kLarge, MPI_CHAR, 1, 2, copy, &sending);
    if (rank == 1) MPI_Recv(large, kLarge, MPI_CHAR, 0, 2, copy, MPI_STATUS_IGNORE);
    AllReduce(copy, 0, -1);
    if (rank == 0) MPI_Wait(&sending, MPI_STATUS_IGNORE);
  }
  free(large);
  free(values);
}

static void Compressed(void) {
  enum { kLarge = 20000 };
  float* values = Floats(kLarge);
  float* own = Floats(kLarge);
  MPI_Request request;
  MPI_Allreduce(MPI_IN_PLACE, own, kLarge, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Iallreduce(MPI_IN_PLACE, values, kLarge, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  Check(memcmp(own, values, kLarge * sizeof(*own)) == 0, "the same values again");
  int rounded = 0;
  for (int i = 0; i < kLarge; ++i) {
    const double off = values[i] - Sum(i);
    rounded += off != 0;
    Check(off * off < 100, "near the sum"); /* of up to some 1000 a rank, in blocks of like ones */
  }
  Check(rounded > 0, "compressed");
  MPI_Bcast(own, kLarge, MPI_FLOAT, 0, MPI_COMM_WORLD);
  Check(memcmp(own, values, kLarge * sizeof(*own)) == 0, "the same on all ranks");
  free(own);
  free(values);
}

static void Funneled(void) {
  AllReduce(MPI_COMM_WORLD, 0, -1);
  __atomic_store_n(&below, 0, __ATOMIC_RELAXED);
  AllReduce(MPI_COMM_WORLD, 0, 0);
  CheckBelow(1, "non-blocking calls pass through");
  AllReduce(MPI_COMM_WORLD, 0, -1);
  CheckBelow(0, "blocking calls are carried");
}

static void Late(void) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  int error_class = MPI_SUCCESS;
  MPI_Request request;
  float* values = Floats(kCount);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  AllReduce(MPI_COMM_WORLD, 0, -1);
  if (rank == 1) sleep(2);
  const int error = MPI_Allreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Error_class(error, &error_class);
  MPI_Error_string(error, text, &length);
  Check(error_class == MPI_ERR_OTHER, text);
  int later =
      MPI_Iallreduce(MPI_IN_PLACE, values, kCount, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  if (later == MPI_SUCCESS) later = MPI_Wait(&request, MPI_STATUS_IGNORE);
  Check(later != MPI_SUCCESS, "calls after that fail too");
  free(values);
}

static void Refused(int way) {
  AllReduce(MPI_COMM_WORLD, 0, way);
  __atomic_store_n(&below, 0, __ATOMIC_RELAXED);
  CheckBelow(0, "to begin with");
  const int calls = EveryFunction(MPI_COMM_WORLD);
  CheckBelow(calls, "MPI gets all");
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* place = getenv("OMPI_COMM_WORLD_RANK");
  int provided = -1;
  int told = -1;
  if (strncmp(what, "refused", 7) == 0 && place != NULL && strcmp(place, "1") == 0) {
    setenv("THINWIRE_TRANSPORT", "pigeons", 1);
  }
  if (strcmp(what, "funneled") == 0) most_threads = MPI_THREAD_FUNNELED;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  MPI_Query_thread(&told);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &nranks);
  Check(provided == MPI_THREAD_FUNNELED && told == provided, "threads as asked for");
  if (strcmp(what, "carried") == 0) Carried();
  if (strcmp(what, "first") == 0) First();
  if (strcmp(what, "compressed") == 0) Compressed();
  if (strcmp(what, "funneled") == 0) Funneled();
  if (strcmp(what, "late") == 0) Late();
  if (strcmp(what, "refused") == 0) Refused(-1);
  if (strcmp(what, "refused_first") == 0) Refused(0);
  MPI_Finalize();
  printf("good\n");
  return 0;
}
