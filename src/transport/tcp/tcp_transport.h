// SPDX-License-Identifier: Apache-2.0
//
// TCP with its sockets in hand: congestion control, pacing, buffers and the number of connections
// (flows) to a peer are ours to choose, which long and lossy links ask for
// (docs/design/014-tcp-transport.md). A message goes by whichever flow can take it, so that one
// held up by a loss holds up no other. Layer: transport. Threads: as transport.h says.

#ifndef THINWIRE_TRANSPORT_TCP_TCP_TRANSPORT_H_
#define THINWIRE_TRANSPORT_TCP_TCP_TRANSPORT_H_

#include <memory>

#include "base/status.h"
#include "transport/transport.h"

namespace thinwire {

// Listens at once. Errors: no such interface, host or congestion control, no port free.
Result<std::unique_ptr<Transport>> MakeTcpTransport(const TransportOptions& options);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_TCP_TCP_TRANSPORT_H_
