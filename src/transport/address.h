// SPDX-License-Identifier: Apache-2.0
//
// The common form of address blobs: `<transport's name> <16 hex digits: checksum> <body>`. The name
// lets ranks with different transports refuse each other by name; the checksum keeps a damaged body
// away from libraries that trust it. Layer: transport.

#ifndef THINWIRE_TRANSPORT_ADDRESS_H_
#define THINWIRE_TRANSPORT_ADDRESS_H_

#include <string>
#include <string_view>

#include "base/status.h"

namespace thinwire {

std::string PackAddress(std::string_view name, std::string_view body);

// The body of rank `rank`'s blob, valid as long as `address`. Errors name the rank and, where it
// uses another transport, both names.
Result<std::string_view> UnpackAddress(std::string_view name, std::string_view address, int rank);

// InvalidArgument unless `rank` is one of `ranks` ranks; CheckPeer: and another than `self`.
Status CheckRank(int rank, size_t ranks);
Status CheckPeer(int peer, int self, size_t ranks);

}  // namespace thinwire

#endif  // THINWIRE_TRANSPORT_ADDRESS_H_
