// SPDX-License-Identifier: Apache-2.0
//
// UCX: eager active messages over UCP, by default over TCP. One UCP context and worker a transport,
// so that several (threads as ranks) live in one process. Layer: transport.
//
// Settings of the user (UCX_TLS, UCX_TCP_SNDBUF ...) win over ours, see ucx_configuration.h.
// Large messages are received without a copy: the Message holds UCX's own buffer.

#ifndef THINWIRE_TRANSPORT_UCX_UCX_TRANSPORT_H_
#define THINWIRE_TRANSPORT_UCX_UCX_TRANSPORT_H_

#include <memory>

#include "base/status.h"
#include "transport/transport.h"

namespace thinwire {

Result<std::unique_ptr<Transport>> MakeUcxTransport(const TransportOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_UCX_UCX_TRANSPORT_H_
