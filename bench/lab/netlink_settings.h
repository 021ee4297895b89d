// SPDX-License-Identifier: Apache-2.0
// Settings of the current network namespace that only netlink can make.
#ifndef THINWIRE_BENCH_LAB_NETLINK_SETTINGS_H_
#define THINWIRE_BENCH_LAB_NETLINK_SETTINGS_H_

#include <cstdint>
#include <string>

namespace thinwire::lab {

// The largest super-packet that TCP may hand to the interface. Throws LabError.
void LimitSuperPackets(const char* interface, int64_t bytes);

// Congestion control of connections over the interface's own /24 network, unless a program asks for
// another. `network` and `own` are in host byte order. False if the system refuses.
bool SetRouteCongestion(const char* interface, uint32_t network, uint32_t own,
                        const std::string& name);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_NETLINK_SETTINGS_H_
