/* SPDX-License-Identifier: Apache-2.0 */
/* By MPI's second names, PMPI_: what profilers and libthinwire_mpi_preload.so catch under the first
 * are the program's own calls. */
#define _POSIX_C_SOURCE 200809L
#include "base/mpi_module.h"

#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((visibility("default"))) GetMpiCalls thinwire_mpi_calls;

/* Beside MPI's own errors, which are positive. */
enum { kStopped = -1, kNoTags = -2 };

/* MPI ends the process that calls it after MPI_Finalize: calls hold `running` for reading and look
 * at `stopped`, which MPI_Finalize sets by way of an attribute of MPI_COMM_SELF. */
static pthread_rwlock_t running = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER; /* the private world */
static int started = 0;
static int stopped = 0;
static int next_tag = 0;
static int has_private_world = 0;
static MpiWorld the_world;
static MPI_Comm private_world = MPI_COMM_NULL;

static int Enter(void) {
  pthread_rwlock_rdlock(&running);
  if (started && !stopped) return MPI_SUCCESS;
  pthread_rwlock_unlock(&running);
  return kStopped;
}

static int Leave(int result) {
  pthread_rwlock_unlock(&running);
  return result;
}

/* Handles fit. */
typedef char CommFits[sizeof(MPI_Comm) <= sizeof(MpiHandle) ? 1 : -1];
typedef char RequestFits[sizeof(MPI_Request) <= sizeof(MpiHandle) ? 1 : -1];

static MPI_Comm CommOf(MpiHandle handle) {
  MPI_Comm comm;
  memcpy(&comm, &handle, sizeof(comm));
  return comm;
}

static MPI_Request RequestOf(MpiHandle handle) {
  MPI_Request request;
  memcpy(&request, &handle, sizeof(request));
  return request;
}

static int Keep(int result, MPI_Request request, MpiHandle* handle) {
  memcpy(handle, &request, sizeof(request));
  return Leave(result);
}

/* ---- Start and end ----------------------------------------------------------------------------
 */

static void FinalizeMpi(void) {
  int finalized = 0;
  PMPI_Finalized(&finalized);
  if (!finalized) PMPI_Finalize();
}

static int OnFinalize(MPI_Comm comm, int key, void* value, void* extra) {
  (void)comm, (void)key, (void)value, (void)extra;
  pthread_rwlock_wrlock(&running);
  stopped = 1;
  pthread_rwlock_unlock(&running);
  return MPI_SUCCESS;
}

static int WatchFinalize(void) {
  int key = MPI_KEYVAL_INVALID;
  const int result = PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, OnFinalize, &key, NULL);
  return result != MPI_SUCCESS ? result : PMPI_Comm_set_attr(MPI_COMM_SELF, key, NULL);
}

static int LookAround(MpiWorld* world) {
  int threads = MPI_THREAD_SINGLE;
  int known = 0;
  int* largest = NULL;
  int result = PMPI_Query_thread(&threads);
  if (result == MPI_SUCCESS) result = PMPI_Comm_rank(MPI_COMM_WORLD, &world->rank);
  if (result == MPI_SUCCESS) result = PMPI_Comm_size(MPI_COMM_WORLD, &world->ranks);
  if (result == MPI_SUCCESS) {
    result = PMPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &largest, &known);
  }
  world->threads_allowed = threads == MPI_THREAD_MULTIPLE;
  world->largest_tag = known ? *largest : 32767; /* what the standard promises at least */
  return result;
}

static int StartOnce(void) {
  int initialized = 0;
  int finalized = 0;
  int provided = MPI_THREAD_SINGLE;
  int result = PMPI_Finalized(&finalized);
  if (finalized) return kStopped;
  if (result == MPI_SUCCESS) result = PMPI_Initialized(&initialized);
  if (result == MPI_SUCCESS && !initialized) {
    result = PMPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    if (result == MPI_SUCCESS) atexit(FinalizeMpi);
  }
  if (result == MPI_SUCCESS) result = LookAround(&the_world);
  if (result == MPI_SUCCESS) result = WatchFinalize();
  return result;
}

static int Start(MpiWorld* world) {
  pthread_mutex_lock(&starting);
  int result = MPI_SUCCESS;
  if (!started) {
    result = StartOnce();
    pthread_rwlock_wrlock(&running);
    started = result == MPI_SUCCESS;
    pthread_rwlock_unlock(&running);
  }
  pthread_mutex_unlock(&starting);
  if (result == MPI_SUCCESS) result = Enter();
  if (result != MPI_SUCCESS) return result;
  *world = the_world;
  return Leave(MPI_SUCCESS);
}

static void Describe(int error, char* text, int text_size) {
  char own[MPI_MAX_ERROR_STRING] = "MPI was finalized: destroy communicators before MPI_Finalize";
  int length = 0;
  if (error == kNoTags) snprintf(own, sizeof(own), "all tags of this process are used up");
  if (error > 0 && Enter() == MPI_SUCCESS) {
    PMPI_Error_string(error, own, &length);
    Leave(0);
  }
  if (text_size > 0) snprintf(text, (size_t)text_size, "%s", own);
}

/* ---- Groups -----------------------------------------------------------------------------------
 */

/* A communicator of all ranks, made by the first who needs one. Not a duplicate of MPI_COMM_WORLD,
 * which would run the program's callbacks for attributes. */
static int PrivateWorld(MPI_Comm* comm) {
  MPI_Group world = MPI_GROUP_NULL;
  int result = MPI_SUCCESS;
  pthread_mutex_lock(&making);
  if (private_world == MPI_COMM_NULL) {
    result = PMPI_Comm_group(MPI_COMM_WORLD, &world);
    if (result == MPI_SUCCESS) result = PMPI_Comm_create(MPI_COMM_WORLD, world, &private_world);
    if (result == MPI_SUCCESS) result = PMPI_Comm_set_errhandler(private_world, MPI_ERRORS_RETURN);
    if (world != MPI_GROUP_NULL) PMPI_Group_free(&world);
    __atomic_store_n(&has_private_world, result == MPI_SUCCESS, __ATOMIC_RELEASE);
  }
  *comm = private_world;
  pthread_mutex_unlock(&making);
  return result;
}

static int HasPrivateWorld(void) { return __atomic_load_n(&has_private_world, __ATOMIC_ACQUIRE); }

static int Broadcast(void* bytes, int size) {
  MPI_Comm comm = MPI_COMM_NULL;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  result = PrivateWorld(&comm);
  if (result == MPI_SUCCESS) result = PMPI_Bcast(bytes, size, MPI_BYTE, 0, comm);
  return Leave(result);
}

static int Gather(const void* bytes, int size, void* all, MpiHandle* handle) {
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Request request = MPI_REQUEST_NULL;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  result = PrivateWorld(&comm);
  if (result == MPI_SUCCESS) {
    result = PMPI_Iallgather(bytes, size, MPI_BYTE, all, size, MPI_BYTE, comm, &request);
  }
  return Keep(result, request, handle);
}

static int NewTag(int* tag) {
  const int result = Enter();
  if (result != MPI_SUCCESS) return result;
  *tag = __atomic_fetch_add(&next_tag, 1, __ATOMIC_RELAXED);
  return Leave(*tag >= 0 && *tag < the_world.largest_tag ? MPI_SUCCESS : kNoTags);
}

/* Groups that are made at the same time are told apart by it. */
static int TagOfGroup(const int* world_ranks, int count) {
  uint32_t hash = 2166136261u;
  for (int i = 0; i < count; ++i) hash = (hash ^ (uint32_t)world_ranks[i]) * 16777619u;
  return (int)(hash % (uint32_t)the_world.largest_tag);
}

static int CreateGroup(const int* world_ranks, int count, MPI_Comm parent, MPI_Comm* comm) {
  MPI_Group world = MPI_GROUP_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  int result = PMPI_Comm_group(parent, &world);
  if (result == MPI_SUCCESS) result = PMPI_Group_incl(world, count, world_ranks, &group);
  if (result == MPI_SUCCESS) {
    result = PMPI_Comm_create_group(parent, group, TagOfGroup(world_ranks, count), comm);
  }
  if (result == MPI_SUCCESS) result = PMPI_Comm_set_errhandler(*comm, MPI_ERRORS_RETURN);
  if (group != MPI_GROUP_NULL) PMPI_Group_free(&group);
  if (world != MPI_GROUP_NULL) PMPI_Group_free(&world);
  return result;
}

static int OpenGroup(const int* world_ranks, int count, int use_private_world, MpiHandle* handle) {
  MPI_Comm comm = MPI_COMM_NULL;
  MPI_Comm parent = MPI_COMM_WORLD;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  if (count == the_world.ranks) {
    result = PrivateWorld(&comm);
  } else {
    if (use_private_world) result = PrivateWorld(&parent);
    if (result == MPI_SUCCESS) result = CreateGroup(world_ranks, count, parent, &comm);
  }
  memcpy(handle, &comm, sizeof(comm));
  return Leave(result);
}

/* ---- Messages ---------------------------------------------------------------------------------
 */

static int Send(MpiHandle group, int rank, int tag, const void* bytes, int size,
                MpiHandle* handle) {
  MPI_Request request = MPI_REQUEST_NULL;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  result = PMPI_Isend(bytes, size, MPI_BYTE, rank, tag, CommOf(group), &request);
  return Keep(result, request, handle);
}

static int Receive(MpiHandle group, int tag, void* bytes, int capacity, MpiHandle* handle) {
  MPI_Request request = MPI_REQUEST_NULL;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  result = PMPI_Irecv(bytes, capacity, MPI_BYTE, MPI_ANY_SOURCE, tag, CommOf(group), &request);
  return Keep(result, request, handle);
}

static int Test(MpiHandle* handle, int* done, int* size) {
  MPI_Status status;
  MPI_Request request = RequestOf(*handle);
  *done = 0;
  *size = 0;
  int result = Enter();
  if (result != MPI_SUCCESS) return result;
  result = PMPI_Test(&request, done, &status);
  if (result != MPI_SUCCESS) *done = 1;
  if (result == MPI_SUCCESS && *done) PMPI_Get_count(&status, MPI_BYTE, size);
  return Keep(result, request, handle);
}

static int Cancel(MpiHandle* handle) {
  MPI_Request request = RequestOf(*handle);
  const int result = Enter();
  return result != MPI_SUCCESS ? result : Keep(PMPI_Cancel(&request), request, handle);
}

const MpiCalls* thinwire_mpi_calls(void) {
  static const MpiCalls calls = {.start = Start,
                                 .describe = Describe,
                                 .broadcast = Broadcast,
                                 .gather = Gather,
                                 .new_tag = NewTag,
                                 .has_private_world = HasPrivateWorld,
                                 .open_group = OpenGroup,
                                 .send = Send,
                                 .receive = Receive,
                                 .test = Test,
                                 .cancel = Cancel};
  return &calls;
}
