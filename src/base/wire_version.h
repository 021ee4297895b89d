// SPDX-License-Identifier: Apache-2.0
//
// Version of everything ranks say to each other: frames (layer `wire`) and the rendezvous (layer
// `bootstrap`). Ranks with different versions refuse each other when they join.

#ifndef THINWIRE_BASE_WIRE_VERSION_H_
#define THINWIRE_BASE_WIRE_VERSION_H_

#include <cstdint>

namespace thinwire {

inline constexpr uint8_t kWireVersion = 1;

}  // namespace thinwire

#endif  // THINWIRE_BASE_WIRE_VERSION_H_
