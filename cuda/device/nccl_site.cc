// SPDX-License-Identifier: Apache-2.0
#include "cuda/device/nccl_site.h"

#include <dlfcn.h>

#include <cstring>

namespace thinwire::cuda {
namespace {

// What is used of NCCL, declared as its ABI has it; types and reductions have our values.
struct NcclId {
  char internal[128];
};
using NcclComm = struct NcclCommStruct*;
using Stream = void*;

struct Nccl {
  const char* (*GetErrorString)(int);
  int (*GetUniqueId)(NcclId*);
  int (*CommInitRank)(NcclComm*, int ranks, NcclId id, int rank);
  int (*CommDestroy)(NcclComm);
  int (*CommAbort)(NcclComm);
  int (*ReduceScatter)(const void*, void*, size_t, int dtype, int op, NcclComm, Stream);
  int (*AllGather)(const void*, void*, size_t, int dtype, NcclComm, Stream);
  int (*Reduce)(const void*, void*, size_t, int dtype, int op, int root, NcclComm, Stream);
  int (*Broadcast)(const void*, void*, size_t, int dtype, int root, NcclComm, Stream);
};

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

Result<Nccl> Load(const std::string& path) {
  const char* const name = path.empty() ? "libnccl.so.2" : path.c_str();
  // Deeply bound: it must call its own functions even where ours are preloaded over them.
  void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == nullptr) {
    return SystemError("{} cannot be loaded ({}); THINWIRE_NCCL names NVIDIA's NCCL", name,
                       dlerror());
  }
  if (path.empty() && dlsym(library, "thinwireGetVersion") != nullptr) {
    return InvalidUsage("libnccl.so.2 is Thinwire's own; THINWIRE_NCCL must name NVIDIA's");
  }
  Nccl nccl = {};
  const bool whole = Find(library, "ncclGetErrorString", &nccl.GetErrorString) &&
                     Find(library, "ncclGetUniqueId", &nccl.GetUniqueId) &&
                     Find(library, "ncclCommInitRank", &nccl.CommInitRank) &&
                     Find(library, "ncclCommDestroy", &nccl.CommDestroy) &&
                     Find(library, "ncclCommAbort", &nccl.CommAbort) &&
                     Find(library, "ncclReduceScatter", &nccl.ReduceScatter) &&
                     Find(library, "ncclAllGather", &nccl.AllGather) &&
                     Find(library, "ncclReduce", &nccl.Reduce) &&
                     Find(library, "ncclBroadcast", &nccl.Broadcast);
  if (whole) return nccl;
  return SystemError("{} is no NCCL: {}", name, dlerror());
}

Status Check(const Nccl& nccl, int result, const char* what) {
  if (result == 0) return {};
  return Status(Code::kCuda, fmt::format("NCCL's {} within the site failed: {}", what,
                                         nccl.GetErrorString(result)));
}

class NcclSite final : public Site {
 public:
  NcclSite(const Nccl& nccl, NcclComm comm) : nccl_(nccl), comm_(comm) {}
  ~NcclSite() override {
    if (comm_ != nullptr) (void)nccl_.CommDestroy(comm_);
  }

  Status ReduceScatter(const void* send, void* recv, size_t count, DataType dtype,
                       Reduction reduction, void* stream) override {
    return Check(nccl_,
                 nccl_.ReduceScatter(send, recv, count, static_cast<int>(dtype),
                                     static_cast<int>(reduction), comm_, stream),
                 "reduce-scatter");
  }
  Status AllGather(const void* send, void* recv, size_t count, DataType dtype,
                   void* stream) override {
    return Check(nccl_, nccl_.AllGather(send, recv, count, static_cast<int>(dtype), comm_, stream),
                 "all-gather");
  }
  Status Reduce(const void* send, void* recv, size_t count, DataType dtype, Reduction reduction,
                int root, void* stream) override {
    return Check(nccl_,
                 nccl_.Reduce(send, recv, count, static_cast<int>(dtype),
                              static_cast<int>(reduction), root, comm_, stream),
                 "reduce");
  }
  Status Broadcast(void* buffer, size_t count, DataType dtype, int root, void* stream) override {
    return Check(
        nccl_, nccl_.Broadcast(buffer, buffer, count, static_cast<int>(dtype), root, comm_, stream),
        "broadcast");
  }
  void Abort() override {
    if (comm_ != nullptr) (void)nccl_.CommAbort(comm_);
    comm_ = nullptr;
  }

 private:
  const Nccl nccl_;
  NcclComm comm_;
};

}  // namespace

Result<SiteId> NewNcclSiteId(const std::string& path) {
  TW_ASSIGN(const Nccl nccl, Load(path));
  NcclId made = {};
  TW_TRY(Check(nccl, nccl.GetUniqueId(&made), "unique id"));
  SiteId id;
  std::memcpy(id.data(), made.internal, id.size());
  return id;
}

Result<std::unique_ptr<Site>> JoinNcclSite(const std::string& path, const SiteId& id, int rank,
                                           int ranks) {
  TW_ASSIGN(const Nccl nccl, Load(path));
  NcclId given = {};
  std::memcpy(given.internal, id.data(), id.size());
  NcclComm comm = nullptr;
  TW_TRY(Check(nccl, nccl.CommInitRank(&comm, ranks, given, rank), "set-up"));
  return std::unique_ptr<Site>(std::make_unique<NcclSite>(nccl, comm));
}

}  // namespace thinwire::cuda
