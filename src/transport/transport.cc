// SPDX-License-Identifier: Apache-2.0
#include "transport/transport.h"

#include "transport/loopback/loopback_transport.h"
#include "transport/mpi/mpi_transport.h"
#include "transport/tcp/tcp_transport.h"
#if THINWIRE_HAVE_UCX
#include "transport/ucx/ucx_configuration.h"
#include "transport/ucx/ucx_transport.h"
#endif

namespace thinwire {
namespace {

struct Entry {
  std::string_view name;
  Result<std::unique_ptr<Transport>> (*make)(const TransportOptions& options);
};

constexpr Entry kTransports[] = {
    {"tcp", MakeTcpTransport},
#if THINWIRE_HAVE_UCX
    {"ucx", MakeUcxTransport},
#endif
    {"loopback",
     [](const TransportOptions&) -> Result<std::unique_ptr<Transport>> {
       return MakeLoopbackTransport();
     }},
};

}  // namespace

std::vector<std::string_view> TransportNames() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kTransports) names.push_back(entry.name);
  return names;
}

std::string_view DefaultTransport() {
#if THINWIRE_HAVE_UCX
  if (UserChoseUcxNetworks()) return "ucx";
#endif
  return "tcp";
}

Result<std::unique_ptr<Transport>> MakeTransport(std::string_view name,
                                                 const TransportOptions& options) {
  for (const Entry& entry : kTransports) {
    if (entry.name == name) return entry.make(options);
  }
  if (name == "mpi") return MakeMpiTransport(options);  // not built in: a module has MPI
  return InvalidArgument("no transport is named '{}'; this build has: {}, and mpi as a module",
                         name, fmt::join(TransportNames(), ", "));
}

}  // namespace thinwire
