// SPDX-License-Identifier: Apache-2.0
// One emulated host: an anonymous network namespace with one TUN interface. It lives as long as
// the two file descriptors here and the processes in it; the kernel removes it after the last.
#ifndef THINWIRE_BENCH_LAB_EMULATED_HOST_H_
#define THINWIRE_BENCH_LAB_EMULATED_HOST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "unique_fd.h"

namespace thinwire::lab {

inline constexpr int kMaxRanks = 250;
inline constexpr const char* kInterface = "wan0";

struct HostOptions {
  int mtu = 1500;
  int64_t max_super_packet_bytes = 65536;
  int64_t socket_buffer_bytes = 0;  // tcp_rmem and tcp_wmem maximum; never lowers the system's
  std::string congestion;           // empty: the system's default
};

struct Host {
  UniqueFd netns;
  UniqueFd tun;  // non-blocking; frames with a virtio-net header
};

// 10.77.0.(rank + 1), as text and in host byte order; and back.
std::string AddressOf(int rank);
uint32_t Ipv4Of(int rank);
std::optional<int> RankOf(uint32_t address, int ranks);

// Makes the host of `rank`. Throws LabError, with kExitNoPrivilege when the system won't let us.
Host MakeHost(int rank, const HostOptions& options);

// Moves this single-threaded process into the host. System calls only, so it may stand between fork
// and exec. False, with errno, on failure.
bool EnterHost(int netns);

// Runs `body` on a thread inside the namespace, and waits; what it throws is thrown here.
void InNamespace(int netns, const std::function<void()>& body);

}  // namespace thinwire::lab

#endif  // THINWIRE_BENCH_LAB_EMULATED_HOST_H_
