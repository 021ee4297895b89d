// SPDX-License-Identifier: Apache-2.0
#include "api/nccl_fallback.h"

#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "api/fallback.h"

namespace thinwire::nccl {
namespace {

// Thinwire's communicators and those that stand for them.
class Register {
 public:
  static Register& Instance() {
    static auto* instance = new Register;  // never freed: calls may come while the process ends
    return *instance;
  }
  void Add(ncclComm_t comm, ncclComm_t theirs) {
    const std::unique_lock lock(mutex_);
    theirs_.emplace(comm, theirs);
    any_ = true;
  }
  ncclComm_t Find(ncclComm_t comm) {
    if (!any_.load(std::memory_order_acquire)) return nullptr;
    const std::shared_lock lock(mutex_);
    const auto found = theirs_.find(comm);
    return found == theirs_.end() ? nullptr : found->second;
  }
  ncclComm_t Take(ncclComm_t comm) {
    if (!any_.load(std::memory_order_acquire)) return nullptr;
    const std::unique_lock lock(mutex_);
    const auto taken = theirs_.extract(comm);
    return taken.empty() ? nullptr : taken.mapped();
  }

 private:
  std::atomic<bool> any_{false};  // ever
  std::shared_mutex mutex_;
  std::map<ncclComm_t, ncclComm_t> theirs_;
};

thread_local int other_groups = 0;  // open

template <typename Function>
bool Load(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

// Its own symbols come before ours, which have the same names.
bool LoadAll(const char* path, OtherNccl* other) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) return false;
  (void)Load(library, "ncclAlltoAll", &other->AlltoAll);
  (void)Load(library, "ncclGather", &other->Gather);
  (void)Load(library, "ncclScatter", &other->Scatter);
  return Load(library, "ncclGetUniqueId", &other->GetUniqueId) &&
         Load(library, "ncclCommInitRank", &other->CommInitRank) &&
         Load(library, "ncclCommInitAll", &other->CommInitAll) &&
         Load(library, "ncclCommFinalize", &other->CommFinalize) &&
         Load(library, "ncclCommDestroy", &other->CommDestroy) &&
         Load(library, "ncclCommAbort", &other->CommAbort) &&
         Load(library, "ncclCommGetAsyncError", &other->CommGetAsyncError) &&
         Load(library, "ncclGetLastError", &other->GetLastError) &&
         Load(library, "ncclAllReduce", &other->AllReduce) &&
         Load(library, "ncclReduce", &other->Reduce) &&
         Load(library, "ncclBroadcast", &other->Broadcast) &&
         Load(library, "ncclAllGather", &other->AllGather) &&
         Load(library, "ncclReduceScatter", &other->ReduceScatter) &&
         Load(library, "ncclSend", &other->Send) && Load(library, "ncclRecv", &other->Recv) &&
         Load(library, "ncclRedOpCreatePreMulSum", &other->RedOpCreatePreMulSum) &&
         Load(library, "ncclRedOpDestroy", &other->RedOpDestroy) &&
         Load(library, "ncclGroupStart", &other->GroupStart) &&
         Load(library, "ncclGroupEnd", &other->GroupEnd);
}

bool MayHandOver(ncclComm_t comm) {
  int may = 0;
  return Other() != nullptr && thinwireCommMayHandOver(comm, &may) == thinwireSuccess && may != 0;
}

// Whether what every rank of `comms` did went well; it is this thread's to say for these.
bool AllWent(const std::vector<ncclComm_t>& comms, bool well) {
  std::vector<int> flags(comms.size(), well ? 1 : 0);
  bool told = thinwireGroupStart() == thinwireSuccess;
  for (size_t i = 0; i < comms.size(); ++i) {
    told = thinwireAllReduce(&flags[i], &flags[i], 1, thinwireInt32, thinwireMin, comms[i],
                             nullptr) == thinwireSuccess &&
           told;
  }
  return thinwireGroupEnd() == thinwireSuccess && told && flags.front() == 1;
}

void Keep(const std::vector<ncclComm_t>& comms, const std::vector<ncclComm_t>& theirs, bool well) {
  const std::string why = well ? "" : Other()->GetLastError(nullptr);
  if (AllWent(comms, well)) {
    for (size_t i = 0; i < comms.size(); ++i) Register::Instance().Add(comms[i], theirs[i]);
    return;
  }
  for (const ncclComm_t each : theirs) {
    if (each != nullptr) (void)Other()->CommAbort(each);
  }
  thinwireLogWarning(("a communicator stays with Thinwire, since the library of THINWIRE_FALLBACK "
                      "could not make it on all ranks" +
                      (why.empty() ? why : ": " + why))
                         .c_str());
}

}  // namespace

const OtherNccl* Other() {
  static const OtherNccl* const other = []() -> const OtherNccl* {
    const char* path = nullptr;
    if (thinwireFallbackPath(&path) != thinwireSuccess || *path == '\0') return nullptr;
    static OtherNccl loaded{};
    if (LoadAll(path, &loaded)) return &loaded;
    const char* const why = dlerror();
    thinwireLogWarning((std::string("THINWIRE_FALLBACK=") + path + " can't be used: " +
                        (why == nullptr ? "functions of NCCL are missing" : why))
                           .c_str());
    return nullptr;
  }();
  return other;
}

ncclComm_t HandedOver(ncclComm_t comm) { return Register::Instance().Find(comm); }

ncclComm_t TakeBack(ncclComm_t comm) { return Register::Instance().Take(comm); }

void StartOtherGroup() {
  if (Other() != nullptr && Other()->GroupStart() == ncclSuccess) ++other_groups;
}

ncclResult_t EndOtherGroup() {
  if (other_groups == 0) return ncclSuccess;
  --other_groups;
  return Other()->GroupEnd();
}

void HandOver(ncclComm_t comm) {
  if (comm == nullptr || !MayHandOver(comm)) return;
  int rank = 0;
  int ranks = 0;
  (void)thinwireCommUserRank(comm, &rank);
  (void)thinwireCommCount(comm, &ranks);
  // All zeros: rank 0 could not make one. Nobody joins by it then.
  ncclUniqueId id{};
  if (rank == 0 && Other()->GetUniqueId(&id) != ncclSuccess) id = {};
  const ncclUniqueId none{};
  ncclComm_t theirs = nullptr;
  const bool well =
      thinwireBroadcast(&id, &id, sizeof(id), thinwireInt8, 0, comm, nullptr) == thinwireSuccess &&
      std::memcmp(&id, &none, sizeof(id)) != 0 &&
      Other()->CommInitRank(&theirs, ranks, id, rank) == ncclSuccess;
  Keep({comm}, {theirs}, well);
}

void HandOverAll(ncclComm_t* comms, int count, const int* devices) {
  if (!MayHandOver(comms[0])) return;
  std::vector<ncclComm_t> theirs(static_cast<size_t>(count), nullptr);
  const bool well = Other()->CommInitAll(theirs.data(), count, devices) == ncclSuccess;
  Keep({comms, comms + count}, theirs, well);
}

}  // namespace thinwire::nccl
