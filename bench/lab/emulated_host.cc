// SPDX-License-Identifier: Apache-2.0
// Set-up of namespaces and TUN interfaces. All of it happens on short-lived threads that have left
// the caller's namespace (unshare works per thread), so nothing of the machine's own is touched.
#include "emulated_host.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>

#include "netlink_settings.h"

namespace thinwire::lab {
namespace {

constexpr uint32_t kNetwork = 10U << 24 | 77U << 16;
constexpr uint32_t kNetmask = 0xffffff00U;
constexpr int kTunQueuePackets = 20000;  // more than our own queues: drops must happen there

[[noreturn]] void ThrowNoPrivilege(const std::string& what) {
  const std::string reason = std::strerror(errno);
  throw LabError(
      fmt::format("{}: {}\nNetwork namespaces and TUN devices need CAP_NET_ADMIN and CAP_SYS_ADMIN "
                  "(run as root)\nand /dev/net/tun. The emulation inside one process needs neither:"
                  "\n  thinwire-perf --transport loopback --delay 20ms --rate 500mbit",
                  what, reason),
      kExitNoPrivilege);
}

UniqueFd OpenTun(int mtu) {
  UniqueFd tun(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun.valid()) ThrowNoPrivilege("cannot open /dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, kInterface, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (ioctl(tun.get(), TUNSETIFF, &request) != 0) ThrowNoPrivilege("cannot make a TUN interface");
  // The kernel hands over whole super-packets: one system call for up to 64 KB.
  if (ioctl(tun.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) {
    ThrowErrno("TUNSETOFFLOAD");
  }
  UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_mtu = mtu;
  if (ioctl(control.get(), SIOCSIFMTU, &request) != 0) {
    throw LabError(fmt::format("the MTU {} is not possible", mtu), kExitUsage);
  }
  request.ifr_qlen = kTunQueuePackets;
  if (ioctl(control.get(), SIOCSIFTXQLEN, &request) != 0) ThrowErrno("SIOCSIFTXQLEN");
  return tun;
}

void BringUp(const char* interface) {
  UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) ThrowErrno("SIOCGIFFLAGS");
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
  if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) ThrowErrno("SIOCSIFFLAGS");
}

void SetAddress(uint32_t request_code, uint32_t address) {
  UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, kInterface, IFNAMSIZ - 1);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &where, sizeof(where));
  if (ioctl(control.get(), request_code, &request) != 0) ThrowErrno("cannot set the address");
}

bool WriteSetting(const std::string& name, const std::string& value) {
  std::ofstream file("/proc/sys/net/" + name);
  return static_cast<bool>(file << value << std::flush);
}

// Raises the maximum (third number) of a tcp_rmem-like setting.
void RaiseBuffers(const std::string& name, int64_t bytes) {
  std::ifstream file("/proc/sys/net/" + name);
  int64_t least = 0;
  int64_t initial = 0;
  int64_t most = 0;
  if (!(file >> least >> initial >> most) || most >= bytes) return;
  const int64_t value = std::min<int64_t>(bytes, INT32_MAX);
  if (!WriteSetting(name, fmt::format("{} {} {}", least, initial, value))) {
    throw LabError(fmt::format("cannot set {}", name));
  }
}

void SetCongestion(int rank, const std::string& name) {
  if (WriteSetting("ipv4/tcp_congestion_control", name)) return;
  // A namespace may only default to what the machine allows everybody; a route may name any.
  if (SetRouteCongestion(kInterface, kNetwork, Ipv4Of(rank), name)) return;
  throw LabError(fmt::format("congestion control '{}' is not available here", name), kExitUsage);
}

void Configure(int rank, const HostOptions& options) {
  // Router solicitations and the like would only blur the counters; a system without IPv6 is fine.
  WriteSetting(fmt::format("ipv6/conf/{}/disable_ipv6", kInterface), "1");
  RaiseBuffers("ipv4/tcp_rmem", options.socket_buffer_bytes);
  RaiseBuffers("ipv4/tcp_wmem", options.socket_buffer_bytes);
  SetAddress(SIOCSIFADDR, Ipv4Of(rank));
  SetAddress(SIOCSIFNETMASK, kNetmask);
  LimitSuperPackets(kInterface, options.max_super_packet_bytes);
  BringUp("lo");
  BringUp(kInterface);
  if (!options.congestion.empty()) SetCongestion(rank, options.congestion);
}

}  // namespace

uint32_t Ipv4Of(int rank) { return kNetwork + static_cast<uint32_t>(rank) + 1; }

std::string AddressOf(int rank) {
  const uint32_t address = Ipv4Of(rank);
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
}

std::optional<int> RankOf(uint32_t address, int ranks) {
  if (address <= kNetwork || address > kNetwork + static_cast<uint32_t>(ranks)) return std::nullopt;
  return static_cast<int>(address - kNetwork - 1);
}

Host MakeHost(int rank, const HostOptions& options) {
  const auto make = [&] {
    if (unshare(CLONE_NEWNET) != 0) ThrowNoPrivilege("cannot make a network namespace");
    Host host;
    host.netns = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!host.netns.valid()) ThrowErrno("/proc/thread-self/ns/net");
    host.tun = OpenTun(options.mtu);
    Configure(rank, options);
    return host;
  };
  return std::async(std::launch::async, make).get();
}

bool EnterHost(int netns) {
  if (setns(netns, CLONE_NEWNET) != 0) return false;
  // /sys lists the interfaces of the namespace it was mounted in; UCX and others look there for
  // what they may use. A failure below only means that they find nothing.
  const int groups = open("/sys/fs/cgroup", O_PATH | O_CLOEXEC);
  if (unshare(CLONE_NEWNS) == 0 && mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
      mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0 && groups >= 0) {
    char path[32] = {};
    fmt::format_to_n(path, sizeof(path) - 1, "/proc/self/fd/{}", groups);  // doesn't allocate
    mount(path, "/sys/fs/cgroup", nullptr, MS_BIND | MS_REC, nullptr);
  }
  return true;
}

void InNamespace(int netns, const std::function<void()>& body) {
  std::async(std::launch::async, [&] {
    if (setns(netns, CLONE_NEWNET) != 0) ThrowErrno("setns");
    body();
  }).get();
}

}  // namespace thinwire::lab
