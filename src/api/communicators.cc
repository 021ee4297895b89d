// SPDX-License-Identifier: Apache-2.0
//
// The native C API's communicators: making, ending and asking them.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/fallback.h"
#include "api/guard.h"
#include "api/handle.h"
#include "base/env.h"
#include "base/log.h"
#include "base/variables.h"
#include "bootstrap/launch.h"
#include "comm/communicator.h"
#include "comm/group.h"
#include "comm/nccl_algorithms.h"
#include "comm/offspring.h"
#include "comm/survival.h"
#define THINWIRE_NCCL_NO_CUDA_HEADERS  // its version alone is of interest
#include "nccl_compat/nccl.h"
#include "thinwire/thinwire.h"

namespace thinwire {
namespace {

static_assert(sizeof(thinwireUniqueId) == sizeof(UniqueId));

UniqueId FromC(const thinwireUniqueId& id) {
  UniqueId copy;
  std::memcpy(copy.bytes.data(), id.internal, sizeof(id.internal));
  return copy;
}

void Override(const char* value, std::string* target) {
  if (value != nullptr) *target = value;
}
void Override(double value, double* target) {
  if (value > 0) *target = value;
}

// `env`, overridden by what `config` sets.
Result<Env> Overridden(Env env, const thinwireConfig_t* config) {
  env.hand_over = false;
  if (config == nullptr) return env;
  if (config->magic != THINWIRE_CONFIG_MAGIC || config->size != sizeof(thinwireConfig_t)) {
    return InvalidArgument("config was not initialised with THINWIRE_CONFIG_INITIALIZER");
  }
  Override(config->transport, &env.transport);
  Override(config->policy, &env.policy);
  Override(config->link, &env.link);
  Override(config->shape, &env.shape);
  Override(config->netInterface, &env.interface);
  Override(config->timeoutSeconds, &env.timeout_seconds);
  Override(config->connectTimeoutSeconds, &env.connect_timeout_seconds);
  Override(config->silenceSeconds, &env.silence_seconds);
  if (config->segmentBytes > 0) env.segment_bytes = config->segmentBytes;
  if (config->measureError >= 0) env.measure_error = config->measureError != 0;
  if (config->stateBytes > 0) env.state_bytes = config->stateBytes;
  Override(config->stateFolder, &env.state_folder);
  if (config->threads > 0) env.threads = config->threads;
  Override(config->device, &env.device);
  Override(config->sites, &env.sites);
  Override(config->survival, &env.survival);
  env.hand_over = config->handOver == 1;
  return env;
}

Result<Env> EnvFor(const thinwireConfig_t* config) {
  TW_ASSIGN(Env env, Env::Read());
  return Overridden(std::move(env), config);
}

bool Blocks(const Env& env, const thinwireConfig_t* config, bool otherwise) {
  if (!env.blocking.empty()) return env.blocking != "0";
  return config == nullptr || config->blocking < 0 ? otherwise : config->blocking != 0;
}

// Callers hand over what is there when the call returns.
void CheckHandOver(bool blocking, Env* env) {
  env->hand_over = env->hand_over && blocking && !Group::Current().open();
}

// Says what this is, once a process, to who asks for any log; programs and people look for the
// words "NCCL version".
void Introduce() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (Variable("THINWIRE_DEBUG") == nullptr && Variable("NCCL_DEBUG") == nullptr) return;
    TW_LOG(kVersion, "NCCL version {}.{}.{}+thinwire{}.{}.{}", NCCL_MAJOR, NCCL_MINOR, NCCL_PATCH,
           THINWIRE_VERSION_MAJOR, THINWIRE_VERSION_MINOR, THINWIRE_VERSION_PATCH);
    const char* const asked = Variable("NCCL_ALGO");
    const NcclAlgorithms algorithms(asked == nullptr ? "" : asked);
    for (const std::string& name : algorithms.ignored()) {
      TW_LOG_OF(kEnv, kInfo, "of NCCL_ALGO, {} means nothing here", name);
    }
    const std::vector<std::string> ignored = IgnoredVariables();
    if (ignored.empty()) return;
    TW_LOG_OF(kEnv, kInfo, "variables of NCCL that mean nothing here: {}",
              fmt::join(ignored, ", "));
  });
}

// A communicator that could not be made.
void Discard(thinwireComm_t* comm) { (void)Handle::Remove(std::exchange(*comm, nullptr)); }

Status InitRank(thinwireComm_t* comm, int nranks, const UniqueId& id, int rank, const Env& env,
                bool blocking) {
  Introduce();
  // Here and not in the job: the CUDA device is that of the calling thread.
  TW_ASSIGN(const auto communicator, Communicator::New(rank, nranks, env, {}));
  const std::shared_ptr<Handle> handle = Handle::Add(blocking);
  *comm = handle->name();
  const Status begun =
      handle->BeginToBe([communicator, id]() -> Result<std::shared_ptr<Communicator>> {
        TW_TRY(communicator->Join(id));
        return communicator;
      });
  if (!begun.ok() && begun.code() != Code::kInProgress) Discard(comm);
  return begun;
}

// The communicator of the ranks that are left of another, where some were lost; null: none was.
std::shared_ptr<Communicator> HeirOf(const Communicator& communicator) {
  const Survival* const survival = communicator.survival();
  return survival == nullptr ? nullptr : survival->heir();
}

// Makes a communicator from that of `comm` by `make`, of its environment and `config`.
using MakeFrom =
    std::function<Result<std::shared_ptr<Communicator>>(Communicator* parent, const Env& env)>;
Status Derive(thinwireComm_t comm, thinwireComm_t* child, const thinwireConfig_t* config,
              MakeFrom make) {
  TW_ASSIGN(const auto handle, Handle::Find(comm));
  TW_ASSIGN(auto parent, handle->Ready());
  TW_TRY(CheckPointer(child, "child"));
  *child = nullptr;
  TW_ASSIGN(Env env, Overridden(parent->env(), config));
  env.cuda_device = parent->device_number();
  if (const auto heir = HeirOf(*parent); heir != nullptr) parent = heir;
  const bool blocking = Blocks(env, config, handle->blocking());
  CheckHandOver(blocking, &env);
  return handle->BeginChild(
      [parent, env, make = std::move(make)] { return make(parent.get(), env); }, blocking, child);
}

Status CheckSurvives(const Communicator& communicator) {
  if (communicator.survival() != nullptr) return {};
  return InvalidUsage("the communicator has no survival policy (THINWIRE_SURVIVAL)");
}

}  // namespace
}  // namespace thinwire

using namespace thinwire;  // NOLINT: the functions below are the API itself

extern "C" {

thinwireResult_t thinwireGetVersion(int* version) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(version, "version"));
    *version = THINWIRE_VERSION_CODE;
    return {};
  });
}

thinwireResult_t thinwireGetUniqueId(thinwireUniqueId* id) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(id, "id"));
    TW_ASSIGN(const Env env, Env::Read());
    TW_ASSIGN(const UniqueId created, Communicator::NewId(env));
    std::memcpy(id->internal, created.bytes.data(), sizeof(id->internal));
    return {};
  });
}

thinwireResult_t thinwireCommInitRank(thinwireComm_t* comm, int nranks, thinwireUniqueId id,
                                      int rank, const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comm, "comm"));
    *comm = nullptr;
    TW_ASSIGN(Env env, EnvFor(config));
    const bool blocking = Blocks(env, config, true);
    CheckHandOver(blocking, &env);
    return InitRank(comm, nranks, FromC(id), rank, env, blocking);
  });
}

thinwireResult_t thinwireCommInitAll(thinwireComm_t* comms, int nranks,
                                     const thinwireConfig_t* config) {
  return thinwireCommInitDevices(comms, nranks, nullptr, config);
}

thinwireResult_t thinwireCommInitDevices(thinwireComm_t* comms, int nranks, const int* devices,
                                         const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comms, "comms"));
    if (nranks < 1) return InvalidArgument("nranks is {}; it must be at least 1", nranks);
    std::fill(comms, comms + nranks, nullptr);
    TW_ASSIGN(Env env, EnvFor(config));
    CheckHandOver(true, &env);
    TW_ASSIGN(const UniqueId id, Communicator::NewId(env));
    // Together, as in a group of the caller's own.
    Group::Current().Start();
    Status begun;
    for (int rank = 0; rank < nranks && begun.ok(); ++rank) {
      Env own = env;
      own.cuda_device = devices == nullptr ? rank : devices[rank];
      begun = InitRank(&comms[rank], nranks, id, rank, own, true);
    }
    if (!begun.ok()) (void)Group::Current().Refuse(begun);
    const Status made = Group::Current().End();
    if (made.ok()) return {};
    for (int rank = 0; rank < nranks; ++rank) Discard(&comms[rank]);
    return made;
  });
}

thinwireResult_t thinwireCommInitFromEnvironment(thinwireComm_t* comm,
                                                 const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    TW_TRY(CheckPointer(comm, "comm"));
    *comm = nullptr;
    TW_ASSIGN(const Env env, EnvFor(config));
    const bool blocking = Blocks(env, config, true);
    TW_ASSIGN(const std::optional<Launch> launch, LaunchFromEnvironment(env));
    if (launch) return InitRank(comm, launch->nranks, launch->id, launch->rank, env, blocking);
    TW_ASSIGN(const UniqueId id, Communicator::NewId(env));
    return InitRank(comm, 1, id, 0, env, blocking);
  });
}

thinwireResult_t thinwireCommSplit(thinwireComm_t comm, int color, int key, thinwireComm_t* child,
                                   const thinwireConfig_t* config) {
  return Guard([&] {
    return Derive(comm, child, config, [color, key](Communicator* parent, const Env& env) {
      return Split(parent, color, key, env);
    });
  });
}

thinwireResult_t thinwireCommShrink(thinwireComm_t comm, const int* excluded, int nexcluded,
                                    thinwireComm_t* child, const thinwireConfig_t* config) {
  return Guard([&]() -> Status {
    if (nexcluded < 1) return InvalidArgument("nexcluded is {}; it must be positive", nexcluded);
    TW_TRY(CheckPointer(excluded, "excluded"));
    TW_ASSIGN(const auto whole, Ready(comm));
    if (HeirOf(*whole) != nullptr) {
      return InvalidUsage(
          "shrink: the communicator goes on without ranks that were lost; split it");
    }
    const std::vector<int> gone(excluded, excluded + nexcluded);
    return Derive(comm, child, config, [gone](Communicator* parent, const Env& env) {
      return Shrink(parent, gone, env);
    });
  });
}

thinwireResult_t thinwireCommGrow(thinwireComm_t comm, int nranks, const thinwireUniqueId* id,
                                  thinwireComm_t* child, const thinwireConfig_t* config) {
  return Guard([&] {
    std::optional<UniqueId> brought;
    if (id != nullptr) brought = FromC(*id);
    return Derive(comm, child, config, [nranks, brought](Communicator* parent, const Env& env) {
      return Grow(parent, nranks, brought, env);
    });
  });
}

thinwireResult_t thinwireCommRevoke(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto communicator, Ready(comm));
    return communicator->Revoke();
  });
}

thinwireResult_t thinwireCommFinalize(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto handle, Handle::Find(comm));
    TW_ASSIGN(const auto communicator, handle->Ready());
    return handle->Begin([communicator] { return communicator->Finalize(); });
  });
}

thinwireResult_t thinwireCommDestroy(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    if (comm == nullptr) return {};
    TW_ASSIGN(const auto handle, Handle::Find(comm));
    TW_ASSIGN(const auto communicator, handle->Wait());
    TW_TRY(Handle::Remove(comm).status());
    if (communicator != nullptr) communicator->Close();
    return {};
  });
}

thinwireResult_t thinwireCommAbort(thinwireComm_t comm) {
  return Guard([&]() -> Status {
    if (comm == nullptr) return {};
    TW_ASSIGN(const auto handle, Handle::Remove(comm));
    const auto communicator = handle->communicator();
    if (communicator == nullptr) return {};
    communicator->Abort("thinwireCommAbort was called");
    communicator->Close();
    return {};
  });
}

thinwireResult_t thinwireCommCount(thinwireComm_t comm, int* nranks) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(nranks, "nranks"));
    *nranks = made->ranks();
    return {};
  });
}

thinwireResult_t thinwireCommUserRank(thinwireComm_t comm, int* rank) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(rank, "rank"));
    *rank = made->rank();
    return {};
  });
}

thinwireResult_t thinwireCommDevice(thinwireComm_t comm, int* device) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(device, "device"));
    *device = made->device_number();
    return {};
  });
}

thinwireResult_t thinwireCommGetAsyncError(thinwireComm_t comm, thinwireResult_t* error) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto handle, Handle::Find(comm));
    TW_TRY(CheckPointer(error, "error"));
    *error = static_cast<thinwireResult_t>(handle->AsyncError().code());
    return {};
  });
}

thinwireResult_t thinwireCommVote(thinwireComm_t comm, int well, int* committed) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(committed, "committed"));
    *committed = 0;
    TW_TRY(CheckSurvives(*made));
    bool all_well = false;
    TW_TRY(made->survival()->Vote(made, well != 0, &all_well));
    *committed = all_well ? 1 : 0;
    return {};
  });
}

thinwireResult_t thinwireCommParticipants(thinwireComm_t comm, int* ranks, int* nranks,
                                          uint64_t* hash) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckSurvives(*made));
    const Survival::Party party = made->survival()->party();
    if (ranks != nullptr) std::ranges::copy(party.ranks, ranks);
    if (nranks != nullptr) *nranks = static_cast<int>(party.ranks.size());
    if (hash != nullptr) *hash = party.hash;
    return {};
  });
}

thinwireResult_t thinwireFallbackPath(const char** path) {
  return Guard([&]() -> Status {
    static thread_local std::string asked;
    TW_ASSIGN(const Env env, Env::Read());
    asked = env.fallback;
    *path = asked.c_str();
    return {};
  });
}

thinwireResult_t thinwireCommMayHandOver(thinwireComm_t comm, int* may) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    *may = made->may_hand_over() ? 1 : 0;
    return {};
  });
}

void thinwireLogWarning(const char* text) { TW_LOG(kWarn, "{}", text); }

thinwireResult_t thinwireCommWriteFlight(thinwireComm_t comm, const char* path) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(path, "path"));
    return made->recorder().Write(path);
  });
}

thinwireResult_t thinwireCommWriteReport(thinwireComm_t comm, const char* path) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(path, "path"));
    return made->WriteReport(path);
  });
}

thinwireResult_t thinwireCommGetLink(thinwireComm_t comm, int from, int to, thinwireLink_t* link) {
  return Guard([&]() -> Status {
    TW_ASSIGN(const auto made, Ready(comm));
    TW_TRY(CheckPointer(link, "link"));
    if (link->size != sizeof(thinwireLink_t)) {
      return InvalidArgument("link->size must be set to sizeof(thinwireLink_t)");
    }
    const Communicator& communicator = *made;
    const int ranks = communicator.ranks();
    if (from < 0 || from >= ranks || to < 0 || to >= ranks || from == to) {
      return InvalidArgument("there is no link from rank {} to rank {} among {} ranks", from, to,
                             ranks);
    }
    const Link& known = communicator.links().at(from, to);
    link->bitsPerSecond = known.rate * 8;
    link->delaySeconds = known.delay;
    link->loss = known.loss;
    link->ageSeconds = ToSeconds(Now() - communicator.links_since());
    link->origin = static_cast<thinwireLinkOrigin_t>(known.origin);
    return {};
  });
}

const char* thinwireGetErrorString(thinwireResult_t result) {
  switch (result) {
    case thinwireSuccess:
      return "no error";
    case thinwireUnhandledCudaError:
      return "a CUDA call failed";
    case thinwireSystemError:
      return "the operating system refused something";
    case thinwireInternalError:
      return "internal error: please report it";
    case thinwireInvalidArgument:
      return "invalid argument";
    case thinwireInvalidUsage:
      return "invalid usage";
    case thinwireRemoteError:
      return "a peer or the way to it failed";
    case thinwireInProgress:
      return "operation in progress";
    case thinwireTimeout:
      return "peers did not come in time";
  }
  return "unknown result code";
}

const char* thinwireGetLastError(thinwireComm_t comm) {
  if (const auto handle = Handle::Find(comm); handle.ok()) {
    const Status status = handle.value()->AsyncError();
    if (!status.ok() && status.code() != Code::kInProgress) LastError() = status.message();
  }
  return LastError().c_str();
}

}  // extern "C"
