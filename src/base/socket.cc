// SPDX-License-Identifier: Apache-2.0
#include "base/socket.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/ranges.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <memory>
#include <string_view>

namespace thinwire {
namespace {

constexpr int kBacklog = 4096;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress ToSocketAddress(const IpAddress& address, uint16_t port) {
  SocketAddress result;
  if (address.ipv6) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(port);
    std::memcpy(&in6.sin6_addr, address.bytes.data(), sizeof(in6.sin6_addr));
    std::memcpy(&result.storage, &in6, result.bytes = sizeof(in6));
  } else {
    sockaddr_in in4{};
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    std::memcpy(&in4.sin_addr, address.bytes.data(), sizeof(in4.sin_addr));
    std::memcpy(&result.storage, &in4, result.bytes = sizeof(in4));
  }
  return result;
}

// False for families other than IPv4 and IPv6, and for link-local IPv6, which means something only
// together with an interface of the machine that connects.
bool FromSocketAddress(const sockaddr* source, IpAddress* address) {
  if (source == nullptr) return false;
  *address = {};
  if (source->sa_family == AF_INET) {
    sockaddr_in in4;
    std::memcpy(&in4, source, sizeof(in4));
    std::memcpy(address->bytes.data(), &in4.sin_addr, sizeof(in4.sin_addr));
    return true;
  }
  if (source->sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, source, sizeof(in6));
    address->ipv6 = true;
    std::memcpy(address->bytes.data(), &in6.sin6_addr, sizeof(in6.sin6_addr));
    return !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr);
  }
  return false;
}

void Set(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));  // tuning: works without it, too
}

// Small messages at once, and peers whose machine vanished noticed within a minute.
void Tune(int fd) {
  Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  Set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

Status WaitFor(int fd, short events, TimePoint deadline) {
  for (;;) {
    pollfd waiting = {fd, events, 0};
    const int ready = poll(&waiting, 1, PollTimeout(deadline));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return SystemErrno("poll");
    if (Now() >= deadline) return TimeoutError("no answer in time");
  }
}

bool IsContainerBridge(std::string_view name) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"docker", "br-", "veth",
                                                         "virbr",  "cni", "flannel"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

// Lower is better: how likely is it that another machine reaches this one there?
int AddressCost(const ifaddrs& entry, const IpAddress& address) {
  return (IsContainerBridge(entry.ifa_name) ? 2 : 0) + (address.ipv6 ? 1 : 0);
}

Result<Fd> NewSocket(int family) {
  Fd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.open()) return SystemErrno("socket");
  return fd;
}

IpAddress Loopback(IpFamily family) {
  IpAddress address = {.ipv6 = family == IpFamily::kIpv6, .bytes = {}};
  if (!address.ipv6) address.bytes[0] = std::byte{127};
  address.bytes[address.ipv6 ? 15 : 3] = std::byte{1};
  return address;
}

bool IsOf(const IpAddress& address, IpFamily family) {
  return family == IpFamily::kAny || address.ipv6 == (family == IpFamily::kIpv6);
}

Result<Fd> ListenOn(const IpAddress& address, uint16_t port) {
  TW_ASSIGN(Fd fd, NewSocket(address.ipv6 ? AF_INET6 : AF_INET));
  Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.ipv6) Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  SocketAddress target = ToSocketAddress(address, port);
  if (bind(fd.get(), target.get(), target.bytes) != 0 || listen(fd.get(), kBacklog) != 0) {
    return SystemErrno("listen on " + AddressText(address, port));
  }
  return fd;
}

}  // namespace

void Fd::Close() {
  if (open()) close(std::exchange(fd_, -1));
}

std::string AddressText(const IpAddress& address, uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(address.ipv6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof(text));
  return address.ipv6 ? fmt::format("[{}]:{}", text, port) : fmt::format("{}:{}", text, port);
}

std::string PeerText(int fd) {
  SocketAddress peer;
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  if (getpeername(fd, peer.get(), &peer.bytes) == 0) {
    getnameinfo(peer.get(), peer.bytes, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
  }
  std::string_view name = host;  // IPv4 peers of a socket for both families
  if (constexpr std::string_view kMapped = "::ffff:"; name.starts_with(kMapped)) {
    name.remove_prefix(kMapped.size());
  }
  return fmt::format("{}:{}", name, port);
}

Result<std::vector<IpAddress>> ResolveHost(const std::string& host, size_t limit) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return SystemError("cannot resolve host '{}': {}", host, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    IpAddress address;
    if (addresses.size() < limit && FromSocketAddress(entry->ai_addr, &address)) {
      addresses.push_back(address);
    }
  }
  if (addresses.empty()) return SystemError("host '{}' has no address that can be used", host);
  return addresses;
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  HostPort parsed;
  if (colon != text.npos) {
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    parsed.host = host;
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
    if (error != std::errc() || end != digits.data() + digits.size()) parsed.port = 0;
  }
  if (!parsed.host.empty() && parsed.port != 0) return parsed;
  return InvalidArgument("'{}' is not ADDRESS:PORT", text);
}

bool MeansInterface(std::string_view interfaces, std::string_view name) {
  const bool others = interfaces.starts_with('^');
  if (others) interfaces.remove_prefix(1);
  if (interfaces.empty()) return true;
  bool named = false;
  while (!interfaces.empty() && !named) {
    std::string_view pattern = interfaces.substr(0, interfaces.find(','));
    interfaces.remove_prefix(std::min(interfaces.size(), pattern.size() + 1));
    if (pattern.ends_with('*')) {
      named = name.starts_with(pattern.substr(0, pattern.size() - 1));
    } else {
      named = name == pattern;
    }
  }
  return named != others;
}

Result<std::vector<std::string>> InterfaceNames(const std::string& interfaces) {
  const std::unique_ptr<struct if_nameindex, decltype(&if_freenameindex)> list(if_nameindex(),
                                                                               &if_freenameindex);
  if (list == nullptr) return SystemErrno("list the network interfaces");
  std::vector<std::string> names;
  std::vector<std::string> meant;
  for (const struct if_nameindex* i = list.get(); i->if_index != 0; ++i) {
    names.emplace_back(i->if_name);
    if (MeansInterface(interfaces, i->if_name)) meant.emplace_back(i->if_name);
  }
  if (!meant.empty()) return meant;
  return InvalidArgument("no network interface is named '{}'; this host has: {}", interfaces,
                         fmt::join(names, ", "));
}

Result<std::vector<IpAddress>> LocalAddresses(const std::string& interfaces, size_t limit,
                                              IpFamily family) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return SystemErrno("getifaddrs");
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  // The loopback interface counts where it is named.
  const bool any = interfaces.empty() || interfaces.starts_with('^');
  std::vector<std::pair<int, IpAddress>> found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    IpAddress address;
    const bool wanted = MeansInterface(interfaces, entry->ifa_name) &&
                        (!any || (entry->ifa_flags & IFF_LOOPBACK) == 0);
    if (wanted && (entry->ifa_flags & IFF_UP) != 0 &&
        FromSocketAddress(entry->ifa_addr, &address) && IsOf(address, family)) {
      found.emplace_back(AddressCost(*entry, address), address);
    }
  }
  if (!interfaces.empty() && found.empty()) {
    constexpr std::string_view kKinds[] = {"", "IPv4 ", "IPv6 "};
    return InvalidArgument("interface '{}' does not exist, is down or has no {}address", interfaces,
                           kKinds[static_cast<size_t>(family)]);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const size_t own = limit - (interfaces.empty() ? 1 : 0);
  if (found.size() > own) found.resize(own);
  std::vector<IpAddress> addresses;
  for (const auto& [cost, address] : found) addresses.push_back(address);
  if (interfaces.empty()) addresses.push_back(Loopback(family));
  return addresses;
}

Result<Fd> Listen(const IpAddress* address, uint16_t port) {
  if (address != nullptr) return ListenOn(*address, port);
  const IpAddress any6 = {.ipv6 = true, .bytes = {}};
  const IpAddress any4 = {};
  Result<Fd> both = ListenOn(any6, port);
  if (both.ok() || errno == EADDRINUSE || errno == EACCES) return both;
  return ListenOn(any4, port);  // a machine without IPv6
}

Result<Fd> Listen(const IpAddress* address, PortRange ports) {
  for (int port = ports.first; port < ports.last; ++port) {
    Result<Fd> listener = Listen(address, static_cast<uint16_t>(port));
    if (listener.ok() || errno != EADDRINUSE) return listener;
  }
  Result<Fd> last = Listen(address, ports.last);
  if (last.ok() || ports.first == ports.last) return last;
  return last.status().WithContext(
      fmt::format("no port from {} to {} is free", ports.first, ports.last));
}

Result<uint16_t> LocalPort(int fd) {
  SocketAddress own;
  if (getsockname(fd, own.get(), &own.bytes) != 0) return SystemErrno("getsockname");
  // The port has the same place in both families.
  sockaddr_in in4;
  std::memcpy(&in4, &own.storage, sizeof(in4));
  return ntohs(in4.sin_port);
}

Fd Accept(int listener) {
  Fd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd.open()) Tune(fd.get());
  return fd;
}

Result<Fd> StartConnect(const IpAddress& address, uint16_t port, const IpAddress* source) {
  TW_ASSIGN(Fd fd, NewSocket(address.ipv6 ? AF_INET6 : AF_INET));
  Tune(fd.get());
  if (source != nullptr) {
    SocketAddress from = ToSocketAddress(*source, 0);
    Set(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (bind(fd.get(), from.get(), from.bytes) != 0) {
      return SystemErrno("bind to " + AddressText(*source, 0));
    }
  }
  SocketAddress target = ToSocketAddress(address, port);
  const bool begun =
      connect(fd.get(), target.get(), target.bytes) == 0 || errno == EINPROGRESS || errno == EINTR;
  if (!begun) return SystemErrno("connect to " + AddressText(address, port));
  return fd;
}

Status ConnectOutcome(int fd) {
  int error = 0;
  socklen_t bytes = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
  errno = error;
  return error == 0 ? Status() : SystemErrno("connect");
}

Result<Fd> Connect(const IpAddress& address, uint16_t port, TimePoint deadline) {
  TW_ASSIGN(Fd fd, StartConnect(address, port, nullptr));
  Status connected = WaitFor(fd.get(), POLLOUT, deadline);
  if (connected.ok()) connected = ConnectOutcome(fd.get());
  if (!connected.ok()) return connected.WithContext("to " + AddressText(address, port));
  return fd;
}

Status ReadAll(int fd, std::span<std::byte> target, TimePoint deadline) {
  while (!target.empty()) {
    const ssize_t got = recv(fd, target.data(), target.size(), 0);
    if (got == 0) return RemoteError("the other end closed the connection");
    if (got > 0) {
      target = target.subspan(static_cast<size_t>(got));
    } else if (errno == EAGAIN) {
      TW_TRY(WaitFor(fd, POLLIN, deadline));
    } else if (errno != EINTR) {
      return SystemErrno("recv");
    }
  }
  return {};
}

Status WriteAll(int fd, std::span<const std::byte> source, TimePoint deadline) {
  while (!source.empty()) {
    const ssize_t sent = send(fd, source.data(), source.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      source = source.subspan(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      TW_TRY(WaitFor(fd, POLLOUT, deadline));
    } else if (errno != EINTR) {
      return SystemErrno("send");
    }
  }
  return {};
}

int PollTimeout(TimePoint deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

}  // namespace thinwire
