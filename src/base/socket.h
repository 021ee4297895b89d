// SPDX-License-Identifier: Apache-2.0
//
// The few socket operations that the rendezvous and the tcp transport share: non-blocking TCP over
// IPv4 and IPv6 with deadlines. No state of its own.

#ifndef THINWIRE_BASE_SOCKET_H_
#define THINWIRE_BASE_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace thinwire {

struct IpAddress {
  bool ipv6 = false;
  std::array<std::byte, 16> bytes{};  // network order; IPv4 in the first four
  bool operator==(const IpAddress&) const = default;
};

// Which addresses of this machine are meant.
enum class IpFamily : uint8_t { kAny, kIpv4, kIpv6 };

// Ports to listen on: the first free one. {0, 0}: any.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { Close(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void Close();

 private:
  int fd_ = -1;
};

// "10.0.0.1:4000", "[fe80::1]:4000".
std::string AddressText(const IpAddress& address, uint16_t port);
// The same for the other end of a connected socket.
std::string PeerText(int fd);

// Up to `limit` addresses of a host name or literal.
Result<std::vector<IpAddress>> ResolveHost(const std::string& host, size_t limit);
// "10.0.0.1:4000", "[fe80::1]:4000", "host:4000".
struct HostPort {
  std::string host;
  uint16_t port = 0;
};
Result<HostPort> ParseHostPort(std::string_view text);
// Whether `interfaces` (Env::interface) means the interface of this name; empty means all.
bool MeansInterface(std::string_view interfaces, std::string_view name);
// Names of this machine's interfaces that it means; an error lists those there are.
Result<std::vector<std::string>> InterfaceNames(const std::string& interfaces);
// Where this machine can be reached: its interfaces' addresses, those of container bridges later,
// 127.0.0.1 last (of IPv6 ::1); at most `limit`. Where interfaces are named, their addresses only.
Result<std::vector<IpAddress>> LocalAddresses(const std::string& interfaces, size_t limit,
                                              IpFamily family = IpFamily::kAny);

// Listens on `address`, or everywhere (IPv6 and IPv4) if it is null; port 0 takes any free one.
Result<Fd> Listen(const IpAddress* address, uint16_t port);
Result<Fd> Listen(const IpAddress* address, PortRange ports);
Result<uint16_t> LocalPort(int fd);
// An accepted connection, non-blocking and tuned; a closed Fd when none waits (errno says why).
Fd Accept(int listener);

// Begins to connect, from `source` if it is not null: the socket becomes writable when it is known
// how that ended, and ConnectOutcome tells.
Result<Fd> StartConnect(const IpAddress& address, uint16_t port, const IpAddress* source);
Status ConnectOutcome(int fd);
Result<Fd> Connect(const IpAddress& address, uint16_t port, TimePoint deadline);
// The whole span, or an error: kTimeout at the deadline, kRemote when the other end closed.
Status ReadAll(int fd, std::span<std::byte> target, TimePoint deadline);
Status WriteAll(int fd, std::span<const std::byte> source, TimePoint deadline);

// Milliseconds until `deadline` as poll() wants them: rounded up, never negative.
int PollTimeout(TimePoint deadline);

}  // namespace thinwire

#endif  // THINWIRE_BASE_SOCKET_H_
