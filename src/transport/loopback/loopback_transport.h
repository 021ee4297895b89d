// SPDX-License-Identifier: Apache-2.0
//
// Loopback: the ranks are threads of one process. A Send copies its bytes once, straight into the
// mailbox of the receiver, and is done at once. Layer: transport.
//
// Threads: as transport.h says; mailboxes are locked, and a registry of the process finds them by
// the key in an address. A rank of another process is refused.

#ifndef THINWIRE_TRANSPORT_LOOPBACK_LOOPBACK_TRANSPORT_H_
#define THINWIRE_TRANSPORT_LOOPBACK_LOOPBACK_TRANSPORT_H_

#include <memory>

#include "transport/transport.h"

namespace thinwire {

std::unique_ptr<Transport> MakeLoopbackTransport();

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_LOOPBACK_LOOPBACK_TRANSPORT_H_
