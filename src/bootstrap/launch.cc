// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/launch.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/hmac.h"
#include "base/mpi.h"
#include "base/socket.h"
#include "bootstrap/mpi_rendezvous.h"
#include "bootstrap/rendezvous.h"

namespace thinwire {
namespace {

constexpr std::string_view kHowVariables = "RANK/WORLD_SIZE";
constexpr std::string_view kHowMpi = "mpirun";

// Variables of the launchers, not of this library, hence not in Env.
const char* Get(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != '\0' ? text : nullptr;
}

Result<int> GetNumber(const char* name, int low, int high) {
  const char* text = Get(name);
  if (text == nullptr) {
    return InvalidUsage(
        "{} is not set: a job started from variables needs RANK, WORLD_SIZE, "
        "MASTER_ADDR and MASTER_PORT (torchrun sets them)",
        name);
  }
  const std::string_view digits = text;
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < low || value > high) {
    return InvalidUsage("{}='{}' is not a number from {} to {}", name, digits, low, high);
  }
  return value;
}

// ---- RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT -------------------------------------------------

Result<uint16_t> RootPort(const Env& env) {
  if (env.port != 0) return static_cast<uint16_t>(env.port);
  const char* agent_store = Get("TORCHELASTIC_USE_AGENT_STORE");
  const bool taken = agent_store != nullptr && agent_store == std::string_view("True");
  TW_ASSIGN(const int port, GetNumber("MASTER_PORT", 1, taken ? 65534 : 65535));
  return static_cast<uint16_t>(port + (taken ? 1 : 0));
}

// The same on all ranks of a job, and different for jobs that meet on a machine by mistake.
Digest JobSecret(const Env& env, uint16_t port) {
  const char* job = Get("TORCHELASTIC_RUN_ID");
  const std::string what = fmt::format("thinwire job {} {}", port, job == nullptr ? "" : job);
  return HmacSha256(BytesOf(env.secret), {BytesOf(what)});
}

Result<Launch> LaunchFromVariables(const Env& env) {
  TW_ASSIGN(const int nranks, GetNumber("WORLD_SIZE", 1, 65535));
  TW_ASSIGN(const int rank, GetNumber("RANK", 0, nranks - 1));
  TW_ASSIGN(const uint16_t port, RootPort(env));
  const char* host = Get("MASTER_ADDR");
  if (host == nullptr) {
    return InvalidUsage("MASTER_ADDR is not set: it names the machine of rank 0");
  }
  Result<std::vector<IpAddress>> addresses = ResolveHost(host, kUniqueIdAddresses);
  if (!addresses.ok()) return addresses.status().WithContext("MASTER_ADDR");
  const UniqueId id = PackUniqueId(
      {.secret = JobSecret(env, port), .port = port, .addresses = std::move(addresses).value()});
  if (rank == 0) {
    if (Status started = RendezvousServer::StartWith(
            id, {.interface = env.interface, .host = {}, .family = env.family});
        !started.ok()) {
      return started.WithContext(
          "rank 0 cannot gather the ranks (THINWIRE_PORT chooses another "
          "port, on every rank)");
    }
  }
  return Launch{rank, nranks, id, std::string(kHowVariables)};
}

// ---- mpirun -------------------------------------------------------------------------------------

bool StartedByMpirun() {
  constexpr std::array<const char*, 3> kVariables = {"OMPI_COMM_WORLD_RANK", "PMI_RANK",
                                                     "PMIX_RANK"};
  return std::any_of(kVariables.begin(), kVariables.end(),
                     [](const char* name) { return Get(name) != nullptr; });
}

Result<Launch> LaunchFromMpi(const Env& env) {
  const Result<Mpi> mpi = Mpi::Load(env.modules);
  if (!mpi.ok()) {
    return SystemError(
        "started by mpirun, but {}, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
        mpi.status().message());
  }
  Launch launch;
  launch.how = kHowMpi;
  launch.rank = mpi.value().world.rank;
  launch.nranks = mpi.value().world.ranks;
  Status started;
  if (launch.rank == 0) {
    // Who sends by MPI alone may have nothing else to meet by.
    Result<UniqueId> id = env.transport == "mpi"
                              ? NewMpiId()
                              : RendezvousServer::Start({.interface = env.interface,
                                                         .host = env.host,
                                                         .port = env.port,
                                                         .family = env.family});
    started = id.status();
    if (id.ok()) launch.id = *id;
  }
  // Also after a failure, with zeros for an id: the others wait in the same call.
  TW_TRY(mpi.value().Check(
      mpi.value().calls->broadcast(launch.id.bytes.data(), static_cast<int>(kUniqueIdBytes))));
  TW_TRY(started);
  if (launch.id == UniqueId{}) {
    return RemoteError("rank 0 could not start the rendezvous; its log says why");
  }
  return launch;
}

// Equal on all ranks; other jobs at the same place are told apart by it.
Secret RootSecret(const Env& env) {
  return HmacSha256(BytesOf(env.secret), {BytesOf("thinwire root " + env.root)});
}

template <typename T>
Result<std::optional<T>> Found(Result<T> result) {
  if (!result.ok()) return result.status();
  return std::optional<T>(std::move(result).value());
}

}  // namespace

Result<UniqueId> RootId(const Env& env) {
  Result<HostPort> place = ParseHostPort(env.root);
  if (!place.ok()) return place.status().WithContext("NCCL_COMM_ID");
  Result<std::vector<IpAddress>> addresses = ResolveHost(place->host, kUniqueIdAddresses);
  if (!addresses.ok()) return addresses.status().WithContext("NCCL_COMM_ID");
  return PackUniqueId(
      {.secret = RootSecret(env), .port = place->port, .addresses = std::move(addresses).value()});
}

Status GatherAtRoot(const UniqueId& id, const Env& env) {
  TW_ASSIGN(const UniqueIdFields fields, ParseUniqueId(id));
  if (env.root.empty() || fields.secret != RootSecret(env)) return {};
  const Status started = RendezvousServer::StartWith(
      id, {.interface = env.interface, .host = {}, .family = env.family});
  return started.ok() ? started
                      : started.WithContext("rank 0 cannot gather the ranks at NCCL_COMM_ID");
}

Result<std::optional<Launch>> LaunchFromEnvironment(const Env& env) {
  if (Get("RANK") != nullptr || Get("WORLD_SIZE") != nullptr) {
    return Found(LaunchFromVariables(env));
  }
  if (StartedByMpirun()) return Found(LaunchFromMpi(env));
  return std::optional<Launch>();
}

}  // namespace thinwire
