// SPDX-License-Identifier: Apache-2.0
//
// How Thinwire configures UCX: tcp only (ranks of one machine may sit in different network
// namespaces, where shared memory misleads UCX), eager and copied sends only, large fixed socket
// buffers, the wanted interface, and silence. What the user set through UCX_* variables stays, but
// for the thresholds of rendezvous and zero copy. Layer: transport.

#ifndef THINWIRE_TRANSPORT_UCX_UCX_CONFIGURATION_H_
#define THINWIRE_TRANSPORT_UCX_UCX_CONFIGURATION_H_

#include <ucp/api/ucp.h>

#include <string>

#include "base/status.h"

namespace thinwire {

// A UCP context for active messages with wake-up, used by one thread at a time. Owned by the
// caller (ucp_cleanup). `interface`: network interface to use, empty for any.
Result<ucp_context_h> MakeUcxContext(const std::string& interface);

// Whether the user has said which networks UCX shall use (UCX_TLS), as for InfiniBand.
bool UserChoseUcxNetworks();

// The error of a failed UCX call: `what: text of UCX`.
Status UcxError(ucs_status_t status, const std::string& what);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_UCX_UCX_CONFIGURATION_H_
